"""What a person declares by `--subject`: of whole objects, and of maps of which no subject is left."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.naming import subject_of
from ghostkey.inference.results import Link
from ghostkey.inference.template import Template
from ghostkey.model.events import KeysSeen
from ghostkey.model.findings import Subject
from ghostkey.model.refs import Kind

NEARLY_ALL = 0.8  # of the keys: beside them a map may have constants
LEAST_LITERAL = 3  # letters around {name}, without which any key could be meant


@dataclass(frozen=True, slots=True)
class ObjectLink:
    """A declared link of whole objects: objects of this kind are named after the subjects of the link by its template."""

    objects: Kind
    link: Link


def is_made_by(template: Template, seen: KeysSeen, namespaces: Collection[str]) -> bool:
    """Whether nearly all keys of a map look as if the template had made them, for subjects of which none is left to compare with."""
    cores = [core for key in seen.keys if (core := template.core_of(key)) is not None and template.may_be_made(core)]
    if not seen.keys or len(cores) < NEARLY_ALL * len(seen.keys):
        return False
    if template.has_namespace:
        known = sum(any(namespace in namespaces for namespace, _ in template.splits(core)) for core in cores)
        return 2 * known >= len(cores)
    literal = sum(character.isalnum() for character in template.prefix + template.suffix)
    return template.is_unmistakable or literal >= LEAST_LITERAL


def declared_lost(link: ObjectLink, index: SubjectIndex) -> Iterator[tuple[int, Subject, int]]:
    """(row of an object whose declared subject is gone, the subject, live subjects that have such an object)."""
    subjects, template, kind = index.subjects, link.link.template, link.link.kind
    number = next((n for n, known in enumerate(subjects.kinds) if known == kind), -1)
    live = index.rendered(template, number) if number >= 0 else set()
    rows = [row for n in index.kind_sizes if subjects.kinds[n] == link.objects for row in index.rows_of(n)]
    cores = {row: core for row in rows if (core := template.core_of(subjects.names[row])) is not None}
    support = len(live & set(cores.values()))
    # objects stand in the namespace of their subjects, unless live ones show otherwise
    places = {(subjects.namespaces[row], subjects.names[row]) for row in index.rows_of(number)}
    is_beside = (
        kind.namespaced
        and support > 0
        and all((subjects.namespaces[row], core) in places for row, core in cores.items() if core in live)
    )
    for row, core in cores.items():
        if core in live or not template.may_be_made(core):
            continue
        yield row, subject_of(template, core, kind, index, subjects.namespaces[row] if is_beside else ""), support
