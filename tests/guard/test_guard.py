"""`ghostkey guard` on a real API server: what grows past a cap is refused, and nothing else is, ever."""

from __future__ import annotations

import gzip
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from ghostkey.guard.objects import NAME, POLICY
from ghostkey.testing import ControlPlane
from tests.cli.test_rbac import apply_roles
from tests.guard.helpers import MERGE, in_force, keys, make, patch
from tests.helpers import Program


def test_growth_is_refused_and_everything_else_passes(guarded: ControlPlane, program: Program, space: str) -> None:
    make(guarded, space, "m", keys(5))
    make(guarded, space, "other", keys(5))
    done = program("guard", "apply", "cm/m", "-n", space, "--cap", "5", "--mode", "deny", "--apply")
    assert done.code == 0, done.err
    assert "422" in done.err
    refusal = in_force(guarded, space, "m", {"data": {"zz": "1"}}, 422)
    assert "configmaps/m would hold 6 keys, cap 5; new: zz" in json.loads(refusal)["message"]
    for passes in (
        {"data": {"k0": "other"}}, {"data": {"k0": None, "zz": "1"}}, {"data": {"zz": None}}, {"metadata": {"labels": {"a": "b"}}},
        {"metadata": {"finalizers": ["a.b/c"]}}, {"metadata": {"finalizers": None}}, {"data": {"k0": "back"}},
    ):  # fmt: skip
        code, answer = patch(guarded, space, "m", passes)
        assert code == 200, answer
    assert patch(guarded, space, "m", {"binaryData": {"b": "AA=="}})[0] == 422
    assert patch(guarded, space, "other", {"data": keys(50, 5)})[0] == 200
    # a cap below what is there lets everything but growth pass
    assert program("guard", "apply", "cm/m", "-n", space, "--cap", "2", "--apply").code == 0
    in_force(guarded, space, "m", {"data": {"k0": None, "k1": None, "k2": None, "a": "", "b": "", "c": "", "d": ""}}, 422)
    assert patch(guarded, space, "m", {"data": {"k4": "changed"}})[0] == 200
    assert patch(guarded, space, "m", {"data": {"k4": None}})[0] == 200
    assert program("guard", "status", "-o", "json").code == 1


def test_creates_and_maps_without_data(guarded: ControlPlane, program: Program, space: str) -> None:
    make(guarded, space, "m", keys(2))
    assert program("guard", "apply", "cm/m", "-n", space, "--cap", "2", "--mode", "deny", "--apply").code == 0
    in_force(guarded, space, "m", {"data": {"zz": "1"}}, 422)
    guarded.request("DELETE", f"/api/v1/namespaces/{space}/configmaps/m")
    assert make(guarded, space, "m", keys(3))[0] == 422
    assert make(guarded, space, "m", keys(1), binaryData={"x": "AA==", "y": "AA=="})[0] == 422
    assert make(guarded, space, "m", None)[0] == 201
    assert make(guarded, space, "free", keys(100))[0] == 201


def test_map_that_is_yet_to_be_made_can_have_a_cap_that_is_asked_for(guarded: ControlPlane, program: Program, space: str) -> None:
    named = ("cm/yet-to-come", "-n", space)
    unasked = program("guard", "plan", *named)
    assert unasked.code == 2
    assert "for a map that is yet to be made, add --cap N" in " ".join(unasked.err.split())
    assert program("guard", "plan", "cm/yet-to-come", "-n", "no-such-namespace", "--cap", "2").code == 2
    done = program("guard", "apply", *named, "--cap", "2", "--mode", "deny", "--apply")
    assert done.code == 0, done.err
    assert "it is not there yet; 2 was asked for" in " ".join(done.out.split())
    path = f"/api/v1/namespaces/{space}/configmaps?dryRun=All"
    body = json.dumps({"metadata": {"name": "yet-to-come"}, "data": keys(3)}).encode()
    guarded.wait_until(lambda: guarded.raw("POST", path, body)[0] == 422, "three keys are too many for the first write")
    rows = program("guard", "status", "-o", "json").json["maps"]
    assert [(row["keys"], row["cap"]) for row in rows if row["map"] == "configmaps/yet-to-come"] == [(0, 2)]
    assert make(guarded, space, "yet-to-come", keys(2))[0] == 201


