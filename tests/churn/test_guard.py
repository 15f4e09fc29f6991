"""What an operator may do to a cluster that is not ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ghostkey.churn.given_receipt import Receipt, is_put_by
from ghostkey.churn.proxy.calls import call_of
from ghostkey.churn.proxy.guard import Guard

APPS = "/apis/apps/v1/namespaces"


@pytest.mark.parametrize(
    ("method", "target", "is_let_through"),
    [
        ("GET", "/api/v1/secrets?watch=1", True),
        ("GET", f"{APPS}/theirs/deployments", True),
        ("GET", "/api/v1/namespaces/ours/pods/p/log", True),
        ("PATCH", "/api/v1/namespaces/ours/configmaps/registry", True),
        ("PUT", f"{APPS}/ours/deployments/d/status", True),
        ("DELETE", "/api/v1/namespaces/ours/secrets", True),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", True),
        ("GET", "/api/v1/namespaces/theirs/configmaps/proxy", True),
        ("GET", "/api/v1/namespaces/proxy/configmaps", True),
        ("GET", "/api/v1/namespaces/theirs/secrets/a%2Eb", True),
        ("PATCH", "/api/v1/namespaces/ours/configmaps/exec", True),
        ("GET", "/api/v1/namespaces/theirs/services/y:80/%70roxy/danger", False),
        ("GET", "/api/v1/namespaces/theirs/pods/p/%65xec?command=rm", False),
        ("GET", "/api/v1/namespaces/theirs/services/y:80/proxy/danger?watch=1", False),
        ("GET", "/api/v1/nodes/n:10250/proxy", False),
        ("PATCH", "/api/v1/namespaces/theirs/configmaps/registry", False),
        ("DELETE", f"{APPS}/theirs/deployments", False),
        ("DELETE", "/api/v1/namespaces/ours", False),
        ("PUT", "/api/v1/namespaces/theirs/finalize", False),
        ("POST", "/api/v1/namespaces", False),
        ("DELETE", "/api/v1/nodes/n", False),
        ("PATCH", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/c", False),
        ("POST", "/apis/coordination.k8s.io/v1/namespaces/theirs/leases", False),
        ("POST", "/api/v1/namespaces/theirs/serviceaccounts/default/token", False),
        ("GET", "/api/v1/namespaces/theirs/pods/p/exec?command=sh", False),
        ("POST", "/api/v1/namespaces/ours/pods/p/exec?command=sh", False),
        ("GET", "/api/v1/nodes/n/proxy/run", False),
        ("DELETE", "/api/v1/namespaces/ours/../theirs/configmaps", False),
        ("PATCH", "/api/v1/namespaces/ours/%2e%2e/theirs/configmaps/c", False),
        ("DELETE", "/api/v1/namespaces/ours//configmaps/c", False),
        ("POST", "/somewhere/else", False),
        ("DELETE", "*", False),
    ],
)
def test_only_reads_and_writes_in_named_namespaces_are_let_through(method: str, target: str, is_let_through: bool) -> None:
    guard = Guard(frozenset({"ours"}))
    answer = guard.answer(call_of(method, target), method, target)
    assert (answer is None) is is_let_through
    if answer is not None:
        assert answer.status == 403
        assert b"ghostkey churn lets nothing be written" in answer.body


def test_what_was_refused_is_told_but_for_events_and_leases() -> None:
    guard = Guard(frozenset())
    for target in (
        "/api/v1/namespaces/a/configmaps",
        "/api/v1/namespaces/a/events",
        "/apis/coordination.k8s.io/v1/namespaces/a/leases",
        "/apis/ipam.example.com/v1/namespaces/b/leases",
    ):
        assert guard.answer(call_of("POST", target), "POST", target) is not None
    assert list(guard.refused) == [("create", "configmaps", "a"), ("create", "leases", "b")], "a Lease is one of its group"
    assert guard.leases == {"a"}


def test_who_wrote_what_was_let_through_is_known_by_field_manager_or_agent() -> None:
    guard = Guard(frozenset({"ours"}))
    for target in ("/api/v1/namespaces/ours/configmaps/c?fieldManager=registry", "/api/v1/namespaces/ours/configmaps/c"):
        assert guard.answer(call_of("PATCH", target), "PATCH", target, "manager/v0.1 (linux)") is None
    assert guard.answer(call_of("PATCH", APPS), "PATCH", APPS, "other/v1") is not None
    assert guard.managers == {"registry", "manager"}


@pytest.mark.parametrize(("managers", "is_theirs"), [(["op"], True), (["op", "other"], False), (["other"], False), ([], True)])
def test_finalizer_is_the_operators_where_its_requests_and_nobody_elses_have_put_it_there(
    managers: list[str], is_theirs: bool
) -> None:
    fields = {"f:metadata": {"f:finalizers": {".": {}, 'v:"a/b"': {}}}}
    metadata = {"uid": "u", "managedFields": [{"manager": name, "fieldsV1": fields} for name in managers]}
    receipt = Receipt(Path("receipt"), "", "", "", managers={"op"}, put={"u": {"a/b"}})
    assert is_put_by(receipt, metadata, "a/b") is is_theirs
    assert not is_put_by(receipt, metadata | {"uid": "another"}, "a/b")
    assert not is_put_by(replace(receipt, put={}), metadata, "a/b")
