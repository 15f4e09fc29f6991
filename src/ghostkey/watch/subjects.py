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

from ghostkey.kube.client import ApiClient
from ghostkey.kube.discovery import Discovered, discover, resolve
from ghostkey.model.errors import GhostkeyError
from ghostkey.model.events import Event, Gap, KindsKnown
from ghostkey.model.refs import Kind
from ghostkey.sources.live_cluster import LiveCluster, Scope
from ghostkey.watch.follow import Follower

CRDS = "customresourcedefinitions.apiextensions.k8s.io"
AGAIN_SECONDS = 60.0  # until what could not be listed is asked for again
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
        self._failed_at: dict[Kind, float] = {}
        self._marks: dict[Kind, dict[str, int]] = {}  # UID → what matters of its metadata
        self._followed: set[Kind] = set()
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

    def broke(self, kind: Kind, why: str) -> None:
        """What happens while nothing is seen has to be read anew."""
        if why:
            self._marks.pop(kind, None)
            self._mark_dirty(kind)

    def _mark_dirty(self, kind: Kind) -> None:
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
            if self._discovered is None or self._discovered.gaps or any(kind.qualified == CRDS for kind in dirty):
                self._discovered = discover(self._client)
            wanted = [k for k in self._cluster.subject_kinds(self._discovered.kinds) if k not in self._without]
            for kind in self._events.keys() - set(wanted):
                del self._events[kind]
            again = {kind for kind, at in self._failed_at.items() if now - at > AGAIN_SECONDS}
            for kind in wanted:
                self._follow(kind)
                if kind in dirty or kind in again or kind not in self._events:
                    self._read(kind, now)
        except GhostkeyError:
            with self._lock:
                self._dirty |= dirty
            raise

    def _follow(self, kind: Kind) -> None:
        if kind not in self._followed:
            self._followed.add(kind)
            Follower(self._client, kind, self, self._stopped).start(is_kept=False)

    def _read(self, kind: Kind, now: float) -> None:
        self._failed_at.pop(kind, None)
        events = self._cluster.read_subjects(kind)
        for word, expression in self._scope.known_by:
            if kind.answers_to(word) and resolve(word, self._discovered.kinds if self._discovered else ()) == kind:
                events += self._cluster.read_by_fields(dataclasses.replace(kind, known_by=expression))
        self._events[kind] = events
        if any(isinstance(event, Gap) for event in events):
            self._failed_at[kind] = now

    def events(self) -> Iterator[Event]:
        """What a scan would read of them now. `refresh` comes first."""
        found = self._discovered or Discovered((), ())
        yield KindsKnown(found.kinds)
        if not self._scope.subject_kinds:
            yield from found.gaps
        for events in list(self._events.values()):
            yield from events


def _mark(kind: Kind, metadata: Mapping[str, Any]) -> int:
    """What a scan reads of an object, but for its own fields, as a number."""
    # those of custom resources are looked into, so each version of one counts
    version = metadata.get("resourceVersion") if kind.is_custom else metadata.get("generation")
    owners = repr(metadata.get("ownerReferences"))
    labels = repr(sorted((metadata.get("labels") or {}).items()))
    annotations = repr(sorted((metadata.get("annotations") or {}).items())) if kind.qualified in {"namespaces", "nodes"} else ""
    return hash((version, owners, labels, annotations, metadata.get("deletionTimestamp") is not None))
