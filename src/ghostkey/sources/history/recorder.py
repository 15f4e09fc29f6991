"""A live cluster, recorded as it changes: LIST, then WATCH, and again when the server has forgotten where we were.

What it reads
    ConfigMaps and Secrets, and as subjects the kinds that were asked for: by default every custom resource, Namespaces,
    Nodes and Pods.
Coverage
    From the LIST on, for as long as the watch holds. What happened between a watch that broke and the next LIST is a gap:
    its outcome is seen, its order and its writers are not.
When it is wrong
    A watch does not say who deleted an object, and managedFields keep one time for each manager.
Source
    Kubernetes API concepts: efficient detection of changes; bookmarks; 410 Gone
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from ghostkey.foreign import UnreadableError, decode_json
from ghostkey.kube.answers import decode_list, list_version
from ghostkey.kube.client import ApiClient
from ghostkey.kube.fields import field_owners, writer_of
from ghostkey.kube.objects import decode_raw_list
from ghostkey.model.errors import AccessDenied, ApiFailed, GhostkeyError, NotAsked, place_of
from ghostkey.model.events import FieldOwner
from ghostkey.model.history import (
    CREATED,
    DELETE,
    DELETED,
    DELETING,
    SEEN,
    Covered,
    HistoryEvent,
    KeyEvent,
    SubjectEvent,
    Writer,
    microseconds,
)
from ghostkey.model.refs import Kind
from ghostkey.sources.history.common import MAPS, entries_at, paths_for, revision_of
from ghostkey.sources.history.facts import KeyedHash, content_of_object
from ghostkey.sources.history.packed import PACKED_KEYS, PackedStates
from ghostkey.sources.history.states import MapStates

ORIGIN = "watch"
WATCH_SECONDS = 240.0
PAUSE_SECONDS = 0.5
TICK_SECONDS = 0.2
BUILT_IN = ("namespaces", "nodes", "pods")
MANAGED_KEPT = 100_000  # maps with several managers
QUEUED = 300  # events that wait to be taken: an object may have a megabyte
ODD_ANSWERS = 3  # one after the other that are not what was asked: then it is not the API server who answers
Item = tuple[str, Kind, dict[str, Any], int]  # what happened, kind, object, when


def recorded_kinds(served: Iterable[Kind]) -> list[Kind]:
    """Kinds of subjects that are recorded where none are named: custom resources, namespaces, nodes, pods."""
    return [kind for kind in served if kind.is_custom or kind.qualified in BUILT_IN]


class Recorder:
    """Source of the events of a running cluster; `events` ends when the time is over or `stop` is called."""

    origin = ORIGIN

    def __init__(
        self,
        client: ApiClient,
        kinds: Sequence[Kind],
        digest: KeyedHash,
        fields: Iterable[tuple[str, str]] = (),
        namespace: str = "",
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._client, self._kinds, self._namespace = client, list(kinds), namespace
        self._fields = list(fields)
        self._states = MapStates(ORIGIN, digest, PackedStates(), PACKED_KEYS)
        self._queue: queue.Queue[Item | Covered] = queue.Queue(QUEUED)
        self._ends = threading.Event()
        self._alive: dict[str, dict[tuple[str, str], tuple[str, bool]]] = {}  # kind → (namespace, name) → UID, is being deleted
        self._managed: dict[tuple[str, str, str], frozenset[int]] = {}  # of maps with several managers, their entries
        self._present: dict[Kind, set[tuple[str, str]]] = {}  # of the list that is being read
        self._ready: set[Kind] = set()
        self._on_ready = on_ready
        self._since: dict[Kind, int] = {}
        self.failed: list[GhostkeyError] = []

    def stop(self) -> None:
        """Lets `events` end."""
        self._ends.set()

    def events(self, seconds: float) -> Iterator[HistoryEvent]:
        """Events as they come, for so long; Covered at the end. Raises AccessDenied when a kind may not be watched."""
        self._start()
        yield from self._part(seconds)
        self._ends.set()
        if self.failed:
            raise self.failed[0]

    def parts(self, seconds: float) -> Iterator[Iterator[HistoryEvent]]:
        """The same in parts of so many seconds, each with what it covers at its end; until `stop`. Raises as `events` does."""
        self._start()
        while not self._ends.is_set():
            yield self._part(seconds)
            if self.failed:
                raise self.failed[0]

    def _start(self) -> None:
        for kind in self._kinds:
            threading.Thread(target=self._follow, args=(kind,), daemon=True).start()

    def _part(self, seconds: float) -> Iterator[HistoryEvent]:
        began = time.monotonic()
        while not self._ends.is_set() and time.monotonic() - began < seconds:
            yield from self._drain(TICK_SECONDS)
            if self.failed:
                self._ends.set()
        yield from self._drain(0)
        until = _now()
        for kind, since in self._since.items():
            yield Covered(ORIGIN, kind.qualified, self._namespace or "*", since, until, None, None, False, "")
        self._since = dict.fromkeys(self._since, until)

    def _drain(self, wait: float) -> Iterator[HistoryEvent]:
        while True:
            try:
                item = self._queue.get(timeout=wait) if wait else self._queue.get_nowait()
            except queue.Empty:
                return
            if isinstance(item, Covered):
                yield item
            else:
                yield from self._safely(item)
            wait = 0.0

    def _safely(self, item: Item) -> Iterator[HistoryEvent]:
        what, kind, found, at = item
        try:
            if what == "LISTING":
                self._present[kind] = set()
            elif what == "LISTED":
                yield from self._listed(kind, at, is_whole=bool(found["is_whole"]))
            elif what == "FOUND":
                yield from self._found(kind, found, at)
            else:
                yield from self._changed(what, kind, found, at)
        except Exception as error:  # noqa: BLE001 (a stranger's object is behind it, and all others wait)
            why = f"an object was not looked into: this is a bug in ghostkey: {place_of(error)}"
            yield Covered(ORIGIN, kind.qualified, self._namespace or "*", at, _now(), None, None, True, why)

    # one kind

    def _follow(self, kind: Kind) -> None:
        version, broke_at, odd = "", None, 0
        while not self._ends.is_set():
            try:
                if not version:
                    version = self._list(kind, broke_at)
                    broke_at = None
                params = {"resourceVersion": version}
                for event in self._client.watch(kind.path(self._namespace), params, WATCH_SECONDS):
                    odd, live = 0, event["object"]
                    if event["type"] == "ERROR":
                        version, broke_at = "", broke_at or _now()
                        break
                    version = live["metadata"]["resourceVersion"]
                    if event["type"] != "BOOKMARK":
                        self._put((event["type"], kind, live, _now()))
                    if self._ends.is_set():
                        return
            except AccessDenied as error:
                self.failed.append(error)
                return
            except ApiFailed as error:
                odd = odd + 1 if isinstance(error, NotAsked) else 0
                if odd >= ODD_ANSWERS:
                    self.failed.append(error)
                    return
                # an API server that restarts; the watch goes on from where it was unless that is forgotten
                if error.status == HTTPStatus.GONE:
                    version = ""
                broke_at = broke_at or _now()
                self._ends.wait(PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001 (a thread that dies in silence would look like a quiet cluster)
                self.failed.append(
                    GhostkeyError(f"this is a bug in ghostkey: {place_of(error)}, while recording {kind.qualified}")
                )
                return

    def _put(self, item: Item | Covered) -> None:
        while not self._ends.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=PAUSE_SECONDS)
                return

    def _note_gap(self, kind: Kind, since: int, until: int, why: str) -> None:
        self._put(Covered(ORIGIN, kind.qualified, self._namespace or "*", since, until, None, None, True, why))

    def _list(self, kind: Kind, broke_at: int | None) -> str:
        """Has all objects of a kind taken, each by itself, so that no more than a page of them is in memory."""
        began, version, is_whole, path = _now(), "", True, kind.path(self._namespace)
        self._put(("LISTING", kind, {}, began))
        for body in self._client.list_pages(path):
            version = version or list_version(path, body)
            for raw in decode_list(path, body, decode_raw_list):
                try:
                    item = decode_json(raw)
                except UnreadableError as error:
                    is_whole = False  # who it is cannot be read either: nothing is called gone for not being among the others
                    self._note_gap(kind, began, _now(), f"an object was not looked into: {error}")
                    continue
                if isinstance(item, dict) and isinstance(item.get("metadata"), dict) and "name" in item["metadata"]:
                    self._put(("FOUND", kind, item, began))
        if broke_at is not None:
            self._note_gap(kind, broke_at, began, "the watch broke and the server had forgotten where it was")
        self._put(("LISTED", kind, {"is_whole": is_whole}, began))
        return version

    # events

    def _found(self, kind: Kind, item: dict[str, Any], at: int) -> Iterator[HistoryEvent]:
        """One object of a list: seen, when it was not known."""
        metadata = item["metadata"]
        place = (str(metadata.get("namespace") or ""), str(metadata["name"]))
        self._present[kind].add(place)
        known = self._alive.setdefault(kind.qualified, {}).get(place)
        if known is None or known[0] != metadata.get("uid"):
            yield from self._subject(SEEN, kind, item, at)
        yield from self._contents(kind, item, at, is_new=False)

    def _listed(self, kind: Kind, at: int, *, is_whole: bool) -> Iterator[HistoryEvent]:
        """The end of a list: objects that were known and are not among those found went unseen."""
        self._since.setdefault(kind, at)
        alive = self._alive.setdefault(kind.qualified, {})
        present = self._present.pop(kind, set())
        for place in sorted(alive.keys() - present) if is_whole else ():
            uid, _ = alive.pop(place)
            yield SubjectEvent(at, None, kind.qualified, *place, uid, DELETED, *Writer(), ORIGIN, False)
            yield from self._states.gone((kind.qualified, *place), at, None)
        self._ready.add(kind)
        if len(self._ready) == len(self._kinds):
            self._on_ready()
            self._on_ready = lambda: None

    def _changed(self, what: str, kind: Kind, item: dict[str, Any], at: int) -> Iterator[HistoryEvent]:
        metadata = item["metadata"]
        place = (str(metadata.get("namespace") or ""), str(metadata["name"]))
        alive = self._alive.setdefault(kind.qualified, {})
        revision = revision_of(metadata.get("resourceVersion"))
        if what == "DELETED":
            uid, _ = alive.pop(place, (str(metadata.get("uid") or ""), False))
            yield SubjectEvent(at, revision, kind.qualified, *place, uid, DELETED, *Writer(), ORIGIN, False)
            yield from self._states.gone((kind.qualified, *place), at, revision)
            return
        known = alive.get(place)
        waits = bool(metadata.get("deletionTimestamp") and metadata.get("finalizers"))
        if known is None or known[0] != metadata.get("uid"):
            yield from self._subject(CREATED if what == "ADDED" else SEEN, kind, item, at)
        if waits and not (known and known[1]):
            yield from self._subject(DELETING, kind, item, at)
        yield from self._contents(kind, item, at, is_new=what == "ADDED" and known is None)

    def _subject(self, op: str, kind: Kind, item: dict[str, Any], at: int) -> Iterator[SubjectEvent]:
        metadata = item["metadata"]
        place = (str(metadata.get("namespace") or ""), str(metadata["name"]))
        uid = str(metadata.get("uid") or "")
        self._alive.setdefault(kind.qualified, {})[place] = (uid, op == DELETING)
        when = microseconds(str(metadata.get("creationTimestamp") or "")) if op == SEEN else at
        writer = Writer(manager=_newest(metadata)[0])
        yield SubjectEvent(
            when, revision_of(metadata.get("resourceVersion")), kind.qualified, *place, uid, op, *writer, ORIGIN, False
        )

    def _contents(self, kind: Kind, item: dict[str, Any], at: int, *, is_new: bool) -> Iterator[HistoryEvent]:
        metadata = item["metadata"]
        holder = (kind.qualified, str(metadata.get("namespace") or ""), str(metadata["name"]))
        revision, writer = revision_of(metadata.get("resourceVersion")), Writer(manager=_newest(metadata)[0])
        if kind.qualified in MAPS:
            content = content_of_object(item, is_secret=kind.qualified == "secrets")
            changes = self._states.changes(holder, content, at, revision, writer, is_new=is_new)
            yield from self._owned(holder, metadata, changes)
        for path in paths_for(self._fields, kind.qualified):
            entries = entries_at(item, path) or {}
            yield from self._states.field_entries(holder, path, entries, at, revision, writer, is_new=is_new)

    def _owned(self, holder: tuple[str, str, str], metadata: dict[str, Any], changes: Iterable[KeyEvent]) -> Iterator[KeyEvent]:
        """The changes of a map that several managers write, each by whose entry in managedFields says so.

        The newest entry is not it where two were written in one second, nor for what was written while nobody watched.
        """
        managed = [entry for entry in metadata.get("managedFields") or () if isinstance(entry, dict)]
        before = self._managed.pop(holder, frozenset())
        if len(managed) < 2:
            yield from changes
            return
        marks = [hash(msgspec.json.encode(entry)) for entry in managed]
        self._managed[holder] = frozenset(marks)
        if len(self._managed) > MANAGED_KEPT:
            del self._managed[next(iter(self._managed))]
        changed = [entry for entry, mark in zip(managed, marks, strict=True) if mark not in before]
        owners: dict[str, tuple[FieldOwner, ...]] = {}
        for event in changes:
            if event.field not in owners:
                owners[event.field] = field_owners(msgspec.json.encode(managed), event.field)
            if event.op == DELETE and not event.path:
                # its entry has lost the key, or went with its last one: that which changed, if it is but one
                name = str(changed[0].get("manager") or "") if len(changed) == 1 else ""
            else:
                owner = writer_of(owners[event.field], event.path.partition("/")[0] or event.key)
                name = owner.manager if owner is not None else ""
            yield event._replace(manager=name)


def _newest(metadata: dict[str, Any]) -> tuple[str, str]:
    """Manager and time of the newest entry of managedFields."""
    managed = metadata.get("managedFields")
    entries = [
        (str(e.get("time") or ""), str(e.get("manager") or ""))
        for e in (managed if isinstance(managed, list) else ())
        if isinstance(e, dict)
    ]
    newest = max(entries, default=("", ""))
    return newest[1], newest[0]


def _now() -> int:
    return time.time_ns() // 1000
