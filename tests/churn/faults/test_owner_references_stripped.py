"""Children are stored without ownerReferences, whatever encoding they were sent in."""

from __future__ import annotations

import json

import pytest

from ghostkey.churn.plan import FaultPoint, Plan, Step
from ghostkey.churn.proxy.wire import strip_owner_references
from ghostkey.churn.subjects import Subject
from tests.churn.helpers import TenantBed

STRIP = FaultPoint("owner-references-stripped", "create", "secrets", 1, 0)


def test_child_is_stored_without_its_owner(tenants: TenantBed) -> None:
    with tenants.campaign() as (_, lane, _registry):
        owners: dict[int, object] = {}

        def live(made: list[Subject]) -> int:
            for subject in made:
                name = f"tenant-{subject.objects[0].name}-credentials"
                child = tenants.bed.api.get(f"/api/v1/namespaces/{lane.namespace}/secrets/{name}")
                assert child is not None
                owners[subject.number] = child["metadata"].get("ownerReferences")
            return len(made)

        trial = lane.run(Plan((Step("create", 0), Step("create", 1)), (STRIP,)), live=live)
        assert trial.fired == [0]
        assert owners[0] is None
        assert owners[1] is not None


@pytest.mark.whole
def test_operator_that_cleans_up_by_name_is_acquitted(tenants: TenantBed) -> None:
    found, struck = tenants.fault("owner-references-stripped", "")
    assert struck
    assert not found


def test_what_is_not_understood_goes_on_unchanged() -> None:
    for body in (b"", b"k8s\0\xff\xff", b"[1]", b'{"metadata": 1}', b"k8s\0\x12\x7fabc", b"\x00\x01"):
        assert strip_owner_references(body) == body


def test_json_keeps_all_else() -> None:
    body = json.dumps({"metadata": {"name": "a", "ownerReferences": [{"uid": "x"}]}, "data": {"k": "v"}}).encode()
    assert json.loads(strip_owner_references(body)) == {"metadata": {"name": "a"}, "data": {"k": "v"}}
