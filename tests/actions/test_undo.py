"""Undo on a real API server: every byte back, no other key touched, harmless twice."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

from ghostkey.testing import ControlPlane
from tests.helpers import Program, make_map, merge, read_data

DATA = {"keep": "1", "old": "zwei\n\u00fc\u2028\"'\\ \t", "older": ""}


def trimmed(control_plane: ControlPlane, namespace: str, program: Program, *words: str) -> None:
    make_map(control_plane, namespace, "registry", DATA)
    done = program("trim", "cm/registry", "-n", namespace, "--match", "old.*", "--apply", *words)
    assert done.code == 0, done.err
    assert read_data(control_plane, namespace, "registry") == {"keep": "1"}


def version(control_plane: ControlPlane, namespace: str) -> str:
    found = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/registry")
    return str(found["metadata"]["resourceVersion"])


def test_undo_twice_is_undo_once(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    trimmed(control_plane, namespace, program)
    assert program("undo").code == 0
    assert read_data(control_plane, namespace, "registry") == DATA
    before = version(control_plane, namespace)
    again = program("undo")
    assert again.code == 0
    assert "nothing to undo" in again.err
    assert version(control_plane, namespace) == before


def test_keys_written_meanwhile_are_left_alone(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    trimmed(control_plane, namespace, program)
    merge(control_plane, namespace, "registry", {"keep": "changed", "new": "x"})
    assert program("undo").code == 0
    assert read_data(control_plane, namespace, "registry") == {**DATA, "keep": "changed", "new": "x"}


def test_key_written_again_with_another_value_refuses_all(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    trimmed(control_plane, namespace, program)
    merge(control_plane, namespace, "registry", {"old": "the operator's new value"})
    done = program("undo")
    assert done.code == 4
    assert "old was written again with another value" in done.err
    assert read_data(control_plane, namespace, "registry") == {"keep": "1", "old": "the operator's new value"}


def test_key_that_the_operator_brought_back_unchanged_is_no_obstacle(
    control_plane: ControlPlane, namespace: str, program: Program
) -> None:
    trimmed(control_plane, namespace, program)
    merge(control_plane, namespace, "registry", {"older": ""})
    done = program("undo")
    assert done.code == 0
    assert "put 1 key of " in done.err
    assert "1 was there already" in done.err
    assert read_data(control_plane, namespace, "registry") == DATA


def test_receipt_works_on_another_machine(control_plane: ControlPlane, namespace: str, program: Program, tmp_path: Path) -> None:
    trimmed(control_plane, namespace, program)
    (receipt,) = program.state.glob("receipts/*.receipt")
    copy = Path(shutil.copy(receipt, tmp_path / "carried-over"))
    elsewhere = Program(tmp_path / "elsewhere", control_plane.kubeconfig)
    refused = elsewhere("undo", str(copy))
    assert refused.code == 5
    assert "+ old" in refused.err
    assert "--from-elsewhere" in refused.err
    assert read_data(control_plane, namespace, "registry") == {"keep": "1"}
    assert elsewhere("undo", str(copy), "--from-elsewhere").code == 0
    assert read_data(control_plane, namespace, "registry") == DATA


def test_receipt_in_the_cluster_works_from_anywhere(
    control_plane: ControlPlane, namespace: str, program: Program, tmp_path: Path
) -> None:
    trimmed(control_plane, namespace, program, "--receipts", "cluster")
    assert not list(program.state.glob("receipts/*"))
    elsewhere = Program(tmp_path / "elsewhere", control_plane.kubeconfig)
    refused = elsewhere("undo", "--receipts", "cluster", "-n", namespace)
    assert refused.code == 5
    assert "--from-elsewhere" in refused.err
    assert read_data(control_plane, namespace, "registry") == {"keep": "1"}
    receipt = refused.err.split("ghostkey undo ")[1].split()[0]
    assert elsewhere("undo", receipt, "--receipts", "cluster", "-n", namespace, "--from-elsewhere").code == 0
    assert read_data(control_plane, namespace, "registry") == DATA
    secrets = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/secrets")["items"]
    (state,) = [s["metadata"]["annotations"]["ghostkey.dev/state"] for s in secrets]
    assert state == "undone"


def test_large_receipt_in_the_cluster_is_cut_into_parts(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    import random

    # random text: gzip cannot make it fit one Secret
    data = {f"gone-{n}": random.Random(n).randbytes(60_000).hex()[:58_000] for n in range(17)} | {"keep": "1"}
    halves = [dict(list(data.items())[:9]), dict(list(data.items())[9:])]
    make_map(control_plane, namespace, "registry", halves[0])
    merge(control_plane, namespace, "registry", dict(halves[1]))
    words = ("--match", "gone-.*", "--max-percent", "100", "--apply", "--receipts", "cluster")
    done = program("trim", "cm/registry", "-n", namespace, *words)
    assert done.code == 0, done.err
    secrets = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/secrets")["items"]
    assert {len(base64.b64decode(s["data"]["receipt"])) <= 900 << 10 for s in secrets} == {True}
    assert program("undo", "--receipts", "cluster", "-n", namespace).code == 0
    assert read_data(control_plane, namespace, "registry") == data


def test_map_that_was_made_again_is_refused(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    trimmed(control_plane, namespace, program)
    path = f"/api/v1/namespaces/{namespace}/configmaps/registry"
    control_plane.request("DELETE", path)
    gone = program("undo")
    assert gone.code == 4
    assert "is gone since the trim" in gone.err
    make_map(control_plane, namespace, "registry", {"fresh": "1"})
    again = program("undo")
    assert again.code == 4
    assert "was deleted and made again" in again.err
    assert read_data(control_plane, namespace, "registry") == {"fresh": "1"}


def test_damaged_receipt_is_refused(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    trimmed(control_plane, namespace, program)
    (receipt,) = program.state.glob("receipts/*.receipt")
    receipt.write_bytes(receipt.read_bytes().replace(b"zwei", b"drei"))
    done = program("undo")
    assert done.code == 5
    assert "checksum does not match" in done.err
    receipt.write_bytes(receipt.read_bytes()[:100])
    assert program("undo", receipt.stem).code == 5
    assert read_data(control_plane, namespace, "registry") == {"keep": "1"}


def test_newest_receipt_of_a_trim_that_failed_is_passed_over(
    control_plane: ControlPlane, namespace: str, program: Program
) -> None:
    trimmed(control_plane, namespace, program)
    (receipt,) = program.state.glob("receipts/*.receipt")
    failed = receipt.with_name("29991231t000000z-00000000.receipt")
    failed.write_bytes(receipt.read_bytes().splitlines()[0] + b"\n" + json.dumps({"state": "failed"}).encode() + b"\n")
    assert program("undo").code == 0
    assert read_data(control_plane, namespace, "registry") == DATA


def test_no_receipt_and_unknown_receipt_are_said(program: Program) -> None:
    assert "no receipts in" in program("undo").err
    done = program("undo", "2031")
    assert done.code == 2
    assert "no receipt '2031'" in done.err


DOCUMENT = '{"tenants": {"a": 1, "b": {"x": [1, 2]}}, "version": 3}'


def test_map_that_takes_nothing_back_is_said_with_what_to_do(
    control_plane: ControlPlane, namespace: str, program: Program
) -> None:
    make_map(control_plane, namespace, "registry", {"old": "x" * 500_000, "keep": "1"})
    assert program("trim", "cm/registry", "-n", namespace, "--key", "old", "--apply").code == 0
    merge(control_plane, namespace, "registry", {"other": "y" * 700_000})
    full = program("undo")
    assert full.code == 5
    assert "may not be more than" in full.err
    assert "has no room for them; nothing was changed" in " ".join(full.err.split())
    path = f"/api/v1/namespaces/{namespace}/configmaps/registry"
    control_plane.request("PATCH", path, {"immutable": True}, "application/merge-patch+json")
    immutable = program("undo")
    assert immutable.code == 5
    assert "lets nobody put a key back into it; nothing was changed" in immutable.err
    assert "make a new one with these keys" in immutable.err
    assert set(read_data(control_plane, namespace, "registry")) == {"keep", "other"}


def test_document_written_since_gets_its_entries_back(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "registry", {"doc": DOCUMENT})
    assert program("trim", "cm/registry", "-n", namespace, "--key", "doc/tenants/b", "--apply").code == 0
    merge(control_plane, namespace, "registry", {"doc": '{"tenants": {"a": 1, "c": 9}, "version": 4}'})
    assert program("undo").code == 0
    now = json.loads(read_data(control_plane, namespace, "registry")["doc"])
    assert now == {"tenants": {"a": 1, "c": 9, "b": {"x": [1, 2]}}, "version": 4}


def test_document_entry_written_again_differently_refuses(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "registry", {"doc": DOCUMENT})
    assert program("trim", "cm/registry", "-n", namespace, "--key", "doc/tenants/b", "--apply").code == 0
    changed = '{"tenants": {"a": 1, "b": "new"}, "version": 4}'
    merge(control_plane, namespace, "registry", {"doc": changed})
    done = program("undo")
    assert done.code == 4
    assert "doc/tenants/b was written again" in done.err
    assert read_data(control_plane, namespace, "registry") == {"doc": changed}