def test_random_lives_of_a_map(guarded: ControlPlane, program: Program, space: str, scale: int) -> None:
    rng = random.Random(5)
    cap = 8
    make(guarded, space, "m", keys(4))
    assert program("guard", "apply", "cm/m", "-n", space, "--cap", str(cap), "--mode", "deny", "--apply").code == 0
    in_force(guarded, space, "m", {"data": keys(20, 50)}, 422)
    held: dict[str, dict[str, str]] = {"data": keys(4), "binaryData": {}}
    refused = passed = 0
    for number in range(100 * scale):
        path = f"/api/v1/namespaces/{space}/configmaps/m"
        if rng.random() < 0.08:
            guarded.request("DELETE", path)
            made = {"data": keys(rng.randint(0, 12)), "binaryData": {f"b{n}": "AA==" for n in range(rng.randint(0, 4))}}
            body = {name: value for name, value in made.items() if value or rng.random() < 0.5}
            code = make(guarded, space, "m", body.get("data"), binaryData=body.get("binaryData", {}))[0]
            after = {name: dict(made[name]) for name in made}
            expected = 422 if sum(map(len, after.values())) > cap else 201
            if code == 422:
                assert make(guarded, space, "m", None)[0] == 201
                after = {"data": {}, "binaryData": {}}
        else:
            after = {name: dict(value) for name, value in held.items()}
            change: dict[str, Any] = {}
            for field, value in (("data", "x"), ("binaryData", "AQ==")):
                for _ in range(rng.randint(0, 4)):
                    key = f"{field[0]}{rng.randint(0, 9)}"
                    if key in after[field] and rng.random() < 0.5:
                        del after[field][key]
                        change.setdefault(field, {})[key] = None
                    else:
                        after[field][key] = value
                        change.setdefault(field, {})[key] = value
            if rng.random() < 0.3:
                change["metadata"] = {"labels": {"n": str(number)}, "finalizers": ["a.b/c"] if rng.random() < 0.5 else None}
            before, now = (sum(map(len, one.values())) for one in (held, after))
            expected = 422 if now > before and now > cap else 200
            code = patch(guarded, space, "m", change)[0]
            if code == 422:
                after = held
            if "metadata" in change and code == 200:
                assert patch(guarded, space, "m", {"metadata": {"finalizers": None}})[0] == 200
        assert code == expected, (number, held, after)
        refused += code == 422
        passed += code != 422
        held = after
    assert refused > 5 * scale
    assert passed > 5 * scale


@pytest.mark.whole
def test_audit_refuses_nothing_and_the_report_counts_who(
    guarded: ControlPlane, program: Program, space: str, tmp_path: Path
) -> None:
    make(guarded, space, "m", keys(3))
    done = program("guard", "apply", "cm/m", "-n", space, "--cap", "3", "--apply")
    assert done.code == 0, done.err
    assert json.loads(program("guard", "status", "-o", "json").out)["mode"] == "audit"
    log = tmp_path / "audit.log"

    def counted() -> list[dict[str, Any]]:
        shutil.copyfile(guarded.audit_log, log)
        return [
            one
            for one in json.loads(program("guard", "report", str(log), "-o", "json").out)["refused"]
            if one["namespace"] == space
        ]

    def is_counted() -> bool:
        number = len(json.loads(guarded.raw("GET", f"/api/v1/namespaces/{space}/configmaps/m")[1])["data"])
        assert patch(guarded, space, "m", {"data": {f"new{number}": "1"}})[0] == 200
        return bool(counted())

    guarded.wait_until(is_counted, "a growing map in the report")
    one = counted()[0]
    assert one["map"] == "configmaps/m"
    assert one["count"] >= 1
    assert any(key.startswith("new") for key in one["keys"])
    assert program("guard", "report", str(log)).code == 1
    told = counted()
    lines = log.read_bytes().splitlines()
    wrapped = [json.dumps({"stream": "stdout", "log": line.decode() + "\n"}).encode() for line in lines]
    folder = tmp_path / "shipped"
    folder.mkdir()
    (folder / "audit-1.log.gz").write_bytes(gzip.compress(b"\n".join(wrapped) + b"\n"))
    (folder / "audit-2.log").write_bytes(log.read_bytes())  # the same events twice, as two shippers give them
    again = json.loads(program("guard", "report", str(folder), "-o", "json").out)
    assert [one for one in again["refused"] if one["namespace"] == space] == told
    (tmp_path / "no.log").write_text("")
    nothing = program("guard", "report", str(tmp_path / "no.log"))
    assert nothing.code == 3, "a log without events says nothing"
    assert "nothing is known" in nothing.err
    assert program("guard", "report", str(tmp_path / "none")).code == 2


def test_dry_run_changes_nothing_and_undo_puts_everything_back(guarded: ControlPlane, program: Program, space: str) -> None:
    make(guarded, space, "m", keys(3))
    planned = program("guard", "plan", "cm/m", "-n", space)
    assert planned.code == 1, planned.err
    assert f"{space}/configmaps/m: cap 13 (3 keys now; 10 more as headroom; 1 MiB is full at about" in planned.out
    assert program("guard", "apply", "cm/m", "-n", space).code == 0
    assert "none" in program("guard", "status").out
    assert program("guard", "apply", "cm/m", "-n", space, "--apply").code == 0
    assert program("guard", "plan", "cm/m", "-n", space).code == 0, "the same again changes nothing"
    assert program("guard", "apply", "cm/m", "-n", space, "--cap", "4", "--mode", "deny", "--apply").code == 0
    assert "3 of 4" in program("guard", "status").out
    assert program("guard", "undo").code == 0
    told = program("guard", "status").out
    assert "mode: audit" in told
    assert "3 of 13" in told
    assert program("guard", "undo").code == 0
    assert "none" in program("guard", "status").out
    managers = program("guard", "apply", "cm/m", "-n", space, "--apply")
    assert managers.code == 0
    found = guarded.request("GET", f"/apis/guard.ghostkey.dev/v1/namespaces/{space}/keycaps/{NAME}")
    assert {one["manager"] for one in found["metadata"]["managedFields"]} == {"ghostkey-guard"}


