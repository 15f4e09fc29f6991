"""Why a key is not called a ghost: whom it is for, what spared it, or what spoke for and against the nearest links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ghostkey.inference.evidence import Case, Verdict
from ghostkey.inference.family import family_of
from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.infer import infer
from ghostkey.inference.naming import subject_of
from ghostkey.inference.results import Link, MapResult
from ghostkey.inference.template import Template
from ghostkey.model.events import KeysSeen
from ghostkey.model.findings import Subject
from ghostkey.model.refs import Kind
from ghostkey.store.snapshot import Snapshot

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
