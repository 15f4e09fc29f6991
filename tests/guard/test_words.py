"""What the guard says to writers, and what is said of it where something is not as it should be."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ghostkey.testing import ControlPlane
from ghostkey.testing.relay import Changed, Instead, Relay
from tests.guard.helpers import in_force, keys, make, patch
from tests.helpers import Program

MESSAGE_BYTES = 5 << 10  # of which the API server says nothing above that
DISCOVERY = "/apis/admissionregistration.k8s.io/v1"


def message(answer: bytes) -> str:
    return str(json.loads(answer)["message"])


@pytest.mark.whole
def test_refusal_of_many_long_names_says_the_cap_and_names_some(guarded: ControlPlane, program: Program, space: str) -> None:
    make(guarded, space, "m", keys(3))
    done = program("guard", "apply", "cm/m", "-n", space, "--cap", "3", "--mode", "deny", "--apply")
    assert done.code == 0, done.err
    in_force(guarded, space, "m", {"data": {"zz": "1"}}, 422)
    long = {f"{number:03}{'x' * 250}": "1" for number in range(300)}
    for new in (long, {f"short-{number}": "1" for number in range(900)}):
        code, answer = patch(guarded, space, "m", {"data": new})
        assert code == 422
        assert f"configmaps/m would hold {3 + len(new)} keys, cap 3; new: " in message(answer)
        named = message(answer).partition("; new: ")[2].split(",")
        assert set(named[:-1]) < set(new), "whole names"
        assert len(named) > 3
        assert named[-1] == "…"
    # all of a few are named
    told = message(patch(guarded, space, "m", {"data": keys(3, 10)})[1])
    assert "would hold 6 keys, cap 3; new: " in told
    assert sorted(told.partition("; new: ")[2].split(",")) == list(keys(3, 10))
    report = json.loads(program("guard", "report", str(guarded.audit_log), "-o", "json").out)["refused"]
    (mine,) = [one for one in report if one["namespace"] == space]
    assert set(mine["keys"]) < {*long, *(f"short-{number}" for number in range(900)), *keys(3, 10), "zz"}, "no name is cut"


@pytest.mark.whole
def test_undo_that_the_guard_refuses_says_so_and_what_to_do(guarded: ControlPlane, program: Program, space: str) -> None:
    make(guarded, space, "m", {f"{'x' * 200}{number}": "1" for number in range(99)})
    assert program("trim", "cm/m", "-n", space, "--match", ".*x[1-8].*", "--apply").code == 0
    receipt = json.loads(program("undo", "--list", "-o", "json").out)["receipts"][0]["id"]
    done = program("guard", "apply", "-n", space, "--keep-out", receipt, "--mode", "deny", "--apply")
    assert done.code == 0, done.err
    in_force(guarded, space, "m", {"data": {f"{'x' * 200}1": "1"}}, 422)
    refused = program("undo", receipt)
    assert refused.code == 5
    assert re.search(r"gets back \d+ trimmed keys that are kept out until \S+Z: x", refused.err), refused.err
    assert "guard apply --mode audit --apply` lets it pass" in refused.err
    assert program("guard", "apply", "--mode", "audit", "--apply").code == 0
    in_force(guarded, space, "m", {"data": {f"{'x' * 200}1": "1"}}, 200)
    assert program("undo", receipt).code == 0
    # what is back is not kept out by mistake
    again = program("guard", "apply", "-n", space, "--keep-out", receipt, "--apply")
    assert again.code == 5
    assert "was undone: its keys are in" in again.err


def test_receipt_of_another_cluster_keeps_nothing_out(guarded: ControlPlane, program: Program, space: str) -> None:
    make(guarded, space, "m", keys(3))
    assert program("trim", "cm/m", "-n", space, "--key", "k1", "--apply").code == 0
    receipt = json.loads(program("undo", "--list", "-o", "json").out)["receipts"][0]["id"]
    with Relay(guarded) as relay:
        elsewhere = program.as_user(relay.kubeconfig)
        # one cluster by another address
        words = ("guard", "plan", "-n", space, "--keep-out", receipt)
        assert elsewhere(*words).code == 1
        relay.spoil(Changed(lambda body: re.sub(rb'"uid":"[^"]*"', b'"uid":"other"', body)), when=lambda r: r.path.endswith("/m"))
        done = elsewhere(*words)
        assert (done.code, done.out) == (5, "")
        assert f"receipt {receipt} was made at {guarded.url}, this is https://" in done.err


def test_server_without_such_policies_is_told_before_anything_is_tried(
    guarded: ControlPlane, program: Program, space: str
) -> None:
    make(guarded, space, "m", keys(3))

    def older(body: bytes) -> bytes:
        kept = [one for one in json.loads(body)["resources"] if not one["name"].startswith("validatingadmissionpol")]
        return json.dumps({**json.loads(body), "resources": kept}).encode()

    with Relay(guarded) as relay:
        relay.spoil(Changed(older), when=lambda r: r.path == DISCOVERY)
        said = b'{"kind":"Status","apiVersion":"v1","status":"Failure","message":"could not find","reason":"NotFound","code":404}'
        relay.spoil(
            Instead(404, said, "application/json", forwarded=False), when=lambda r: r.path.startswith(f"{DISCOVERY}/validating")
        )
        old = program.as_user(relay.kubeconfig)
        for words in (
            ("plan", "cm/m", "-n", space),
            ("apply", "cm/m", "-n", space, "--apply"),
            ("apply", "--mode", "warn", "--apply"),
        ):
            done = old("guard", *words)
            assert (done.code, done.out) == (5, ""), done.err
            assert "has no ValidatingAdmissionPolicy in" in done.err
            assert "needs Kubernetes 1.30" in done.err
        assert not [one for one in relay.requests if one.method != "GET"]
        assert old("guard", "status").code == 0
        assert old("guard", "remove", "--apply").code == 0


@pytest.mark.whole
def test_namespace_that_ends_is_no_matter_of_rights(guarded: ControlPlane, program: Program, space: str) -> None:
    make(guarded, space, "m", keys(3))
    guarded.request("DELETE", f"/api/v1/namespaces/{space}")  # nobody here takes its things away
    done = program("guard", "apply", "cm/m", "-n", space, "--apply")
    assert done.code == 3
    assert "hint: the namespace is being deleted" in done.err
    assert "rbac" not in done.err
    assert "none" in program("guard", "status").out, "what was done before is taken back"


def test_what_is_no_number_is_no_limit(program: Program, space: str, guarded: ControlPlane) -> None:
    make(guarded, space, "m", keys(3))
    for words in (
        ("trim", "cm/m", "-n", space, "--key", "k1", "--max-percent", "nan", "--apply"),
        ("guard", "plan", "cm/m", "-n", space, "--headroom", "nan"),
        ("guard", "plan", "cm/m", "-n", space, "--headroom", "inf"),
    ):
        done = program(*words)
        assert (done.code, done.out) == (2, ""), done.err
        assert "Invalid value for '--" in done.err
    assert set(guarded.request("GET", f"/api/v1/namespaces/{space}/configmaps/m")["data"]) == set(keys(3))


def test_undo_of_an_earlier_apply_takes_no_later_caps_away(guarded: ControlPlane, program: Program, space: str) -> None:
    other = f"{space}-other"
    guarded.request("POST", "/api/v1/namespaces", {"metadata": {"name": other}})
    receipts = []
    for name in (space, other):
        make(guarded, name, "m", keys(3))
        done = program("guard", "apply", "cm/m", "-n", name, "--apply")
        assert done.code == 0, done.err
        receipts.append(re.search(r"guard undo (\S+)", done.err)[1])  # type: ignore[index]
    early = program("guard", "undo", receipts[0])
    assert early.code == 4
    assert f"caps of {other} came since and would go with it, nothing was undone" in early.err
    status = program("guard", "status", "-o", "json")
    assert (status.code, {row["namespace"] for row in status.json["maps"]}) == (0, {space, other})
    # the latest first, both go
    for receipt in reversed(receipts):
        assert program("guard", "undo", receipt).code == 0
    assert "none" in program("guard", "status").out


def test_guard_without_any_cap_says_so(program: Program, space: str, guarded: ControlPlane, tmp_path: Path) -> None:
    assert program("guard", "apply", "--mode", "warn", "--apply").code == 0
    told = program("guard", "status")
    assert told.code == 0
    assert "mode: warn" in told.out
    assert "no map has a cap" in told.err
    assert program("guard", "undo").err.startswith("3 objects are as they were")
