"""Everything that keys may be written for, as it is now: read as a scan reads it, and read anew where a kind has changed.

A watch of metadata alone tells which kinds have changed; a change of a status is none, but of a custom resource, whose fields
may be what keys are made of.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ghostkey import api
from ghostkey.kube.client import ApiClient
from ghostkey.kube.discovery import Discovered, discover, resolve
from ghostkey.model.errors import GhostkeyError
from ghostkey.model.events import Event, Gap, KindsKnown
from ghostkey.model.refs import Kind
from ghostkey.sources.live_cluster import LiveCluster, Scope
from ghostkey.store.snapshot import Snapshot
from ghostkey.watch.follow import Follower

CRDS = "customresourcedefinitions.apiextensions.k8s.io"
AGAIN_SECONDS = 60.0  # until a kind that cannot be followed is read anew
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 5.0, 300.0  # until what could not be listed is asked for again; each time twice that
MISSED_SECONDS = (
    30.0  # an API server that has just started does not tell of all kinds yet: so long a kind is missed before it is gone
)
OBJECTS_MOST = 500_000  # whose metadata are compared; beyond that every event of a kind is a change of it


class Subjects:
    """Sink of the followers of all kinds but the maps that are followed themselves."""

    def __init__(
        self, client: ApiClient, scope: Scope, on_change: Callable[[], None], stopped: Callable[[], bool], without: Iterable[Kind]
    ) -> None:
        self._client, self._scope, self._stopped = client, scope, stopped
        self._on_change, self._without = on_change, frozenset(without)
        self._cluster = LiveCluster(client, scope)
        self._discovered: Discovered | None = None
        self._events: dict[Kind, list[Event]] = {}
        self._dirty: set[Kind] = set()
        self._failed: dict[Kind, tuple[float, int]] = {}  # when to ask again, and how often was asked
        self._missed_since: dict[Kind, float] = {}
        self._timer: threading.Timer | None = None
        self._marks: dict[Kind, dict[str, int]] = {}  # UID → what matters of its metadata
        self._followed: dict[Kind, threading.Event] = {}  # kind → set when it is not wanted any more
        self._wanted: frozenset[Kind] = frozenset()
        self._broke_at: dict[Kind, float] = {}
        self._lock = threading.Lock()

    # sink

    def listed(self, kind: Kind, pages: Iterator[bytes]) -> None:
        """Not asked for: a watch begins with what there is."""
        raise NotImplementedError(kind.qualified)

    def changed(self, kind: Kind, what: str, found: Mapping[str, Any]) -> None:
        """Notes that a kind is to be read anew, when this event says so."""
        marks = self._marks.setdefault(kind, {})
        metadata = found["metadata"]
        uid = str(metadata.get("uid") or "")
        if what == "DELETED":
            marks.pop(uid, None)
        else:
            mark = _mark(kind, metadata)
            if marks.get(uid) == mark:
                return
            if len(marks) < OBJECTS_MOST:
                marks[uid] = mark
        self._mark_dirty(kind)

    def forgotten(self, kind: Kind) -> None:
        """What has happened meanwhile has to be read anew."""
        self._marks.pop(kind, None)
        self._mark_dirty(kind)

    def broke(self, kind: Kind, why: str) -> None:
        """Has the kind read anew while it cannot be followed, now and then."""
        now = time.monotonic()
        if why and now - self._broke_at.get(kind, -AGAIN_SECONDS) >= AGAIN_SECONDS:
            self._broke_at[kind] = now
            self._mark_dirty(kind)

    def _mark_dirty(self, kind: Kind) -> None:
        if kind not in self._wanted:
            return  # its definition is gone
        with self._lock:
            self._dirty.add(kind)
        self._on_change()

    # what there is

    def refresh(self) -> None:
        """Reads what has changed. Raises GhostkeyError when the API server does not answer at all: then all stays as it was."""
        self._client.get("/version")
        now = time.monotonic()
        with self._lock:
            dirty, self._dirty = self._dirty, set()
        try:
            found = self._discovered
            if found is None or found.gaps or self._missed_since or any(kind.qualified == CRDS for kind in dirty):
                found = self._discovered = discover(self._client)
            wanted = [k for k in self._cluster.subject_kinds(found.kinds) if k not in self._without]
            wanted += self._missed(wanted, now)
            self._wanted = frozenset(wanted)
            for kind in self._events.keys() - self._wanted:
                del self._events[kind]
                self._failed.pop(kind, None)
            for kind in self._followed.keys() - self._wanted:
                self._followed.pop(kind).set()
                for known in (self._marks, self._broke_at):
                    known.pop(kind, None)
            again = {kind for kind, (due, _) in self._failed.items() if now >= due}
            for kind in wanted:
                self._follow(kind)
                if kind in dirty or kind in again or kind not in self._events:
                    self._read(kind, now)
        except GhostkeyError:
            with self._lock:
                self._dirty |= dirty
            raise

        finally:
            self._look_again(now)

    def _missed(self, wanted: list[Kind], now: float) -> list[Kind]:
        """Kinds that were there and are not told of any more, and may be again in a moment; what they had is kept."""
        gone = self._events.keys() - set(wanted)
        self._missed_since = {kind: self._missed_since.get(kind, now) for kind in gone}
        missed = [kind for kind, since in self._missed_since.items() if now - since < MISSED_SECONDS]
        self._missed_since = {kind: self._missed_since[kind] for kind in missed}
        return missed

    def _look_again(self, now: float) -> None:
        """Has a look taken when there is something to ask for again."""
        due = [at for at, _ in self._failed.values()] + [now + FIRST_RETRY_SECONDS for _ in self._missed_since]
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due and not self._stopped():
            self._timer = threading.Timer(max(0.1, min(due) - now), self._on_change)
            self._timer.daemon = True
            self._timer.start()

    def _follow(self, kind: Kind) -> None:
        if kind not in self._followed:
            ended = self._followed[kind] = threading.Event()
            Follower(self._client, kind, self, lambda: ended.is_set() or self._stopped()).start(is_kept=False)

    def _read(self, kind: Kind, now: float) -> None:
        _, tries = self._failed.pop(kind, (0.0, 0))
        events = self._cluster.read_subjects(kind)
        for word, expression in self._scope.known_by:
            if kind.answers_to(word) and resolve(word, self._discovered.kinds if self._discovered else ()) == kind:
                events += self._cluster.read_by_fields(dataclasses.replace(kind, known_by=expression))
        self._events[kind] = events
        if any(isinstance(event, Gap) for event in events):
            self._failed[kind] = now + min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2**tries), tries + 1

    def events(self) -> Iterator[Event]:
        """What a scan would read of them now. `refresh` comes first."""
        found = self._discovered or Discovered((), ())
        yield KindsKnown(found.kinds)
        if not self._scope.subject_kinds:
            yield from found.gaps
        for events in list(self._events.values()):
            yield from events

    def complete(self, snapshot: Snapshot) -> None:
        """Adds a gap for each kind, and for the namespace, that was asked for and is not there: nothing is seen of it."""
        api.missing(snapshot, self._scope, self._client)


def _mark(kind: Kind, metadata: Mapping[str, Any]) -> int:
    """What a scan reads of an object, but for its own fields, as a number."""
    # those of custom resources are looked into, so each version of one counts
    version = metadata.get("resourceVersion") if kind.is_custom else metadata.get("generation")
    owners = repr(metadata.get("ownerReferences"))
    labels = repr(sorted((metadata.get("labels") or {}).items()))
    annotations = repr(sorted((metadata.get("annotations") or {}).items())) if kind.qualified in {"namespaces", "nodes"} else ""
    return hash((version, owners, labels, annotations, metadata.get("deletionTimestamp") is not None))
