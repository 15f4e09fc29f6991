"""Lives of keys and subjects as events, small enough to check by eye; every query over every one of them, in both engines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ghostkey.model.history import (
    CREATED,
    DELETE,
    DELETED,
    DELETING,
    MISSED_DELETE,
    REFUSED_DELETE,
    REFUSED_SET,
    RELEASED,
    SEEN,
    SET,
    Covered,
    HistoryEvent,
    KeyEvent,
    SubjectEvent,
)
from ghostkey.store.history import History

BEGIN = 1_795_000_000_000_000  # microseconds: 2026-11-18
SECOND = 1_000_000
TENANTS = "tenants.demo.example.com"
MAP = ("configmaps", "system", "registry")


@dataclass
class StoryTeller:
    """Writes events one second after the other, as an audit log would tell them."""

    origin: str = "audit"
    events: list[HistoryEvent] = field(default_factory=list)
    clock: int = 0
    revision: int = 100

    def tick(self) -> tuple[int, int]:
        self.clock += 1
        self.revision += 1
        return BEGIN + self.clock * SECOND, self.revision

    def who(self, user: str) -> tuple[str, ...]:
        if self.origin != "audit":
            return ("", user, "", "", "", "")
        return user, user, f"{user}/v1", "10.0.0.1", f"00000000-0000-4000-8000-{self.revision:012d}", "patch"

    def key(
        self,
        key: str,
        op: str = SET,
        *,
        size: int = 10,
        shape: str = "word",
        by: str = "operator",
        error: str = "",
        path: str = "",
    ) -> None:
        at, revision = self.tick()
        delta = {SET: 1, SEEN: 1, DELETE: -1}.get(op, 0)
        if op == SET and any(isinstance(e, KeyEvent) and e.key == key and e.op == SET for e in self.events):
            last = [e.op for e in self.events if isinstance(e, KeyEvent) and e.key == key and e.op in (SET, DELETE)][-1]
            delta = 0 if last == SET else 1
        said = size if op in (SET, SEEN) else -1
        self.events.append(
            KeyEvent(
                at, None if op.startswith("refused") else revision, *MAP, "data", path, key, op, said, hash(key) & 0xFFFF, shape,
                delta, delta * (size + len(key)), *self.who(by), error, self.origin, False,
            )
        )  # fmt: skip

    def subject(self, name: str, op: str, *, by: str = "alice", uid: str = "") -> None:
        at, revision = self.tick()
        namespace, _, bare = name.rpartition("/")
        self.events.append(
            SubjectEvent(at, revision, TENANTS, namespace, bare, uid or f"uid-{name}", op, *self.who(by), self.origin, False)
        )

    def live(self, *names: str) -> None:
        """Subjects that live, each with its key."""
        for name in names:
            self.subject(f"prod/{name}", CREATED)
            self.key(f"prod.{name}")

    def done(self) -> list[HistoryEvent]:
        covered = Covered(self.origin, "*", "*", BEGIN, BEGIN + (self.clock + 60) * SECOND, None, None, False, "")
        return [*self.events, covered]


KEEPERS = ("acorn-1", "birch-2", "cedar-3", "dune-4")


def _begin(origin: str = "audit") -> StoryTeller:
    teller = StoryTeller(origin)
    teller.live(*KEEPERS, "onyx-9")
    return teller


def no_delete(origin: str = "audit") -> list[HistoryEvent]:
    teller = _begin(origin)
    teller.subject("prod/onyx-9", DELETING)
    teller.subject("prod/onyx-9", DELETED, by="operator")
    return teller.done()


def wrong_key_name() -> list[HistoryEvent]:
    teller = _begin()
    teller.subject("prod/onyx-9", DELETING)
    teller.key("onyx-9", MISSED_DELETE)
    teller.subject("prod/onyx-9", DELETED, by="operator")
    return teller.done()


def delete_failed() -> list[HistoryEvent]:
    teller = _begin()
    teller.subject("prod/onyx-9", DELETING)
    teller.key("prod.onyx-9", REFUSED_DELETE, error="403 Forbidden: no patch for you")
    teller.subject("prod/onyx-9", DELETED, by="operator")
    return teller.done()


def map_too_large() -> list[HistoryEvent]:
    teller = _begin()
    teller.subject("prod/onyx-9", DELETED)
    teller.key("", REFUSED_SET, error="413: etcdserver: request is too large")
    return teller.done()


def written_again() -> list[HistoryEvent]:
    teller = _begin()
    teller.subject("prod/onyx-9", DELETED)
    teller.key("prod.onyx-9", DELETE)
    teller.key("prod.onyx-9", SET, by="stale-worker")
    return teller.done()


def ownership_stuck() -> list[HistoryEvent]:
    teller = _begin()
    teller.subject("prod/onyx-9", DELETED)
    teller.key("prod.onyx-9", RELEASED, by="gitops")
    return teller.done()


def tombstone() -> list[HistoryEvent]:
    teller = _begin()
    teller.subject("prod/onyx-9", DELETED)
    teller.key("prod.onyx-9", SET, size=0, shape="empty")
    return teller.done()


def retention() -> list[HistoryEvent]:
    teller = StoryTeller()
    names = ("onyx-1", "onyx-2", "onyx-3", "onyx-4")
    teller.live(*KEEPERS, *names, "onyx-9")
    for name in names:
        teller.subject(f"prod/{name}", DELETED)
    teller.clock += 300
    for name in names:
        teller.key(f"prod.{name}", DELETE)
    teller.subject("prod/onyx-9", DELETED)
    return teller.done()


def removed() -> list[HistoryEvent]:
    teller = _begin()
    teller.key("prod.onyx-9", DELETE)
    teller.subject("prod/onyx-9", DELETED)
    return teller.done()


def recreated() -> list[HistoryEvent]:
    teller = _begin()
    teller.subject("prod/onyx-9", DELETED)
    teller.subject("prod/onyx-9", CREATED, uid="another")
    return teller.done()


def encoded_twice() -> list[HistoryEvent]:
    teller = StoryTeller()
    teller.live(*KEEPERS)
    teller.key("prod.acorn-1", SET, shape="doubled:json in a JSON string", by="new-release")
    teller.key("prod.birch-2", SET, shape="doubled:json in a JSON string", by="new-release")
    return teller.done()


def seen_before() -> list[HistoryEvent]:
    """A map that was there when the coverage began, in two sources that overlap."""
    teller = StoryTeller("etcd-snapshot")
    for name in (*KEEPERS, "onyx-9"):
        teller.subject(f"prod/{name}", SEEN)
        teller.key(f"prod.{name}", SEEN)
    teller.subject("prod/onyx-9", DELETED)
    return teller.done()


def undone(origin: str = "audit", *, is_removed_before: bool = False) -> list[HistoryEvent]:
    """A ghost that was trimmed, and put back."""
    teller = _begin(origin)
    teller.subject("prod/onyx-9", DELETED)
    if is_removed_before:
        teller.key("prod.onyx-9", DELETE)
        teller.key("prod.onyx-9", by="cache")
    teller.key("prod.onyx-9", DELETE, by="ghostkey")
    teller.key("prod.onyx-9", by="ghostkey")
    return teller.done()


def undone_over_a_removal() -> list[HistoryEvent]:
    """A ghost that the operator removed at last, and that an undo of an earlier trim brought back."""
    teller = _begin()
    teller.subject("prod/onyx-9", DELETED)
    teller.key("prod.onyx-9", DELETE, by="ghostkey")
    teller.key("prod.onyx-9", by="ghostkey")
    teller.key("prod.onyx-9", DELETE)
    teller.key("prod.onyx-9", by="ghostkey")
    return teller.done()


def trimmed_before_the_end() -> list[HistoryEvent]:
    """A key that was not there when its subject went: the operator's removal found nothing, and then an undo brought it back."""
    teller = _begin()
    teller.key("prod.onyx-9", DELETE, by="ghostkey")
    teller.clock += 10
    teller.subject("prod/onyx-9", DELETED)
    teller.key("prod.onyx-9", MISSED_DELETE)
    teller.clock += 10
    teller.key("prod.onyx-9", by="ghostkey")
    return teller.done()


