"""What is weighed of a template and a kind: the names, values and shares that the pieces of evidence look at."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from ghostkey.inference.evidence import Case
from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.machines import bear_identifiers, bears_identifier
from ghostkey.inference.naming import name_part
from ghostkey.inference.shares import Shares
from ghostkey.inference.style import Shapes, Style
from ghostkey.inference.template import Template
from ghostkey.model.events import KeysSeen
from ghostkey.model.refs import NAMESPACES, canonical
from ghostkey.store.snapshot import Snapshot

SAMPLE = 300  # names of a case that are looked at


class Cases:
    """Makes cases over one snapshot."""

    def __init__(self, snapshot: Snapshot, index: SubjectIndex, shares: Shares) -> None:
        self._snapshot, self._index, self._shares = snapshot, index, shares
        self._subjects = snapshot.subjects

    def of(
        self,
        template: Template,
        kind: int,
        live: set[str],
        namespaces: set[str],
        pairs: Sequence[tuple[KeysSeen, dict[str, int]]],
    ) -> Case:
        """The case of one kind: `live` are what the template makes of its objects that have a key, `namespaces` are the maps'.

        `pairs` are the maps, each with the cores of the keys that the template makes, and where they stand.
        """
        keyed = self._shares.keyed(template, kind, live, namespaces)
        maps = [seen for seen, _ in pairs]
        known = self._subjects.kinds[kind]
        live_names = tuple(name_part(template, core, self._index) for core in itertools.islice(live, SAMPLE))
        lived = [
            (core, seen.shapes[i], seen.identities.get(i))
            for seen, made in pairs
            for core, i in itertools.islice(((core, i) for core, i in made.items() if core in live), SAMPLE)
        ]
        sizes = {
            seen.sizes[i]
            for seen, made in pairs
            for i in itertools.islice((i for core, i in made.items() if core in live), SAMPLE)
        }
        live_shapes = [shape for _, shape, _ in lived]
        names = self._subjects.names
        with_uid = sum(
            (row := self._index.by_uid.get(found.uid)) is not None
            and canonical(names[row]) in canonical(name_part(template, core, self._index))
            for core, _, found in lived
            if found is not None and found.uid
        )
        with_name = sum(
            found is not None and bool(found.name) and canonical(found.name) == canonical(name_part(template, core, self._index))
            for core, _, found in lived
        )
        # beside names with a UUID in them, what has none is no other one of them
        is_such = bears_identifier if bear_identifiers(live_names) else bool
        gone = [
            (core, seen.shapes[i])
            for seen, made in pairs
            for core, i in itertools.islice(((core, i) for core, i in made.items() if core not in live and is_such(core)), SAMPLE)
        ]
        style, shapes = Style(live_names), Shapes(live_shapes)
        alike = sum(
            shapes.resembles(shape) and style.fits(name_part(template, core, self._index)) for core, shape in gone[:SAMPLE]
        )
        return Case(
            template=template,
            kind=known,
            maps=tuple(maps),
            live=frozenset(live),
            live_names=live_names,
            gone_names=tuple(name_part(template, core, self._index) for core, _ in gone[:SAMPLE]),
            near=max(len(live), round(len(live) / keyed)) if keyed else len(live),
            made=max(len(live), sum(len(made) for _, made in pairs)),
            keys=max(1, sum(len(seen.keys) for seen in maps)),
            shared=self._shares.called_like_others(kind, live_names),
            live_values=frozenset(shape.name for shape in live_shapes),
            gone_alike=alike / max(1, len(gone[:SAMPLE])),
            with_uid=with_uid / max(1, len(lived)),
            with_name=with_name / max(1, len(lived)),
            is_mounted=any(self._snapshot.uses_of(seen).whole for seen in maps),
            is_named=any(map(self._subjects.is_carried, {seen.holder.name for seen in maps})),
            maps_agreeing=sum(not live.isdisjoint(made) for _, made in pairs),
            left_out=len(self._shares.of_system(template, kind) - live) if known == NAMESPACES else 0,
            same_size=sizes.pop() if len(sizes) == 1 else 0,
        )
