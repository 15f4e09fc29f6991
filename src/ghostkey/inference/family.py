"""Maps of one name but for digits, in one namespace or in many: what is known of one may tell of the others."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field

from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.matching import Match
from ghostkey.inference.template import Template
from ghostkey.model.events import KeysSeen
from ghostkey.model.refs import canonical

_DIGITS = re.compile(r"\d+")


@dataclass(slots=True)
class Member:
    """One map of a family, with the templates that match it, and its place among all maps."""

    number: int
    seen: KeysSeen
    matches: list[Match] = field(default_factory=list)


def family_of(seen: KeysSeen) -> tuple[object, ...]:
    """What the maps of one family have in common."""
    holder = seen.holder
    return (holder.kind, seen.field, seen.path, _DIGITS.sub("#", holder.name))


class Family:
    """The maps of one family. Asked about one template at a time; what is asked again is remembered."""

    def __init__(self, members: list[Member], index: SubjectIndex) -> None:
        self.members, self._index = members, index
        self.matched: dict[Template, list[tuple[Member, Match]]] = {}
        for member in members:
            for match in member.matches:
                self.matched.setdefault(match.template, []).append((member, match))
        self._own: dict[tuple[Template, int], tuple[int, int]] = {}

    @functools.cached_property
    def _namespaces(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for member in self.members:
            found.setdefault(member.seen.holder.name, set()).add(member.seen.holder.namespace)
        return found

    def agreeing(self, template: Template) -> int:
        """How many maps have live subjects by a template."""
        return sum(bool(match.best) for _, match in self.matched[template])

    def _own_share(self, template: Template, kind: int) -> tuple[int, int]:
        """How many live subjects stand in a map of their own namespace, and how many in any map."""
        if (template, kind) not in self._own:
            own = total = 0
            for member, match in self.matched.get(template, ()):
                live = match.kinds.get(kind, set())
                own += len(live & self._index.rendered_in(template, kind, member.seen.holder.namespace))
                total += len(live)
            self._own[template, kind] = (own, total)
        return self._own[template, kind]

    def is_scoped(self, match: Match, kind: int, seen: KeysSeen) -> bool:
        """Whether a map is about objects of its own namespace alone, so that one of the same name elsewhere is another.

        Only believed when each namespace has such a map, or when nearly all objects here and few elsewhere have a key
        while names are used again from namespace to namespace.
        """
        here, template = seen.holder.namespace, match.template
        if template.has_namespace or template.is_unmistakable or not here or not self._index.subjects.kinds[kind].namespaced:
            return False
        near = self._index.rendered_in(template, kind, here)
        # counted, not made: a family may have as many maps as there are objects
        everywhere = self._index.rendered(template, kind)
        far, keyed_near = len(everywhere) - len(near), len(near & match.cores.keys())
        keyed_far = len(everywhere & match.cores.keys()) - keyed_near
        if not far or (not keyed_near and len(self.members) < 2):
            return False
        if len(self._namespaces[seen.holder.name]) > 1:
            # the family's maps each hold their own namespace's objects
            own, total = self._own_share(template, kind)
            return total >= 3 and own >= 0.8 * total and keyed_far <= 0.5 * far
        reused = sum(1 for core in near if len(self._index.all_named(canonical(core))) > 1)
        return (
            keyed_near >= 3
            and keyed_near >= 0.8 * len(near)
            and far >= 3
            and keyed_far <= 0.34 * far
            and reused >= 0.5 * len(near)
        )