def trimmed_late() -> list[HistoryEvent]:
    """Keys that ghostkey removes some time after their subjects, again and again, and one that nobody removes."""
    teller = _begin()
    for name in ("acorn-1", "birch-2", "cedar-3", "dune-4"):
        teller.subject(f"prod/{name}", DELETED)
        teller.clock += 30
        teller.key(f"prod.{name}", DELETE, by="ghostkey")
    teller.subject("prod/onyx-9", DELETED)
    teller.clock -= 45
    return teller.done()


def namesakes() -> list[HistoryEvent]:
    """Keys of names that come again in other namespaces: of one all have gone, of another one lives."""
    teller = StoryTeller()
    for name in ("agate-1", "beryl-2", "coral-3", "drift-4", "elder-5"):
        teller.subject(f"prod/{name}", CREATED)
        teller.key(name)
    for name in ("agate-1", "beryl-2"):
        teller.subject(f"stage/{name}", CREATED)
    for name in ("prod/agate-1", "prod/beryl-2", "stage/beryl-2"):
        teller.subject(name, DELETED)
    return teller.done()


def reborn() -> list[HistoryEvent]:
    """Keys of UIDs: another object has the name of the one that went, and its own key."""
    teller = StoryTeller()
    uids = [f"{n}0000000-0000-4000-8000-00000000000{n}" for n in range(6)]
    for name, uid in zip(("fig-1", "gum-2", "hop-3", "ivy-4", "jut-5"), uids, strict=False):
        teller.subject(f"prod/{name}", CREATED, uid=uid)
        teller.key(uid)
    teller.subject("prod/hop-3", DELETED, uid=uids[2])
    teller.subject("prod/hop-3", CREATED, uid=uids[5])
    teller.key(uids[5])
    return teller.done()


