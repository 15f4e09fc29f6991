"""The least steps hold none that only shifts time: the operator's requests with and without it are compared."""

from __future__ import annotations

from ghostkey.churn.judge import Kind, Verdict
from ghostkey.churn.plan import Plan, Step
from ghostkey.churn.reducing import CONFIRMATIONS, Reducer
from ghostkey.churn.traces import Signature
from tests.churn.helpers import TenantBed

# nothing is frozen: to thaw is to wait
PLAN = Plan((Step("create", 0), Step("thaw"), Step("patch", 0)))


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
