"""Two replicas and a change of leader: what the other one noted while it did not lead comes back."""

from __future__ import annotations

import pytest

from ghostkey.churn.proxy.leases import own_lease
from ghostkey.churn.proxy.wire import name_of
from tests.churn.helpers import TenantBed
from tests.churn.test_mistakes import KEY


@pytest.mark.whole
def test_leader_change_convicts_the_leaky(tenants: TenantBed) -> None:
    found, struck = tenants.fault("leader-change", "non-leader", "--leader-elect")
    assert struck
    assert KEY in found


@pytest.mark.whole
def test_leader_change_acquits_the_clean(tenants: TenantBed) -> None:
    found, struck = tenants.fault("leader-change", "", "--leader-elect")
    assert struck
    assert not found


@pytest.mark.whole
def test_leader_change_acquits_two_that_do_not_elect(tenants: TenantBed) -> None:
    found, struck = tenants.fault("leader-change", "")
    assert struck
    assert not found


@pytest.mark.parametrize("form", ["json", "protobuf"])
def test_each_lane_has_a_lease_of_its_own(form: str) -> None:
    text = b'{"kind":"Lease","metadata":{"name":"manager","namespace":"ops"},"spec":{"holderIdentity":"a"}}'
    # k8s\0, runtime.Unknown{raw: Lease{metadata: ObjectMeta{name: manager, namespace: ops}}}
    metadata = b"\x0a\x07manager\x1a\x03ops"
    lease = b"\x0a" + bytes([len(metadata)]) + metadata + b"\x12\x03\x0a\x01a"
    body = {"json": text, "protobuf": b"k8s\0\x12" + bytes([len(lease)]) + lease}[form]
    leases = "/apis/coordination.k8s.io/v1/namespaces/ops/leases"
    target, made, path = own_lease("POST", leases, body, "-lane-2")
    assert (target, path) == (leases, f"{leases}/manager-lane-2")
    assert name_of(made) == "manager-lane-2"
    target, again, path = own_lease("PUT", f"{leases}/manager-lane-2?timeout=5s", made, "-lane-2")
    assert (target, again, path) == (f"{leases}/manager-lane-2?timeout=5s", made, f"{leases}/manager-lane-2")
    assert own_lease("GET", f"{leases}/manager", b"", "-lane-2")[0] == f"{leases}/manager-lane-2"
    assert own_lease("GET", "/api/v1/namespaces/ops/configmaps/manager", b"", "-lane-2")[0].endswith("configmaps/manager")
    assert own_lease("POST", leases, body, "") == (leases, body, f"{leases}/manager")