STORIES = {
    "reborn": (reborn(), {"20000000-0000-4000-8000-000000000002": "no-delete"}),
    "namesakes": (namesakes(), {"beryl-2": "no-delete"}),
    "undone-over-a-removal": (undone_over_a_removal(), {"prod.onyx-9": "written-again"}),
    "trimmed-before-the-end": (trimmed_before_the_end(), {"prod.onyx-9": "unknown"}),
    "trimmed-late": (trimmed_late(), {"prod.onyx-9": "no-delete"}),
    "undone": (undone(), {"prod.onyx-9": "no-delete"}),
    "undone-after-another": (undone(is_removed_before=True), {"prod.onyx-9": "written-again"}),
    "no-delete": (no_delete(), {"prod.onyx-9": "no-delete"}),
    "etcd-alone": (no_delete("etcd-snapshot"), {"prod.onyx-9": "unknown"}),
    "wrong-key-name": (wrong_key_name(), {"prod.onyx-9": "wrong-key-name"}),
    "delete-failed": (delete_failed(), {"prod.onyx-9": "delete-failed"}),
    "map-too-large": (map_too_large(), {"prod.onyx-9": "delete-failed"}),
    "written-again": (written_again(), {"prod.onyx-9": "written-again"}),
    "ownership-stuck": (ownership_stuck(), {"prod.onyx-9": "ownership-stuck"}),
    "tombstone": (tombstone(), {"prod.onyx-9": "tombstone"}),
    "retention": (retention(), {"prod.onyx-9": "retention"}),
    "removed": (removed(), {}),
    "recreated": (recreated(), {}),
    "encoded-twice": (encoded_twice(), {}),
    "seen-before": (seen_before(), {"prod.onyx-9": "unknown"}),
}


def stored(folder: Path, *stories: Iterable[HistoryEvent]) -> History:
    """A store with each of these imported."""
    history = History(folder)
    for number, events in enumerate(stories):
        history.add(f"story-{number}", "story", f"story {number}", events)
    return history
