"""Which keys were written for which objects, over a whole history: objects that are gone by now count as much as live ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.infer import infer
from ghostkey.inference.template import Template, parse_template
from ghostkey.model.errors import UsageError
from ghostkey.model.events import KeysSeen
from ghostkey.model.refs import ObjectRef
from ghostkey.store.snapshot import Snapshot

OWN_LEAST, OWN_SHARE = 3, 0.8  # keys of a map that are called as objects of its own namespace, and which share of them
FIRM = 2  # a template with a UID in it
FAR_MOST = 0.5  # of the names that are only borne elsewhere may have a key in it all the same


class Meant(NamedTuple):
    """A key (of a map, by its place), and every object that it may have been written for by one template: rows of the snapshot."""

    seen: KeysSeen
    place: int
    rows: Sequence[int]
    template: str
    firmness: int
    uid: str = ""


class Past(NamedTuple):
    """What a history knows beside its snapshot: UIDs that are no more though their object's name is, as (row, UID), and whether maps
    of one name are in several namespaces.
    """

    earlier: Sequence[tuple[int, str]]
    is_everywhere: Callable[[ObjectRef], bool]


def link_keys(snapshot: Snapshot, past: Past) -> Iterator[Meant]:
    """Each key that a believed template makes of an object, with all objects of which it makes this key; several templates may.

    The snapshot holds every object that was ever seen. Where maps of one name are in several namespaces, and hold what is of their
    own, a namesake of elsewhere is not meant. `uid` of what is given back: that of an object that had the name before.
    """
    makers = _Makers(SubjectIndex(snapshot.subjects), past)
    numbers = {kind: number for number, kind in enumerate(snapshot.subjects.kinds)}
    for result in infer(snapshot, (), makers.index):
        for template in result.templates:
            told = [one for one in result.attributions if one.template == str(template)]
            kinds = [numbers[kind] for kind in dict.fromkeys(kind for one in told for kind in one.kinds)]
            is_scoped = any(one.scope != "cluster" for one in told)
            home = result.seen.holder.namespace
            if not is_scoped and not makers.is_of_its_own(result.seen, template, kinds):
                home = ""
            yield from makers.meant(result.seen, template, kinds, home)


def declared_links(snapshot: Snapshot, text: str, past: Past) -> Iterator[Meant]:
    """The same by a declared link, `tenants.demo={namespace}.{name}`; raises UsageError when it cannot be understood."""
    word, found, written = text.partition("=")
    kinds = [number for number, kind in enumerate(snapshot.subjects.kinds) if kind.answers_to(word.strip())]
    if not found or not kinds:
        raise UsageError(
            f"subject {text!r} names no kind that the history has", "write KIND=TEMPLATE: 'tenants={namespace}.{name}'"
        )
    template = parse_template(written.strip())
    makers = _Makers(SubjectIndex(snapshot.subjects), past)
    for seen in snapshot.maps:
        is_own = makers.is_of_its_own(seen, template, kinds)
        yield from makers.meant(seen, template, kinds, seen.holder.namespace if is_own else "")


class _Makers:
    """Of which objects templates make which keys."""

    def __init__(self, index: SubjectIndex, past: Past) -> None:
        self.index, self._past = index, past
        self._made: dict[tuple[Template, int], tuple[dict[str, int], dict[str, list[int]]]] = {}

    def meant(self, seen: KeysSeen, template: Template, kinds: Sequence[int], home: str) -> Iterator[Meant]:
        """The keys of a map that a template makes of objects; of those of one namespace, and of none, when `home` is given."""
        namespaces, written, firmness = self.index.subjects.namespaces, str(template), template.firmness
        earlier = self._earlier(template, kinds)
        for i, core in _cores(seen, template):
            rows = self._rows(template, kinds, core)
            if home and rows:
                rows = [row for row in rows if namespaces[row] in (home, "")]
            if earlier and (held := earlier.get(core)) is not None:
                yield Meant(seen, i, [held[0]], written, firmness, held[1])
            elif rows:
                yield Meant(seen, i, rows, written, firmness)

    def is_of_its_own(self, seen: KeysSeen, template: Template, kinds: Sequence[int]) -> bool:
        """Whether a map holds what is of its own namespace, as others of its name do of theirs, though names come again in each.

        What lives today does not tell: of two of one name, the one that is left looks as if it were meant by both maps.
        """
        home, subjects = seen.holder.namespace, self.index.subjects
        if template.has_namespace or template.is_unmistakable or not home:
            return False
        own = total = shared = 0
        for _, core in _cores(seen, template):
            if rows := self._rows(template, kinds, core):
                is_own = any(subjects.namespaces[row] in (home, "") for row in rows)
                own, total, shared = own + is_own, total + 1, shared + (len(rows) > 1)
        if not shared or total < OWN_LEAST or own < OWN_SHARE * total:
            return False
        far = sum(
            len(self.index.rendered(template, kind)) - len(self.index.rendered_in(template, kind, home))
            for kind in kinds
            if subjects.kinds[kind].namespaced
        )
        return total - own <= FAR_MOST * far and self._past.is_everywhere(seen.holder)

    def _earlier(self, template: Template, kinds: Sequence[int]) -> dict[str, tuple[int, str]]:
        """What a template makes of UIDs that are no more, though another object has the name."""
        if template.firmness < FIRM:
            return {}
        subjects = self.index.subjects
        return {
            template.render_core(subjects.namespaces[row], subjects.names[row], uid, subjects.kind(row)): (row, uid)
            for row, uid in self._past.earlier
            if subjects.kind_of[row] in kinds
        }

    def _rows(self, template: Template, kinds: Sequence[int], core: str) -> Sequence[int]:
        if len(kinds) == 1:  # nearly always
            first, more = self._makes(template, kinds[0])
            row = first.get(core)
            return () if row is None else more.get(core) or (row,)
        return [row for kind in kinds for row in self._rows(template, [kind], core)]

    def _makes(self, template: Template, kind: int) -> tuple[dict[str, int], dict[str, list[int]]]:
        """What a template makes of the objects of a kind → the first of them, and all of them where there are several."""
        found = self._made.get((template, kind))
        if found is None:
            first: dict[str, int] = {}
            more: dict[str, list[int]] = {}
            for row in self.index.rows_of(kind):
                core = self.index.render(template, row)
                if (held := first.setdefault(core, row)) != row:
                    more.setdefault(core, [held]).append(row)
            found = self._made[template, kind] = (first, more)
        return found


def _cores(seen: KeysSeen, template: Template) -> Iterator[tuple[int, str]]:
    for i, key in enumerate(seen.keys):
        if (core := template.core_of(key)) is not None:
            yield i, core
