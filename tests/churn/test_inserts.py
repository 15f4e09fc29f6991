"""A map that leaks in the operator's memory is told with the stack of the code that inserts into it."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from ghostkey.census.errors import CannotWatch
from ghostkey.churn import inserts
from ghostkey.churn.campaign import Outcome
from ghostkey.report.churn import render
from tests.churn.helpers import TenantBed
from tests.helpers import check_sarif, check_schema


@pytest.mark.whole
def test_stack_of_the_insert_is_the_reconciler_s_and_where_the_kernel_forbids_to_look_the_reason_is_told(
    tenants: TenantBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tenants.campaign("parallel-map", subjects=4) as (campaign, lane, _):
        campaign.rounds(lane)
        outcome = campaign.finish()
        (verdict,) = outcome.findings
        check_stacks(outcome, outcome.inserts[verdict.signature])

        # what came after the last look is not said to have stayed away, nor that nothing was taken out
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(inserts, "WATCH_SECONDS", 0.3)
            campaign._look_who_inserts(lane, 4)
        short = outcome.inserts[verdict.signature]
        assert not short.never
        assert short.stacks or short.unknown == "the subjects went after the last look"

        def refuses(*_: object) -> None:
            raise CannotWatch("perf_event_open: 1 Operation not permitted")

        # the kernel here does not refuse: what it would say is put in its place
        monkeypatch.setattr(inserts, "watch", refuses)
        campaign._look_who_inserts(lane, 4)
    assert not outcome.inserts[verdict.signature].stacks
    assert "who inserts is not known: perf_event_open" in render(outcome, "table")


def check_stacks(outcome: Outcome, found: inserts.Inserts) -> None:
    """Every insert is seen, by its stack, in every form."""
    assert not found.unknown
    assert sum(found.stacks.values()) == inserts.SUBJECTS
    assert all("reconciler" in stack[0].function and stack[0].file.endswith(".go") for stack in found.stacks), found
    assert not found.deletes
    assert found.never.startswith("nothing was taken out of it")
    assert "× main.(*reconciler)" in render(outcome, "table")
    assert "× main.(*reconciler)" in ElementTree.fromstring(render(outcome, "junit")).findtext(".//failure", "")
    sarif = json.loads(render(outcome, "sarif"))
    check_sarif(sarif)
    (result,) = sarif["runs"][0]["results"]
    assert "× main.(*reconciler)" in result["message"]["text"]
    frame = result["stacks"][0]["frames"][0]["location"]
    assert frame["physicalLocation"]["artifactLocation"]["uri"].endswith(".go")
    assert frame["logicalLocations"][0]["fullyQualifiedName"].startswith("main.(*reconciler)")
    document = json.loads(render(outcome, "json"))
    check_schema(document)
    (record,) = document["verdicts"]
    assert record["inserts"]["stacks"][0]["calls"][0]["line"] > 0
