"""Ends that were none: the object was written after it, or another one of its name; and what goes with a namespace."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ghostkey.sources.history.audit import files
from ghostkey.sources.history.audit.log import AuditLog
from ghostkey.store.engines import DuckEngine
from ghostkey.store.history import History
from ghostkey.story import Story, prepare, story_of
from tests.history.lines import GROUP, at
from tests.history.shop import DIGEST, SPOT, Shop, events, gaps, lives, told

KIND = f"widgets.{GROUP}"
AMBER = {"resource": "widgets", "namespace": "t1", "name": "amber-0", "apiGroup": GROUP}


def widget(
    log: Shop,
    second: float,
    verb: str,
    uid: str = "",
    level: str = "RequestResponse",
    sub: str = "",
    finalizers: tuple[str, ...] = (),
) -> bytes:
    log.revision += 1
    metadata: dict[str, Any] = {"name": "amber-0", "namespace": "t1", "uid": uid, "resourceVersion": str(log.revision)}
    metadata |= {"finalizers": [*finalizers]} if finalizers else {}
    shown: dict[str, Any] = {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "metadata": metadata}
    return log.line(second, verb, AMBER | ({"subresource": sub} if sub else {}), response=shown, level=level)


def last(log: Shop, second: float) -> bytes:
    return log.patch(second, "shop", "other", {"last": str(second)})


def test_object_that_was_made_again_in_a_hole_lives(tmp_path: Path) -> None:
    log = Shop()
    before = [*log.begin(), log.subject(20, "delete", "t1", "amber-0"), last(log, 25)]
    after = [last(log, 90), widget(log, 95, "patch", "uid-other", sub="status"), last(log, 100)]
    assert told(tmp_path, before, after).ghosts == []


def test_write_that_is_logged_after_the_end_brings_nothing_back(tmp_path: Path) -> None:
    log = Shop()
    late = widget(log, 19.99, "patch", "uid-amber-0", sub="status")
    lines = [*log.begin(), log.subject(20, "delete", "t1", "amber-0"), late, last(log, 30)]
    assert [row["key"] for row in told(tmp_path, lines).ghosts] == ["t1.amber-0"]


@pytest.mark.parametrize("level", ["Metadata", "Request"])
def test_deletion_whose_answer_is_hidden_is_no_end_of_what_is_written_later(tmp_path: Path, level: str) -> None:
    """A finalizer was taken, by the last write at the earliest."""
    log = Shop()
    lines = [*log.begin(), widget(log, 20, "delete", level=level), widget(log, 40, "patch", level=level), last(log, 60)]
    found = events(tmp_path, lines)
    assert lives(found, KIND)[-3:] == [(op, "t1", "amber-0") for op in ("deleted", "deleting", "deleted")]
    assert gaps(found) == [f"level {level} does not show when an object ended that was written after its deletion"]
    (ghost,) = told(tmp_path, lines).ghosts
    assert (ghost["subject_deleted_at"] - ghost["ended_at"], ghost["subject_deleter"]) == (20_000_000, "op")


@pytest.mark.parametrize("skew", [-0.9, 0.0, 0.9])
def test_object_that_was_made_again_lives_whatever_clocks_say(tmp_path: Path, skew: float) -> None:
    log = Shop()
    first, second = [*log.begin(), log.subject(20, "delete", "t1", "amber-0")], [last(log, 1.2)]
    again = json.loads(log.subject(20.1, "create", "t1", "amber-0"))
    again |= {"requestReceivedTimestamp": at(20.1 + skew), "stageTimestamp": at(20.102 + skew)}
    second += [json.dumps(again, separators=(",", ":")).encode() + b"\n", last(log, 50)]
    assert told(tmp_path, [*first, last(log, 50)], second).ghosts == []


def test_last_life_ends_though_its_beginning_was_not_seen(tmp_path: Path) -> None:
    log = Shop()
    lines = log.begin()
    gone = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": {"uid": "uid-other"}}
    lines += [log.line(20, "delete", AMBER, response=gone), last(log, 30)]
    assert [row["key"] for row in told(tmp_path, lines).ghosts] == ["t1.amber-0"]


@pytest.mark.parametrize("is_finalized", [True, False])
def test_map_goes_with_its_namespace(tmp_path: Path, is_finalized: bool) -> None:
    """At level Metadata nothing says which maps went; there is none in a namespace that was finalized."""
    log = Shop()
    place = {"resource": "namespaces", "namespace": "shop", "name": "shop"}
    lines = [*log.begin(), log.subject(20, "delete", "t1", "amber-0"), log.line(30, "delete", place, level="Metadata")]
    if is_finalized:
        lines.append(log.line(35, "update", place | {"subresource": "finalize"}, level="Metadata"))
    lines.append(log.patch(60, "elsewhere", "other", {"a": "1"}))
    assert [row["key"] for row in told(tmp_path, lines).ghosts] == ([] if is_finalized else ["t1.amber-0"])


def story_in(folder: Path, lines: list[bytes], processes: int) -> Story:
    """The story of the shop's map by a log of these lines, read by so many processes."""
    (folder / "audit.log").write_bytes(b"".join(lines))
    store = History(folder / "store")
    store.add("log", "audit", "log", partial(AuditLog([folder / "audit.log"], DIGEST).events, processes=processes))
    engine = DuckEngine(store)
    prepare(engine, only=SPOT)
    return story_of(engine, *SPOT)


