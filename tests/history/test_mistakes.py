"""Each mistake of the testbed's operator gets its class, writer and deleter from history alone: the audit log, and etcd."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ghostkey import story
from ghostkey.store.engines import DuckEngine
from ghostkey.store.history import History
from ghostkey.testing import ControlPlane
from tests.testbed.test_mistakes import EXPECTED, GONE, LIVE, NAMESPACES, Workload, check_scan, dotted

REGISTRY = ("tenant-system", "tenant-registry")
# at the level that shows what was written, Secrets too
SHOWS_ALL = {
    "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
    "rules": [{"level": "None", "verbs": ["get", "list", "watch"]}, {"level": "RequestResponse"}],
}  # fmt: skip
CLASSES = {
    "no-delete-on-notfound": "no-delete",
    "return-on-deletion-timestamp": "no-delete",
    "wrong-delete-key": "wrong-key-name",
    "owner-reference-stripped": "no-delete",
    "tombstone": "tombstone",
    "nested-document": "no-delete",
    "secret-registry": "no-delete",
    "key-by-uid": "no-delete",
    "sanitised-key": "wrong-key-name",
    "shortened-key": "wrong-key-name",
}


def test_every_mistake_of_scan_is_explained() -> None:
    assert set(CLASSES) == {*EXPECTED, "key-by-uid"}


def ghosts(history: History, kind: str = "configmaps") -> list[dict[str, Any]]:
    engine = DuckEngine(history)
    story.prepare(engine)
    return story.story_of(engine, kind, *REGISTRY).ghosts


def imported(folder: Path, *paths: Path) -> History:
    history = History(folder)
    story.import_paths(history, paths)
    return history


@pytest.mark.whole(but=["tombstone"])
@pytest.mark.parametrize("mistake", sorted(CLASSES))
def test_mistake_is_found_by_scan_and_explained_by_history_alone(tmp_path: Path, mistake: str) -> None:
    """One workload: `scan` finds class and keys, the audit log alone tells why and who, etcd alone what it can know."""
    with ControlPlane(audit_policy=SHOWS_ALL) as control_plane:
        workload = Workload(control_plane, mistake)
        workload.come_and_go()
        check_scan(workload, mistake, tmp_path / "state")
        history = imported(tmp_path / "store", control_plane.audit_log)
        shutil.copy(control_plane.directory / "etcd" / "member" / "snap" / "db", tmp_path / "db")
    kind = "secrets" if mistake == "secret-registry" else "configmaps"
    found = ghosts(history, kind)
    if mistake == "nested-document":
        found = [row for row in found if row["path"]]
    expected = len(GONE) * len(NAMESPACES)
    if mistake == "shortened-key":
        # the short names among them are deleted by the name they have; of the long ones those of two namespaces are one key
        expected = len({name for name in GONE if len(name) > 24})
        assert expected == 2
    assert Counter(row["class"] for row in found) == {CLASSES[mistake]: expected}
    if mistake not in {"sanitised-key", "shortened-key", "key-by-uid"}:
        assert {row["key"] for row in found} == dotted()
    for row in found:
        assert row["manager"] == "tenant-operator"
        assert row["writer"] == "ghostkey-admin"
        assert row["subject_deleter"] == "ghostkey-admin"
        assert row["first_set_at"] < row["subject_deleted_at"]
        assert row["subject_name"] in GONE
        assert len(row["delete_audit_id"]) == 36
    if CLASSES[mistake] == "wrong-key-name":
        assert all(row["wrong_key"] != row["key"] and row["attempt_agent"].startswith("tenant-operator/") for row in found)
    # etcd alone knows that the keys outlive their subjects, and not whether anybody tried to remove them
    alone = ghosts(imported(tmp_path / "etcd", tmp_path / "db"), kind)
    if mistake == "nested-document":
        alone = [row for row in alone if row["path"]]
    assert {row["key"] for row in alone} <= {row["key"] for row in found}
    expected_alone = {"tombstone"} if mistake == "tombstone" else {"unknown"}
    assert {row["class"] for row in alone} <= expected_alone


@pytest.mark.whole
def test_correct_operator_leaves_nothing_to_explain(tmp_path: Path) -> None:
    with ControlPlane(audit_policy=SHOWS_ALL) as control_plane:
        workload = Workload(control_plane, None)
        workload.come_and_go()
        history = imported(tmp_path, control_plane.audit_log)
    engine = DuckEngine(history)
    assert story.prepare(engine) > 0
    told = story.story_of(engine, "configmaps", *REGISTRY)
    assert told.ghosts == []
    assert sum(bool(row["is_present"]) for row in told.keys) == len(LIVE) * len(NAMESPACES) + 1
    removed = [row for row in told.keys if not row["is_present"]]
    assert {row["key"] for row in removed} == dotted()
    assert {row["deleter"] for row in removed} == {"ghostkey-admin"}


@pytest.mark.whole
def test_double_encoding_says_since_when_and_by_whom(tmp_path: Path) -> None:
    with ControlPlane() as control_plane:
        workload = Workload(control_plane, "double-encoding")
        workload.come_and_go()
        history = imported(tmp_path, control_plane.audit_log)
    engine = DuckEngine(history)
    story.prepare(engine)
    (row,) = story.story_of(engine, "configmaps", *REGISTRY).encoded_twice
    assert row["shape"] == "doubled:json in a JSON string"
    assert row["manager"] == "tenant-operator"
    assert row["keys"] >= len(NAMESPACES) * len(LIVE)


@pytest.mark.whole
def test_level_that_hides_values_makes_the_answer_unknown(tmp_path: Path) -> None:
    """The testbed's default policy logs Secrets at level Metadata."""
    with ControlPlane() as control_plane:
        workload = Workload(control_plane, "secret-registry")
        workload.come_and_go()
        history = imported(tmp_path, control_plane.audit_log)
    assert ghosts(history, "secrets") == []
    gaps = DuckEngine(history).rows("SELECT * FROM coverage WHERE is_gap AND kind = 'secrets' AND namespace = 'tenant-system'")
    assert gaps
    assert "level Metadata does not show" in gaps[0]["why"]
