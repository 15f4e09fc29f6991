"""One moment of a cluster: the events of a census, laid out for the analyses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ghostkey.model.events import (
    Coverage,
    Event,
    Gap,
    KeysSeen,
    KeyUse,
    KindsKnown,
    Note,
    Owner,
    Part,
    SubjectDetail,
    SubjectsSeen,
    merge_carried,
)
from ghostkey.model.refs import GO_MAPS, NAMESPACES, Kind, ObjectRef


@dataclass(slots=True)
class Uses:
    """How Pods use one map: keys named one by one, and everybody who takes the map whole."""

    keys: dict[str, list[KeyUse]] = field(default_factory=dict)
    whole: list[KeyUse] = field(default_factory=list)


class Subjects:
    """All objects seen, as parallel columns; a row number names one object."""

    def __init__(self) -> None:
        self.kinds: list[Kind] = []
        self.kind_of: list[int] = []
        self.namespaces: list[str] = []
        self.names: list[str] = []
        self.uids: list[str] = []
        self.owners: dict[int, tuple[Owner, ...]] = {}
        self.details: dict[int, SubjectDetail] = {}
        self.carried: dict[int, dict[str, str]] = {}  # kind → words in labels and fields of its objects → whose namespace
        self._kind_numbers: dict[Kind, int] = {}
        self._batches: list[tuple[int, range]] = []

    def __len__(self) -> int:
        return len(self.names)

    def add(self, seen: SubjectsSeen) -> None:
        """Appends one batch."""
        number = self._kind_numbers.get(seen.kind)
        if number is None:
            number = self._kind_numbers[seen.kind] = len(self.kinds)
            self.kinds.append(seen.kind)
        if seen.carried:
            merge_carried(self.carried.setdefault(number, {}), seen.carried)
        first = len(self.names)
        self._batches.append((number, range(first, first + len(seen.names))))
        self.kind_of += [number] * len(seen.names)
        self.namespaces += seen.namespaces
        self.names += seen.names
        self.uids += seen.uids
        for row, owners in seen.owners.items():
            self.owners[first + row] = owners
        for row, detail in seen.details.items():
            self.details[first + row] = detail

    def has(self, kind: Kind) -> bool:
        """Whether any object of the kind was seen."""
        number = self.number_of(kind)
        return any(batch and held == number for held, batch in self._batches)

    def is_carried(self, word: str, *, by_any: bool = False) -> bool:
        """Whether a custom resource names this word in a label, annotation or field; `by_any`: or an object of a built-in kind."""
        return any(word in words and (by_any or self.kinds[number].is_custom) for number, words in self.carried.items())

    def number_of(self, kind: Kind) -> int:
        """The number of a kind; -1 when no object of it was seen."""
        return self._kind_numbers.get(kind, -1)

    @property
    def all_namespaces(self) -> set[str]:
        """Namespaces in which something was seen, and those that are objects themselves."""
        number = self.number_of(NAMESPACES)
        named = {self.names[row] for held, batch in self._batches if held == number for row in batch}
        return named | set(self.namespaces) - {""}

    def rows_by_kind(self) -> dict[int, list[int]]:
        """Rows of each kind that has any, by its number."""
        rows: dict[int, list[int]] = {}
        for number, batch in self._batches:
            if batch:
                rows.setdefault(number, []).extend(batch)
        return rows

    def kind(self, row: int) -> Kind:
        """The kind of one object."""
        return self.kinds[self.kind_of[row]]


class Snapshot:
    """What a census saw. Feed it events in any order, then hand it to the analyses.

    A dump may be of several clusters: then each is a snapshot in `parts`, called `origin`, and this one counts them all.
    """

    def __init__(self, cluster: str = "", origin: str = "") -> None:
        self.cluster, self.origin = cluster, origin
        self.parts: list[Snapshot] = []
        self.maps: list[KeysSeen] = []
        # Documents in values of Secrets stand apart: what their entries are called is part of the secret. They may be
        # counted; no name in them goes into a finding.
        self.veiled: list[KeysSeen] = []
        self.entries: list[KeysSeen] = []  # of maps in the memory of processes
        self.subjects = Subjects()
        self.kinds: tuple[Kind, ...] = ()
        self.coverage: dict[Kind, Coverage] = {}
        self.gaps: list[Gap] = []
        self.notes: list[str] = []
        self._uses: dict[tuple[str, str, str], Uses] = {}

    def absorb(self, events: Iterable[Event]) -> None:
        """Takes in events until there are no more."""
        into = [self]
        for event in events:
            if isinstance(event, Part):
                into = self._of_part(event)
                continue
            for snapshot in into:
                snapshot._take(event)

    def _of_part(self, part: Part) -> list[Snapshot]:
        if not part.name:
            return [self]
        found = next((known for known in self.parts if known.origin == part.name), None)
        if found is None:
            self.parts.append(found := Snapshot(self.cluster, part.name))
        return [found] if part.is_shared else [self, found]

    def _take(self, event: Event) -> None:
        match event:
            case KeysSeen():
                self._list_of(event).append(event)
            case SubjectsSeen():
                self.subjects.add(event)
            case KeyUse():
                uses = self._uses.setdefault((event.holder_kind, event.namespace, event.name), Uses())
                if event.key is None:
                    uses.whole.append(event)
                else:
                    uses.keys.setdefault(event.key, []).append(event)
            case Coverage():
                self.coverage[event.kind] = event
            case Gap():
                self.gaps.append(event)
            case Note():
                self.notes.append(event.text)
            case KindsKnown():
                self.kinds = tuple(dict.fromkeys((*self.kinds, *event.kinds)))

    def _list_of(self, seen: KeysSeen) -> list[KeysSeen]:
        if seen.holder.kind == GO_MAPS:
            return self.entries
        return self.veiled if seen.is_veiled else self.maps

    def uses_of(self, seen: KeysSeen) -> Uses:
        """How Pods use the map that these keys are in."""
        return self.uses_of_object(seen.holder)

    def uses_of_object(self, holder: ObjectRef) -> Uses:
        """How Pods use one ConfigMap or Secret."""
        return self._uses.get((holder.kind.kind, holder.namespace, holder.name), _NO_USES)

    @property
    def key_count(self) -> int:
        """Keys of all maps."""
        return sum(len(seen.keys) for seen in self.maps if not seen.path)

    @property
    def entry_count(self) -> int:
        """Entries of documents in maps; those within Secrets are not counted."""
        return sum(len(seen.keys) for seen in self.maps if seen.path)


_NO_USES = Uses()
