"""Why a key is not called a ghost: whom it is for, what spared it, or what spoke for and against the nearest links."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ghostkey.inference.evidence import Case, Verdict
from ghostkey.inference.family import family_of
from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.infer import infer
from ghostkey.inference.naming import subject_of
from ghostkey.inference.results import Link, MapResult
from ghostkey.inference.style import is_telling
from ghostkey.inference.template import Template
from ghostkey.model.events import KeysSeen
from ghostkey.model.findings import Subject
from ghostkey.model.refs import Kind
from ghostkey.store.snapshot import Snapshot

PIECES_MOST = 40  # ends of pieces of a key that are looked up: a key is a name, and no text
_SEPARATOR = re.compile(r"[^A-Za-z0-9]+")
NEAREST = 3  # links that are told


@dataclass(frozen=True, slots=True)
class Weighing:
    """One link that was weighed: keys of this template, for objects of this kind."""

    template: Template
    kind: Kind
    live: int
    made: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of one key, or of all keys of a map when none is named.

    `subjects` are the live objects that the key is for; `spared` says why it is not lost though a believed link makes it;
    `nearest` are the links that were weighed, the likeliest first: those that make the key, if any does.
    """

    subjects: tuple[tuple[Subject, str], ...] = ()
    spared: str = ""
    nearest: tuple[Weighing, ...] = ()


def account_of(
    snapshot: Snapshot, seen: KeysSeen, key: str = "", links: Sequence[Link] = (), index: SubjectIndex | None = None
) -> Account:
    """Judges a map anew, with those of its family, and keeps what was weighed. `index` serves several of one snapshot."""
    index = index or SubjectIndex(snapshot.subjects)
    weighed: dict[tuple[Template, Kind], Weighing] = {}

    def watch(case: Case, verdict: Verdict) -> None:
        held = weighed.get((case.template, case.kind))
        if any(other is seen for other in case.maps) and (held is None or held.verdict.bits < verdict.bits):
            found = Weighing(case.template, case.kind, len(case.live), case.made, verdict)
            weighed[case.template, case.kind] = found

    family = [other for other in snapshot.maps if family_of(other) == family_of(seen)]
    result = next((found for found in infer(snapshot, links, index, family, watch) if found.seen is seen), None)
    nearest = sorted(weighed.values(), key=lambda found: -found.verdict.bits)
    if not key or key not in seen.keys:
        return Account(nearest=tuple(nearest[:NEAREST]))
    place = seen.keys.index(key)
    subjects = tuple(_subjects(result, key, index)) if result is not None and place in result.live else ()
    spared = result.spared.get(place, "") if result is not None else ""
    making = [found for found in nearest if found.template.core_of(key) is not None]
    return Account(subjects, spared, tuple((making or nearest)[:NEAREST]))


def living(snapshot: Snapshot, seen: KeysSeen, links: Sequence[Link] = ()) -> dict[str, tuple[Subject, bool]]:
    """The keys of a map that have a live object, with it, and whether the link is believed or only likely.

    For whoever is about to remove a key a likely link is worth a word: less is asked of it than of one that calls a key a ghost.
    """
    index = SubjectIndex(snapshot.subjects)
    numbers = {kind: number for number, kind in enumerate(index.subjects.kinds)}
    likely: dict[tuple[Template, Kind], float] = {}

    def watch(case: Case, verdict: Verdict) -> None:
        if verdict.is_likely and any(other is seen for other in case.maps):
            likely[case.template, case.kind] = max(verdict.bits, likely.get((case.template, case.kind), verdict.bits))

    family = [other for other in snapshot.maps if family_of(other) == family_of(seen)]
    result = next((found for found in infer(snapshot, links, index, family, watch) if found.seen is seen), None)
    found: dict[str, tuple[Subject, bool]] = {}
    for place in result.live if result is not None else ():
        for subject, _ in _subjects(result, seen.keys[place], index)[:1]:  # type: ignore[arg-type]
            found[seen.keys[place]] = (subject, True)
    for template, kind in sorted(likely, key=lambda one: -likely[one]):
        made = index.rendered(template, numbers[kind])
        for key in seen.keys:
            core = template.core_of(key) if key not in found else None
            if core is not None and core in made:
                found[key] = (subject_of(template, core, kind, index), False)
    believed = result.templates if result is not None else ()
    rest = [key for key in seen.keys if key not in found and all(template.core_of(key) is None for template in believed)]
    return found | {key: (subject, False) for key, subject in _namesakes(snapshot, rest, seen.holder.namespace)}


def _namesakes(snapshot: Snapshot, keys: Sequence[str], namespace: str) -> Iterator[tuple[str, Subject]]:
    """Keys that hold the whole name of a live object, where too few of them tell a template.

    Of custom resources alone, and names that are no plain words: settings are called like other objects, and keys have namespaces.
    """
    subjects = snapshot.subjects
    telling = {
        kind for kind in subjects.kinds if kind.is_custom or (kind.group, kind.resource) in {("", "namespaces"), ("", "nodes")}
    }
    named = {
        name: row
        for row, name in enumerate(subjects.names)
        if is_telling(name) and subjects.kind(row) in telling and subjects.namespaces[row] in {namespace, ""}
    }
    for key in keys:
        ends = [0, *(place for found in _SEPARATOR.finditer(key) for place in found.span()), len(key)][:PIECES_MOST]
        pieces = {key[start:end] for start, end in itertools.combinations(ends, 2)}
        rows = [named[piece] for piece in sorted(pieces, key=len, reverse=True) if piece in named]
        if rows:
            yield key, Subject(subjects.kind(rows[0]), subjects.namespaces[rows[0]], subjects.names[rows[0]])


def _subjects(result: MapResult, key: str, index: SubjectIndex) -> list[tuple[Subject, str]]:
    """The live objects that the believed templates make the key of, with the template."""
    found = []
    numbers = {kind: number for number, kind in enumerate(index.subjects.kinds)}
    for template in result.templates:
        core = template.core_of(key)
        kinds = [
            kind for attribution in result.attributions if attribution.template == str(template) for kind in attribution.kinds
        ]
        for kind in dict.fromkeys(kinds):
            if core is not None and core in index.rendered(template, numbers[kind]):
                found.append((subject_of(template, core, kind, index), str(template)))
    return found
