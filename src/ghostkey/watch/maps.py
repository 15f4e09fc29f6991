"""Every map of the cluster as it is now: its keys, sizes and shapes, as a scan reads them. Values are let go of at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ghostkey.analyses._gauges import is_roomy
from ghostkey.kube.objects import MapObject, decode_map
from ghostkey.model.errors import place_of
from ghostkey.model.events import Coverage, Event, Gap, KeysSeen, SubjectsSeen
from ghostkey.model.refs import Kind
from ghostkey.sources._maps import PLAIN_NAMES, YAML_BYTES, MapReader
from ghostkey.sources.live_cluster import add_subject, decode_page

Place = tuple[Kind, str, str]
YAML_SECONDS = 60.0  # in which changed maps have the budget of YAML that a scan has for all of them


@dataclass(frozen=True, slots=True)
class Held:
    """One map: its batches, what it is as an object, and what of it could not be looked into."""

    batches: list[KeysSeen]
    subject: SubjectsSeen
    gaps: tuple[Gap, ...]

    @property
    def names(self) -> int:
        """Values that are kept because they could be names."""
        return sum(len(seen.identities) for seen in self.batches)


class Maps:
    """Sink of the followers of ConfigMaps and Secrets. `on_change` is told the place of each map that is not as it was."""

    def __init__(self, cluster: str, on_change: Callable[[Place, Held | None], None], *, is_whole: bool) -> None:
        self._cluster, self._on_change, self._is_whole = cluster, on_change, is_whole
        self._held: dict[Place, Held] = {}
        self._lock = threading.Lock()
        self._names = 0
        self._yaml_from = time.monotonic()
        self._yaml_left = YAML_BYTES
        self._list_gaps: dict[Kind, tuple[Gap, ...]] = {}
        self._broken: dict[Kind, str] = {}
        self._since: dict[Kind, None] = {}

    # sink

    def listed(self, kind: Kind, pages: Iterator[bytes]) -> None:
        """Takes all maps of a kind; those that are not among them are gone."""
        reader = MapReader(self._cluster)
        odd: list[Gap] = []
        present: dict[Place, Held] = {}
        for body in pages:
            items, unread = decode_page(kind, body)
            odd += unread
            for item in items:
                present[_place(kind, item)] = self._read(kind, item, reader)
        with self._lock:
            gone = [place for place in self._held if place[0] == kind and place not in present]
            for place in gone:
                del self._held[place]
            self._held |= present
            self._names = sum(held.names for held in self._held.values())
            self._list_gaps[kind] = (*odd, *reader.gaps())
            self._since[kind] = None
            self._broken.pop(kind, None)
        for place in gone:
            self._on_change(place, None)
        for place, held in present.items():
            self._on_change(place, held)

    def changed(self, kind: Kind, what: str, found: Mapping[str, Any]) -> None:
        """Takes one map as it is now, or lets go of it."""
        metadata = found["metadata"]
        place = (kind, str(metadata.get("namespace") or ""), str(metadata["name"]))
        held = None
        if what != "DELETED":
            held = self._read_one(kind, found, place)
        with self._lock:
            before = self._held.pop(place, None)
            self._names -= before.names if before else 0
            if held is not None:
                self._held[place] = held
                self._names += held.names
        self._on_change(place, held)

    def forgotten(self, kind: Kind) -> None:
        """All maps are listed again, by whoever follows them."""

    def broke(self, kind: Kind, why: str) -> None:
        """Notes that nothing is seen of a kind, or is again."""
        with self._lock:
            if why:
                self._broken[kind] = why
            else:
                self._broken.pop(kind, None)

    # reading

    def _read(self, kind: Kind, item: MapObject, reader: MapReader) -> Held:
        batches = reader.read(kind, item)
        subject = SubjectsSeen(kind, [], [], [])
        add_subject(subject, item.metadata, detailed=True)
        return Held(batches, subject, reader.taken_gaps())

    def _read_one(self, kind: Kind, found: Mapping[str, Any], place: Place) -> Held:
        if time.monotonic() - self._yaml_from > YAML_SECONDS:
            self._yaml_from, self._yaml_left = time.monotonic(), YAML_BYTES
        reader = MapReader(self._cluster, names=max(0, PLAIN_NAMES - self._names), yaml_bytes=self._yaml_left)
        try:
            held = self._read(kind, decode_map(msgspec.json.encode(found)), reader)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            what = f"a {kind.kind} {place[2]} was not looked into"
            gap = Gap(what, f"it is not as the API defines it: {place_of(error)}")
            return Held([], SubjectsSeen(kind, [place[1]], [place[2]], [""]), (gap,))
        self._yaml_left = reader.yaml_left
        return Held(held.batches, held.subject, (*held.gaps, *reader.gaps()))

    # what there is

    @property
    def kinds(self) -> set[Kind]:
        """Kinds that have been listed once."""
        return set(self._since)

    @property
    def places(self) -> list[Place]:
        """Where the maps are."""
        with self._lock:
            return list(self._held)

    def largest(self) -> list[Held]:
        """The maps that are plainly on their way to a limit."""
        with self._lock:
            held = list(self._held.values())
        return [one for one in held if one.batches and not is_roomy(one.batches[0])]

    @property
    def broken(self) -> dict[Kind, str]:
        """Kinds of which nothing is seen at the moment, and why."""
        with self._lock:
            return dict(self._broken)

    def events(self) -> Iterator[Event]:
        """What a scan would read now of the maps: keys, the maps as objects, coverage, gaps."""
        with self._lock:
            held = dict(self._held)
            gaps = [gap for several in self._list_gaps.values() for gap in several]
            listed = list(self._since)
        subjects: dict[Kind, SubjectsSeen] = {kind: SubjectsSeen(kind, [], [], []) for kind in listed}
        for (kind, _, _), one in held.items():
            yield from one.batches
            yield from one.gaps
            if (into := subjects.get(kind)) is not None:
                _add(into, one.subject)
        yield from gaps
        if self._is_whole:
            for kind, batch in subjects.items():
                yield batch
                yield Coverage(kind)


def _place(kind: Kind, item: MapObject) -> Place:
    return kind, item.metadata.namespace or "", item.metadata.name


def _add(into: SubjectsSeen, one: SubjectsSeen) -> None:
    row = len(into.names)
    into.names += one.names
    into.namespaces += one.namespaces
    into.uids += one.uids
    if 0 in one.owners:
        into.owners[row] = one.owners[0]
    if 0 in one.details:
        into.details[row] = one.details[0]
    into.carry(one.carried, one.namespaces[0])
