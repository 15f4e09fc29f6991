"""A guard that somebody else has touched, keys that are kept out by several receipts, and logs that say nothing of maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ghostkey.guard.objects import BINDING_PATH, NAME, POLICY, POLICY_PATH
from ghostkey.testing import ControlPlane
from tests.guard.helpers import MERGE, in_force, keys, make, patch
from tests.helpers import Program

POLICY_AT, BINDING_AT = f"{POLICY_PATH}/{POLICY}", f"{BINDING_PATH}/{POLICY}"
MAPS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}
TOUCHED: dict[str, tuple[str, str, dict[str, Any] | None]] = {
    "policy gone": ("ValidatingAdmissionPolicy", POLICY_AT, None),
    "binding gone": ("ValidatingAdmissionPolicyBinding", BINDING_AT, None),
    "binding for no namespace": (
        "ValidatingAdmissionPolicyBinding",
        BINDING_AT,
        {"matchResources": {"namespaceSelector": {"matchLabels": {"nobody": "has"}}}},
    ),
    "policy for no map": ("ValidatingAdmissionPolicy", POLICY_AT, {"matchConstraints": {"excludeResourceRules": [MAPS]}}),
    "policy for some objects": (
        "ValidatingAdmissionPolicy",
        POLICY_AT,
        {"matchConstraints": {"objectSelector": {"matchLabels": {"nobody": "has"}}}},
    ),
    "policy that takes everything": ("ValidatingAdmissionPolicy", POLICY_AT, {"validations": [{"expression": "true"}]}),
}


@pytest.mark.whole(but=["policy for no map"])
@pytest.mark.parametrize("touched", TOUCHED)
def test_guard_that_is_not_in_force_is_said_and_mended(guarded: ControlPlane, program: Program, space: str, touched: str) -> None:
    kind, path, change = TOUCHED[touched]
    make(guarded, space, "m", keys(3))
    assert program("guard", "apply", "cm/m", "-n", space, "--cap", "3", "--mode", "deny", "--apply").code == 0
    held = program("guard", "status", "-o", "json")
    assert (held.code, held.json["not_in_force"]) == (0, [])
    if change is None:
        guarded.request("DELETE", path)
    else:
        assert guarded.raw("PATCH", path, json.dumps({"spec": change}).encode(), MERGE)[0] == 200
    in_force(guarded, space, "m", {"data": {"zz": "1"}}, 200)
    told = program("guard", "status")
    assert told.code == 1, told.out
    assert f"not in force: {kind} {POLICY} is not" in told.err
    assert f"{space}" in told.out, "the caps that are there are shown"
    again = program("guard", "apply", "--mode", "deny", "--apply")
    assert again.code == 0, again.err
    in_force(guarded, space, "m", {"data": {"zz": "1"}}, 422)
    assert program("guard", "status").code == 0
    # undo puts back what somebody had written
    assert program("guard", "undo").code == 0
    assert program("guard", "status").code == 1


def receipts(program: Program) -> list[str]:
    return [one["id"] for one in json.loads(program("undo", "--list", "-o", "json").out)["receipts"]]


@pytest.mark.whole
def test_several_receipts_keep_all_their_keys_out_of_both_fields(guarded: ControlPlane, program: Program, space: str) -> None:
    make(guarded, space, "m", keys(6), binaryData={f"b{number}": "AA==" for number in range(6)})
    for key in ("k1", "b1", "k2"):
        assert program("trim", "cm/m", "-n", space, "--key", key, "--apply").code == 0
    third, second, first = receipts(program)
    words = ("guard", "apply", "-n", space, "--mode", "deny", "--apply", "--for", "1h")
    assert program(*words, "--keep-out", first, "--keep-out", second).code == 0
    assert program(*words, "--keep-out", third).code == 0, "one more, later"
    in_force(guarded, space, "m", {"data": {"k2": "again"}}, 422)
    for back in ({"data": {"k1": "1"}}, {"binaryData": {"b1": "AA=="}}, {"binaryData": {"k1": "AA=="}}, {"data": {"b1": "1"}}):
        code, answer = patch(guarded, space, "m", back)
        assert code == 422, back
        assert "gets back 1 trimmed keys" in json.loads(answer)["message"]
    # a key that is there moves from one field to the other
    assert patch(guarded, space, "m", {"data": {"k3": None}, "binaryData": {"k3": "AA=="}})[0] == 200
    assert "3 keys kept out until" in program("guard", "status").out
    # what is over is not kept any longer
    path = f"/apis/guard.ghostkey.dev/v1/namespaces/{space}/keycaps/{NAME}"
    past = {"spec": {"keepOut": {"configmaps/m": {"until": "2020-01-01T00:00:00Z"}}}}
    assert guarded.raw("PATCH", path, json.dumps(past).encode(), MERGE)[0] == 200
    assert "3 keys were kept out until 2020" in program("guard", "status").out
    assert program(*words, "--keep-out", second).code == 0
    assert guarded.request("GET", path)["spec"]["keepOut"]["configmaps/m"]["keys"] == ["b1"]


def test_key_in_binary_data_is_named_as_one_in_data_is(guarded: ControlPlane, program: Program, space: str) -> None:
    make(guarded, space, "m", keys(2))
    assert program("guard", "apply", "cm/m", "-n", space, "--cap", "2", "--mode", "deny", "--apply").code == 0
    said = json.loads(in_force(guarded, space, "m", {"binaryData": {"leak": "AA=="}}, 422))["message"]
    assert "would hold 3 keys, cap 2; new: leak" in said


def test_words_that_say_nothing_of_the_guard_are_refused(guarded: ControlPlane, program: Program, space: str) -> None:
    make(guarded, space, "m", keys(3))
    assert program("trim", "cm/m", "-n", space, "--key", "k1", "--apply").code == 0
    (receipt,) = receipts(program)
    for words, said in (
        (("--cap", "5", "--mode", "deny"), "no map is named that the cap of 5 is for"),
        (("--keep-out", receipt, "--for", "0s"), "for no time"),
        (("--keep-out", receipt, "--for", "99999999d"), "99999999d is too long"),
    ):
        done = program("guard", "apply", "-n", space, *words, "--apply")
        assert (done.code, done.out) == (2, ""), done.err
        assert said in done.err
    assert "none" in program("guard", "status").out


def test_logs_without_writes_of_maps_say_nothing(guarded: ControlPlane, program: Program, space: str, tmp_path: Path) -> None:
    make(guarded, space, "m", keys(3))
    lines = [json.loads(line) for line in guarded.audit_log.read_bytes().splitlines()]
    of_maps = [one for one in lines if (one.get("objectRef") or {}).get("resource") in {"configmaps", "secrets"}]
    others = [one for one in lines if one not in of_maps]
    for name, events in (
        ("others.log", others),
        ("reads.log", [one for one in of_maps if one["verb"] in {"get", "list", "watch"}]),
    ):
        (tmp_path / name).write_text("".join(json.dumps(one) + "\n" for one in [*others, *events]))
        done = program("guard", "report", str(tmp_path / name), "-o", "json")
        assert (done.code, done.json["writes"], done.json["refused"]) == (3, 0, [])
        assert "nothing is known of what deny would have refused" in done.err
    (tmp_path / "all.log").write_text("".join(json.dumps({**one, "annotations": {}}) + "\n" for one in lines))
    done = program("guard", "report", str(tmp_path / "all.log"))
    assert done.code == 0, done.err
    assert "nothing was past a cap in" in done.err
    assert "before the guard was there" in done.err
