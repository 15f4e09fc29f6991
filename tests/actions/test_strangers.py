"""Receipts and plans that somebody else has written: nothing in them reaches further than a key of one map."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ghostkey.actions.receipts import decode
from ghostkey.actions.strangers import load_plan
from ghostkey.model.errors import SourceDamaged
from ghostkey.testing import ControlPlane
from tests.helpers import Done, Program, make_map, read_data

TWO = {"keep": "1", "old": "2"}
UID = "5ce2ee28-9c1c-4e62-8d3e-0d0f6a3f7b11"
KIND = {"group": "", "version": "v1", "kind": "ConfigMap", "resource": "configmaps", "namespaced": True}
ID = "29991231t000000000000z-0a0a0a0a"


def receipt(**changes: Any) -> dict[str, Any]:
    holder = {"kind": KIND, "namespace": "prod", "name": "registry", "uid": UID, "cluster": ""}
    holder |= changes.pop("holder", {})
    removed = [{"field": "data", "key": "old", "path": [], "value": "2"}]
    base = {
        "id": ID, "server": "https://127.0.0.1:1", "holder": holder, "strategy": "json-patch", "removed": removed,
        "created_at": "2026-11-25T10:00:00Z", "state": "applied", "resource_version": "", "owners": [], "is_ours": True,
    }  # fmt: skip
    return base | changes


def sealed(body: dict[str, Any], **outer: Any) -> bytes:
    """As a stranger can: a right checksum, and a seal that is not ours."""
    text = json.dumps(body).encode()
    head = {"schema_version": 2, "kind": "GhostkeyReceipt", "sha256": hashlib.sha256(text).hexdigest(), "seal": "0" * 64, **outer}
    return json.dumps(head).encode()[:-1] + b', "receipt": ' + text + b"}\n"


def item(**changes: Any) -> list[dict[str, Any]]:
    return [{"field": "data", "key": "old", "path": [], "value": "2", **changes}]


DEPLOYMENT = {"group": "apps", "version": "v1", "kind": "Deployment", "resource": "deployments", "namespaced": True}
NAMESPACE = {"group": "", "version": "v1", "kind": "Namespace", "resource": "namespaces", "namespaced": False}
SECRET = {"group": "", "version": "v1", "kind": "Secret", "resource": "secrets", "namespaced": True}
DISGUISED = {**KIND, "resource": "pods"}
REACHING = {
    "a Deployment": receipt(holder={"kind": DEPLOYMENT}),
    "a Namespace": receipt(holder={"kind": NAMESPACE, "namespace": ""}),
    "Pods called ConfigMap": receipt(holder={"kind": DISGUISED}),
    "a field of the spec": receipt(removed=item(field="spec")),
    "metadata": receipt(removed=item(field="metadata/labels")),
    "stringData": receipt(removed=item(field="stringData")),
    "a key that leaves the field": receipt(removed=item(key="a/../../metadata/labels/x")),
    "a key of dots": receipt(removed=item(key="..")),
    "no key": receipt(removed=item(key="")),
    "a long key": receipt(removed=item(key="k" * 254)),
    "a document's key that leaves": receipt(removed=item(path=["a/b", "x"])),
    "entries of binaryData": receipt(removed=item(field="binaryData", path=["doc"])),
    "a name with a slash": receipt(holder={"name": "registry/status"}),
    "a name with a query": receipt(holder={"name": "registry?force=true"}),
    "a namespace with a slash": receipt(holder={"namespace": "prod/secrets"}),
    "no namespace": receipt(holder={"namespace": ""}),
    "a uid with a quote": receipt(holder={"uid": 'a"b'}),
    "binaryData of a Secret": receipt(holder={"kind": SECRET}, removed=item(field="binaryData", value="MQ==")),
    "no base64": receipt(holder={"kind": SECRET}, removed=item(value="not base64!")),
    "a key twice": receipt(removed=item() + item(value="3")),
    "a strategy": receipt(strategy="replace"),
    "a state": receipt(state="maybe"),
    "an id": receipt(id="../../etc/passwd"),
    "one text of a document": receipt(removed=item(path=["", "before"])),
    "an odd text of a document": receipt(removed=item(path=["", "between"])),
    "an owner of a spec": receipt(owners=[{"manager": "m", "operation": "Apply", "entry": "{}", "keys": [["spec", "x"]]}]),
    "an owner that is a list": receipt(owners=[{"manager": "m", "operation": "Apply", "entry": "[]", "keys": []}]),
    "numbers for text": receipt(removed=item(value=2)),
    "deep nesting": receipt(owners=[{"manager": "m", "operation": "", "entry": "[" * 5000, "keys": []}]),
}  # fmt: skip


@pytest.mark.parametrize("body", REACHING.values(), ids=REACHING)
def test_receipt_that_reaches_further_than_its_map_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(SourceDamaged, match="is damaged"):
        decode(sealed(body), "planted")


def test_receipt_of_a_map_decodes_and_is_not_ours() -> None:
    assert decode(sealed(receipt()), "planted").is_ours is False
    with pytest.raises(SourceDamaged, match="and its name other"):
        decode(sealed(receipt()), "planted", name="other")
    with pytest.raises(SourceDamaged, match="writes into namespace prod"):
        decode(sealed(receipt()), "planted", namespace="dev")


def plant(control_plane: ControlPlane, namespace: str, content: bytes, name: str = ID, **annotations: str) -> None:
    """A receipt as a Secret, as anybody who may create Secrets in the namespace can."""
    data = {"receipt": base64.b64encode(gzip.compress(content)).decode()}
    noted = {"ghostkey.dev/parts": "1", "ghostkey.dev/state": "applied", **annotations}
    metadata = {"labels": {"ghostkey.dev/receipt": name}, "annotations": noted}
    make_map(
        control_plane, namespace, f"ghostkey-receipt-{name}", data, "secrets", metadata=metadata, type="ghostkey.dev/receipt"
    )


def undo(program: Program, namespace: str, *words: str) -> Done:
    return program("undo", "--receipts", "cluster", "-n", namespace, *words)


def test_planted_newest_receipt_writes_nothing(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    made = make_map(control_plane, namespace, "registry", {"keep": "1"})
    holder = {"namespace": namespace, "uid": made["metadata"]["uid"]}
    body = receipt(holder=holder, server=control_plane.url, removed=item(key="mapUsers", value="- userarn: evil"))
    plant(control_plane, namespace, sealed(body))
    done = undo(program, namespace)
    assert done.code == 5
    assert "from elsewhere" in done.err
    shown = undo(program, namespace, ID)
    assert shown.code == 5
    assert "+ mapUsers" in shown.err
    assert "--from-elsewhere" in shown.err
    assert read_data(control_plane, namespace, "registry") == {"keep": "1"}
    assert undo(program, namespace, ID, "--from-elsewhere").code == 0
    assert read_data(control_plane, namespace, "registry") == {"keep": "1", "mapUsers": "- userarn: evil"}


def test_planted_receipt_does_not_shadow_our_own(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    made = make_map(control_plane, namespace, "registry", TWO)
    trimmed = program("trim", "cm/registry", "-n", namespace, "--key", "old", "--apply", "--receipts", "cluster")
    assert trimmed.code == 0, trimmed.err
    holder = {"namespace": namespace, "uid": made["metadata"]["uid"]}
    plant(control_plane, namespace, sealed(receipt(holder=holder, server=control_plane.url, removed=item(key="evil"))))
    assert undo(program, namespace).code == 0
    assert read_data(control_plane, namespace, "registry") == TWO


@pytest.mark.parametrize("flag", [[], ["--from-elsewhere"]], ids=["plain", "from elsewhere"])
@pytest.mark.parametrize("what", ["another namespace", "a Namespace", "a Deployment", "another name"])
def test_receipt_in_the_cluster_reaches_no_other_object(
    control_plane: ControlPlane, namespace: str, program: Program, what: str, flag: list[str]
) -> None:
    made = make_map(control_plane, "kube-system", f"aws-auth-{namespace}-{len(flag)}", {"keep": "1"})
    metadata = made["metadata"]
    bodies = {
        "another namespace": receipt(
            holder={"namespace": "kube-system", "name": metadata["name"], "uid": metadata["uid"]},
            server=control_plane.url,
            removed=item(key="mapUsers"),
        ),
        "a Namespace": receipt(
            holder={"kind": NAMESPACE, "namespace": "", "name": namespace}, removed=item(field="metadata/labels", key="x")
        ),
        "a Deployment": receipt(
            holder={"kind": DEPLOYMENT, "namespace": namespace},
            removed=item(field="spec/template/spec", key="serviceAccountName"),
        ),
        "another name": receipt(id="20200101t000000z-00000000", holder={"namespace": namespace}),
    }
    plant(control_plane, namespace, sealed(bodies[what]))
    done = undo(program, namespace, ID, *flag)
    assert done.code == 5
    assert "is damaged" in done.err
    assert read_data(control_plane, "kube-system", metadata["name"]) == {"keep": "1"}


def damaged(name: str, good: bytes) -> tuple[bytes, dict[str, str]]:
    return {
        "a bomb": (sealed(receipt()) + b"\0" * (64 << 20), {}),
        "cut": (good[: len(good) // 2], {}),
        "nothing": (b"", {}),
        "many parts": (good, {"ghostkey.dev/parts": "999999999"}),
        "parts of no number": (good, {"ghostkey.dev/parts": "²"}),
        "more parts than there are": (good, {"ghostkey.dev/parts": "2"}),
    }[name]


@pytest.mark.parametrize("name", ["a bomb", "cut", "nothing", "many parts", "parts of no number", "more parts than there are"])
def test_damaged_receipt_in_the_cluster_is_one_line(
    control_plane: ControlPlane, namespace: str, program: Program, name: str
) -> None:
    content, annotations = damaged(name, sealed(receipt(holder={"namespace": namespace})))
    plant(control_plane, namespace, content, **annotations)
    done = undo(program, namespace, ID)
    assert done.code == 5
    assert done.err.startswith("error: ")
    assert len([line for line in done.err.splitlines() if line.startswith("error:")]) == 1
    assert undo(program, namespace, "--list").code in {3, 5}


def test_file_of_this_folder_is_not_taken_for_an_id(
    control_plane: ControlPlane, namespace: str, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_map(control_plane, namespace, "registry", {"keep": "1"})
    holder = {"namespace": namespace, "uid": made["metadata"]["uid"]}
    (tmp_path / ID).write_bytes(sealed(receipt(holder=holder, server=control_plane.url)))
    monkeypatch.chdir(tmp_path)
    done = program("undo", ID, "--from-elsewhere")
    assert done.code == 2
    assert f"no receipt '{ID}'" in done.err
    assert read_data(control_plane, namespace, "registry") == {"keep": "1"}
    assert program("undo", f"./{ID}", "--from-elsewhere").code == 0
    assert read_data(control_plane, namespace, "registry") == TWO


def test_receipt_renamed_in_the_folder_is_refused(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "registry", TWO)
    assert program("trim", "cm/registry", "-n", namespace, "--key", "old", "--apply").code == 0
    (found,) = program.state.glob("receipts/*.receipt")
    found.rename(found.with_name("29991231t000000z-00000000.receipt"))
    done = program("undo")
    assert done.code == 5
    assert "and its name 29991231t000000z-00000000" in done.err


# plans


def plan(**changes: Any) -> dict[str, Any]:
    holder = {"kind": KIND, "namespace": "prod", "name": "registry", "uid": UID, "cluster": ""} | changes.pop("holder", {})
    change = {"field": "data", "key": "old", "path": [], "value_digest": "0" * 32, "value_bytes": 1, "reason": "", "subjects": []}
    change |= changes.pop("change", {})
    base = {
        "holder": holder, "resource_version": "1", "strategy": "json-patch", "changes": [change], "key_count": 2,
        "created_at": "2026-11-25T10:00:00Z", "digest_key_id": "0" * 12,
    }  # fmt: skip
    return base | changes


UNFIT = {
    "a Deployment": plan(holder={"kind": DEPLOYMENT}),
    "a field": plan(change={"field": "spec"}),
    "a key": plan(change={"key": "a/b"}),
    "a strategy": plan(strategy="replace"),
    "a Secret by JSON patch": plan(holder={"kind": SECRET}),
    "a subject's kind": plan(change={"subjects": [[{**KIND, "resource": "pods/../nodes"}, "prod", "x"]]}),
    "a subject's group": plan(change={"subjects": [[{**KIND, "group": "a/b"}, "prod", "x"]]}),
    "a subject's namespace": plan(change={"subjects": [[KIND, "../x", "x"]]}),
    "no changes": {"holder": {}},
    "nothing": {},
    "a list": [],
    "changes of no list": plan(changes=5),
    "one key, two values": plan(
        changes=[plan()["changes"][0], {**plan()["changes"][0], "value_digest": "1" * 32}]
    ),
}  # fmt: skip


@pytest.mark.parametrize("body", UNFIT.values(), ids=UNFIT)
def test_plan_that_reaches_further_than_its_map_is_refused(body: Any) -> None:
    with pytest.raises(SourceDamaged, match="is no plan of ghostkey"):
        load_plan(json.dumps({"plan": body}).encode(), "planted")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"5", b'{"plan": ' + b"[" * 100_000, b"\xff\xfe", b'{"plan": null}'])
def test_file_that_is_no_plan_is_one_line(files_program: Program, control_plane: ControlPlane, content: bytes) -> None:
    program = files_program.as_user(control_plane.kubeconfig)
    done = program("trim", "--plan", "-", "--apply", stdin=content)
    assert done.code == 5
    assert done.err.startswith("error: - is no plan of ghostkey")


def edited(program: Program, namespace: str, change: Callable[[dict[str, Any]], None], kind: str = "cm") -> Done:
    made = program("trim", f"{kind}/registry", "-n", namespace, "--key", "old", "-o", "json")
    assert made.code == 0, made.err
    document = made.json
    change(document["plan"])
    return program("trim", "--plan", "-", "--apply", stdin=json.dumps(document))


def test_changes_of_a_plan_count_once(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "registry", TWO)

    def twice(found: dict[str, Any]) -> None:
        found["changes"] *= 3

    done = edited(program, namespace, twice)
    assert done.code == 0, done.err
    assert "remove 1 of 2 keys" in done.out
    assert "removed 1 key from" in done.err


def test_share_of_a_plan_is_counted_in_the_map_and_not_in_the_plan(
    control_plane: ControlPlane, namespace: str, program: Program
) -> None:
    make_map(control_plane, namespace, "registry", TWO)
    document = program("trim", "cm/registry", "-n", namespace, "--key", "old", "-o", "json").json
    document["plan"] |= {"key_count": 100_000, "shares": [{"path": [], "removed": 1, "total": 100_000}]}
    done = program("trim", "--plan", "-", "--apply", "--max-percent", "10", stdin=json.dumps(document))
    assert done.code == 5
    assert "removes 50% of the keys" in done.err
    assert read_data(control_plane, namespace, "registry") == TWO


def test_unknown_digest_key_needs_an_unchanged_map(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "registry", TWO)

    def foreign(found: dict[str, Any]) -> None:
        found["digest_key_id"] = "ffffffffffff"
        found["resource_version"] = "1"

    done = edited(program, namespace, foreign)
    assert done.code == 4
    assert "made on another machine" in done.err
    assert read_data(control_plane, namespace, "registry") == TWO


def test_secret_is_never_trimmed_by_json_patch(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in TWO.items()}
    make_map(control_plane, namespace, "registry", data, "secrets")

    def by_test(found: dict[str, Any]) -> None:
        found["strategy"] = "json-patch"

    done = edited(program, namespace, by_test, "secret")
    assert done.code == 5
    assert "a JSON patch would carry a Secret's values" in done.err
    assert read_data(control_plane, namespace, "registry", "secrets") == data


def test_receipts_survive_a_round_trip() -> None:
    from ghostkey.actions.receipts import encode
    from ghostkey.store.state import passing_key

    key = passing_key()
    mine = dataclasses.replace(decode(sealed(receipt()), "x"), is_ours=True)
    again = decode(encode(mine, key), "x", key, ID, "prod")
    assert again == mine
    assert decode(encode(mine, key), "x", passing_key()).is_ours is False
