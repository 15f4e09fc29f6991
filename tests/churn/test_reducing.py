"""The least steps hold none that only shifts time: the operator's requests with and without it are compared."""

from __future__ import annotations

import pytest

from ghostkey.churn.campaign import Outcome
from ghostkey.churn.judge import Kind, Verdict
from ghostkey.churn.plan import Plan, Step
from ghostkey.churn.reducing import CONFIRMATIONS, Reduced, Reducer
from ghostkey.churn.run import why_not_reduced
from ghostkey.churn.traces import Signature
from tests.churn.helpers import TenantBed

# nothing is frozen: to thaw is to wait
PLAN = Plan((Step("create", 0), Step("thaw"), Step("patch", 0)))


@pytest.mark.whole
def test_step_that_only_shifts_time_goes_and_what_changes_requests_stays(tenants: TenantBed) -> None:
    trials: list[str] = []
    with tenants.campaign("wrong-delete-key") as (_, lane, registry):
        reducer = Reducer(tenants.bed, [lane], lambda _, what: trials.append(what), patience=0.1)
        place = f"configmaps tenant-system/{registry} data[<ns>.<S>] (key)"
        verdict = Verdict(Signature("api", place), Kind.LEAK, (), (), (), "")
        least, needed = reducer.without_time(verdict, PLAN)
        assert [str(step) for step in least.steps] == ["create 0", "patch 0"]
        assert not needed
        assert trials.count("confirming") == CONFIRMATIONS, "a step that changes requests is not tried without"

        # what the plan does not show without it is no chance: it stays, and is told
        other = Verdict(Signature("api", "secrets nowhere"), Kind.LEAK, (), (), (), "")
        assert reducer.without_time(other, PLAN) == (PLAN, ("thaw",))


@pytest.mark.whole
def test_series_is_confirmed_although_an_operator_that_ends_takes_its_metrics_with_it(tenants: TenantBed) -> None:
    signature = Signature("metrics", 'tenant_plan_length{name="<S>",namespace="<ns>"}')
    with tenants.campaign("series-never-deleted") as (_, lane, _registry):
        reducer = Reducer(tenants.bed, [lane], lambda _trial, _what: None, patience=0.1)
        for steps in ((Step("create", 0),), (Step("create", 0), Step("restart"))):
            assert reducer._again(Verdict(signature, Kind.LEAK, (), (), (), ""), Plan(steps)) == CONFIRMATIONS, steps


def test_reproduction_that_is_not_written_is_said_with_the_reason() -> None:
    def verdict(source: str) -> Verdict:
        return Verdict(Signature(source, "x"), Kind.LEAK, (), (), (), "")

    unsure = Reduced(PLAN, trials=9, shown=1, tried=3, seconds=1.0)
    outcome = Outcome(reduced={verdict("api").signature: unsure})
    assert why_not_reduced(outcome, verdict("api")) == "the least steps showed it 1 of 3 times"
    assert "needs rounds" in why_not_reduced(outcome, verdict("memory"))
    assert "--for gives more" in why_not_reduced(outcome, verdict("metrics"))
