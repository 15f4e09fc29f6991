"""Which key was written for which object, over a whole history: objects that are gone by now count as much as live ones."""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.infer import infer
from ghostkey.inference.template import Template, parse_template
from ghostkey.model.errors import UsageError
from ghostkey.model.events import KeysSeen
from ghostkey.model.refs import Kind
from ghostkey.store.snapshot import Snapshot


def link_keys(snapshot: Snapshot) -> Iterator[tuple[KeysSeen, int, int, str]]:
    """(map, index of the key, row of its subject, template) for each key that a believed template makes of an object.

    A key that several kinds fit has a link to each. The snapshot holds every object that was ever seen.
    """
    index = SubjectIndex(snapshot.subjects)
    numbers = {kind: number for number, kind in enumerate(snapshot.subjects.kinds)}
    rendered: dict[tuple[Template, int], dict[str, int]] = {}
    for result in infer(snapshot, (), index):
        for template in result.templates:
            kinds: list[Kind] = [
                kind for attribution in result.attributions if attribution.template == str(template) for kind in attribution.kinds
            ]
            for kind in dict.fromkeys(kinds):
                number = numbers[kind]
                made = rendered.get((template, number))
                if made is None:
                    made = rendered[template, number] = _render(template, number, index)
                for i, key in enumerate(result.seen.keys):
                    core = template.core_of(key)
                    row = made.get(core) if core is not None else None
                    if row is not None:
                        yield result.seen, i, row, str(template)


def declared_links(snapshot: Snapshot, text: str) -> Iterator[tuple[KeysSeen, int, int, str]]:
    """The same by a declared link, `tenants.demo={namespace}.{name}`; raises UsageError when it cannot be understood."""
    word, found, written = text.partition("=")
    kinds = [kind for kind in snapshot.subjects.kinds if kind.answers_to(word.strip())]
    if not found or not kinds:
        raise UsageError(
            f"subject {text!r} names no kind that the history has", "write KIND=TEMPLATE: 'tenants={namespace}.{name}'"
        )
    template = parse_template(written.strip())
    index = SubjectIndex(snapshot.subjects)
    for kind in kinds:
        made = _render(template, snapshot.subjects.kinds.index(kind), index)
        for seen in snapshot.maps:
            for i, key in enumerate(seen.keys):
                core = template.core_of(key)
                row = made.get(core) if core is not None else None
                if row is not None:
                    yield seen, i, row, str(template)


def _render(template: Template, kind: int, index: SubjectIndex) -> dict[str, int]:
    return {index.render(template, row): row for row in index.rows_of(kind)}
