"""Fault points on lanes side by side, and one lane where the operator cannot run twice."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from ghostkey.churn.campaign import FAULT_LANES
from ghostkey.churn.judge import Kind
from ghostkey.churn.probing import Probe
from tests.churn.helpers import TenantBed
from tests.churn.test_mistakes import KEY


@pytest.mark.whole
def test_fault_points_are_shared_by_two_lanes_and_what_they_leave_on_either_is_found(tenants: TenantBed) -> None:
    with tenants.campaign("error-branch") as (campaign, lane, registry):
        probe = Probe(tenants.bed, lane, campaign.metrics, campaign.account, campaign.tell)
        probe.learn(["conflict"])
        (beside,) = campaign.lanes_beside(lane, 2)
        try:
            probe.points_at_once([beside])
            assert probe.tried == probe.fired >= 4
            struck = {made.namespace for subject in probe.subjects for made in subject.objects}
            assert struck == {lane.namespace, beside.namespace}
            found = probe.read(probe.subjects)
        finally:
            beside.close()
    (trace,) = (trace for signature, trace in found.items() if str(signature).replace(registry, "registry") == KEY)
    left = {made.namespace for subject in probe.subjects if subject.token in trace.tokens for made in subject.objects}
    assert left
    assert left <= struck


@pytest.mark.whole
def test_what_a_fault_leaves_on_any_lane_is_found(tenants: TenantBed) -> None:
    with tenants.campaign("error-branch", faults=("conflict", "answer-lost")) as (campaign, lane, registry):
        campaign.faults(lane)
        outcome = campaign.finish()
    assert len(campaign._lanes) == FAULT_LANES
    tried, struck = outcome.points
    assert tried == struck >= 10
    assert not outcome.notes
    leaks = {str(verdict.signature).replace(registry, "registry") for verdict in outcome.verdicts if verdict.kind is Kind.LEAK}
    assert KEY in leaks


@pytest.mark.whole
def test_every_fault_point_of_the_correct_operator_strikes_and_leaves_nothing(tenants: TenantBed) -> None:
    with tenants.campaign("", faults=()) as (campaign, lane, _):
        campaign.faults(lane)
        outcome = campaign.finish()
    tried, struck = outcome.points
    assert tried == struck >= 90
    assert outcome.result == "clean", [str(verdict) for verdict in outcome.verdicts]


@pytest.mark.skipif(shutil.which("flock") is None, reason="there is no flock")
def test_operator_that_does_not_run_twice_has_one_lane(tenants: TenantBed, tmp_path: Path) -> None:
    # as a port of its own would have it
    alone = dataclasses.replace(
        tenants, front=("flock", "--no-fork", "--nonblock", "--conflict-exit-code=9", str(tmp_path / "lock"))
    )
    with alone.campaign("") as (campaign, lane, _):
        assert campaign.lanes_beside(lane) == []
        (note,) = campaign.outcome.notes
        assert "does not run twice side by side" in note
        assert "a port of its own (:0)" in note
        assert lane.operator.is_running()
        assert campaign.lanes_beside(lane) == [], "it is asked once"
