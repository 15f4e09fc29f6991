"""Why a key is there, as the run's own logs tell it: by its class, and never more than they show."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from ghostkey.churn.campaign import Outcome
from ghostkey.churn.past import Life, lives_of
from ghostkey.report.churn import life_lines, render
from tests.churn.helpers import TenantBed
from tests.helpers import check_sarif


def lives(tenants: TenantBed, mistake: str) -> dict[str, Life]:
    """Source of a signature → life, of a mistake's findings."""
    return dict(told_by(tenants, mistake)[1])


def told_by(tenants: TenantBed, mistake: str) -> tuple[Outcome, dict[str, Life]]:
    """The outcome of a mistake with the lives of its findings, and these by the source of their signatures."""
    with tenants.campaign(mistake, subjects=4) as (campaign, lane, _):
        campaign.rounds(lane)
        outcome = campaign.finish()
        outcome.lives = lives_of(outcome.findings, tenants.bed.control_plane)
        assert len({v.signature.source for v in outcome.findings}) == len(outcome.findings)
    return outcome, {signature.source: life for signature, life in outcome.lives.items()}


def test_key_that_nobody_tried_to_remove_is_told_with_its_writer(tenants: TenantBed) -> None:
    outcome, told = told_by(tenants, "no-delete-on-notfound")
    assert told.keys() == {"api"}, "a map in memory has no story"
    life = told["api"]
    assert life.classes.keys() == {"no-delete"}
    # every subject of three rounds, the two that came first to see whether the operator works, and those whose inserts were watched
    keys = life.classes["no-delete"]
    assert keys >= 3 * 4 + 2
    assert life.ghost is not None
    assert life.ghost["manager"] == "tenant-operator"
    assert life.ghost["first_set_at"] < life.ghost["subject_deleted_at"]
    lines = list(life_lines(life))
    assert lines[0] == f"no-delete: {keys} keys: nobody tried to remove it"
    assert any("written" in line and "tenant-operator" in line for line in lines)
    sarif = json.loads(render(outcome, "sarif"))
    check_sarif(sarif)
    stories = [result for result in sarif["runs"][0]["results"] if "life" in result.get("properties", {})]
    assert [result["properties"]["life"]["class"] for result in stories] == ["no-delete"]
    failures = [failure.text or "" for failure in ElementTree.fromstring(render(outcome, "junit")).iter("failure")]
    for text in (*(result["message"]["text"] for result in stories), *(text for text in failures if "no-delete" in text)):
        assert lines[0] in text
        assert any("written" in line and "tenant-operator" in line for line in text.splitlines())
    assert sum("no-delete" in text for text in failures) == 1


@pytest.mark.whole
def test_secret_of_which_the_audit_log_has_no_bodies_is_unknown(tenants: TenantBed) -> None:
    life = lives(tenants, "secret-registry")["api"]
    assert life.classes.keys() == {"unknown"}, life
    assert life.ghost is not None
    assert life.ghost["manager"] == "tenant-operator", "etcd's log has it"


@pytest.mark.whole
def test_entry_of_a_document_is_told_by_the_document_that_the_trace_names(tenants: TenantBed) -> None:
    life = lives(tenants, "nested-document")["api"]
    assert life.ghost is not None
    assert life.ghost["path"].partition("/")[0] == "tenants.json"
    # where writes were refused meanwhile, the log does not show what they were for
    assert life.classes.keys() <= {"no-delete", "unknown"}, life