@pytest.mark.parametrize("has_finalizers", [True, False])
@pytest.mark.parametrize("processes", [1, 2])
def test_hidden_deletion_of_what_was_made_with_finalizers_is_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_finalizers: bool, processes: int
) -> None:
    log = Shop()
    lines = [*log.begin(), log.subject(11, "delete", "t1", "amber-0")]
    lines += [widget(log, 12, "create", "uid-2", finalizers=("shop/clean",) if has_finalizers else ())]
    lines += [log.patch(20 + n / 100, "shop", "other", {f"k{n % 7}": str(n)}) for n in range(400)]
    lines += [widget(log, 50, "delete", level="Metadata")]
    monkeypatch.setattr(files, "SHARE_BYTES", 1 << 16)
    found = story_in(tmp_path, [*lines, last(log, 60)], processes)
    assert [row["key"] for row in found.ghosts] == ([] if has_finalizers else ["t1.amber-0"])
    why = "level Metadata does not show when an object ended that had finalizers"
    assert (why in [row["why"] for row in found.coverage if row["is_gap"]]) == has_finalizers


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    ("level", "body", "waits"),
    [
        ("RequestResponse", {}, True),
        ("Request", {"metadata": {"finalizers": ["shop/clean"]}}, True),
        ("Request", [{"op": "add", "path": "/metadata/finalizers/-", "value": "shop/clean"}], True),
        ("Request", [{"op": "remove", "path": "/metadata/finalizers/0"}], False),
        ("Request", {"metadata": {"finalizers": None}}, False),
    ],
)
def test_hidden_deletion_of_what_was_given_finalizers_is_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int, level: str, body: Any, waits: bool
) -> None:
    """An operator gives its objects a finalizer when it sees them first."""
    log = Shop()
    lines = [*log.begin()]
    shown = json.loads(widget(log, 12, "patch", "uid-amber-0", finalizers=("shop/clean",)))["responseObject"]
    lines += [log.line(12, "patch", AMBER, request=body, response=shown, level=level)]
    lines += [log.patch(20 + n / 100, "shop", "other", {f"k{n % 7}": str(n)}) for n in range(400)]
    lines += [widget(log, 50, "delete", level="Metadata")]
    monkeypatch.setattr(files, "SHARE_BYTES", 1 << 16)
    found = story_in(tmp_path, [*lines, last(log, 60)], processes)
    assert [row["key"] for row in found.ghosts] == ([] if waits else ["t1.amber-0"])