@pytest.mark.whole
def test_undo_of_what_somebody_changed_since_changes_nothing(guarded: ControlPlane, program: Program, space: str) -> None:
    make(guarded, space, "m", keys(3))
    assert program("guard", "apply", "cm/m", "-n", space, "--apply").code == 0
    path = f"/apis/guard.ghostkey.dev/v1/namespaces/{space}/keycaps/{NAME}"
    guarded.raw("PATCH", path, b'{"spec": {"caps": {"configmaps/m": 99}}}', MERGE)
    done = program("guard", "undo")
    assert done.code == 4, done.err
    assert guarded.request("GET", path)["spec"]["caps"] == {"configmaps/m": 99}


@pytest.mark.whole
def test_policy_of_somebody_else_is_left_alone(guarded: ControlPlane, program: Program, space: str) -> None:
    make(guarded, space, "m", keys(3))
    assert program("guard", "apply", "cm/m", "-n", space, "--apply").code == 0
    path = f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{POLICY}"
    guarded.raw("PATCH", path, b'{"metadata": {"labels": {"app.kubernetes.io/part-of": "mine"}}}', MERGE)
    done = program("guard", "apply", "cm/m", "-n", space, "--cap", "9")
    assert done.code != 0
    assert "not ghostkey's" in done.err
    guarded.raw("PATCH", path, b'{"metadata": {"labels": {"app.kubernetes.io/part-of": "ghostkey-guard"}}}', MERGE)


@pytest.mark.whole
def test_trimmed_keys_are_kept_out_for_a_time(guarded: ControlPlane, program: Program, space: str) -> None:
    make(guarded, space, "m", keys(6))
    assert program("trim", "cm/m", "-n", space, "--key", "k1", "--key", "k2", "--apply").code == 0
    receipt = json.loads(program("undo", "--list", "-o", "json").out)["receipts"][0]["id"]
    done = program("guard", "apply", "--keep-out", receipt, "--for", "7d", "--mode", "deny", "-n", space, "--apply")
    assert done.code == 0, done.err
    said = json.loads(in_force(guarded, space, "m", {"data": {"k1": "again"}}, 422))["message"]
    assert "gets back 1 trimmed keys that are kept out until" in said
    assert patch(guarded, space, "m", {"data": {"fresh": "1", "k0": None}})[0] == 200
    # one that swaps a key for a trimmed one does not grow the map, and is kept out all the same
    assert patch(guarded, space, "m", {"data": {"k2": "1", "k3": None}})[0] == 422
    path = f"/apis/guard.ghostkey.dev/v1/namespaces/{space}/keycaps/{NAME}"
    past = {"spec": {"keepOut": {"configmaps/m": {"until": "2020-01-01T00:00:00Z"}}}}
    assert guarded.raw("PATCH", path, json.dumps(past).encode(), MERGE)[0] == 200
    in_force(guarded, space, "m", {"data": {"k1": "again"}}, 200)
    assert patch(guarded, space, "m", {"data": {"k1": "again"}})[0] == 200


def test_secrets_are_counted_and_their_keys_named_nowhere(guarded: ControlPlane, program: Program, space: str) -> None:
    body = {"metadata": {"name": "s"}, "data": {"a": "AA=="}}
    guarded.request("POST", f"/api/v1/namespaces/{space}/secrets", body)
    assert program("guard", "apply", "secret/s", "-n", space, "--cap", "1", "--mode", "deny", "--apply").code == 0

    def refused() -> bool:
        code, answer = patch(guarded, space, "s", {"stringData": {"hush": "1"}}, "secrets")
        if code == 422:
            assert b"would hold 2 keys, cap 1" in answer
            assert b"hush" not in answer.replace(b'"details"', b"").split(b"spec")[0] or b"new: " not in answer
            return True
        patch(guarded, space, "s", {"data": {"hush": None}}, "secrets")
        return False

    guarded.wait_until(refused, "a Secret that may not grow")


def test_printed_rights_are_enough(guarded: ControlPlane, program: Program, space: str) -> None:
    make(guarded, space, "m", keys(3))
    printed = program("rbac", "--for", "guard", "-n", space, "--map", "cm/m", "--user", "guardian")
    assert printed.code == 0, printed.err
    apply_roles(guarded, "guardian", list(yaml.safe_load_all(printed.out)))
    guardian = program.as_user(guarded.kubeconfig_for("guardian"))
    for words in (
        ("plan", "cm/m", "-n", space), ("apply", "cm/m", "-n", space, "--apply"), ("status",), ("apply", "--mode", "warn", "--apply"),
        ("undo",), ("remove", "--apply"),
    ):  # fmt: skip
        done = guardian("guard", *words)
        assert done.code in {0, 1}, done.err
    nobody = program.as_user(guarded.kubeconfig_for("nobody"))
    done = nobody("guard", "plan", "cm/m", "-n", space)
    assert done.code == 3
    assert "403" in done.err or "Forbidden" in done.err
