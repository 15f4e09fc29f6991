"""Objects that values name, under keys that say nothing: a map's names are weighed as if they were its keys.

`'9001': shop/cart:5432` is about Service shop/cart as much as a key `shop/cart` is. The same evidence decides.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ghostkey.inference.belief import Belief, Beliefs
from ghostkey.inference.family import Family, Member
from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.lost import LostKeys, top_key
from ghostkey.inference.matching import Match, Matcher
from ghostkey.inference.results import MapResult
from ghostkey.inference.shares import WORKLOADS
from ghostkey.inference.template import Template
from ghostkey.model.events import KeysSeen
from ghostkey.model.findings import Attribution, Certainty
from ghostkey.model.refs import SECRETS

# Live objects that values name, before that is looked into: what the evidence weighs was counted of keys, and a name in a value
# may be said for another reason.
LEAST_PAIRS, LEAST_NAMES = 3, 5
KEYED = 0.8  # of the objects of a kind have a value that names them, where it gives no namespace
SEVERAL = 1.1  # values for each name: with more, they say what they have in common, a plan or a node
LEAST_REFERENCES = 6
_PAIR = Template("namespace-name", separator="/")
_NAME = Template("name")


@dataclass(slots=True)
class _Column:
    """The names in one map's values, each once, as keys; `places` has the indexes of the keys whose values have it.

    `kind` is what all of these values say that they name; empty where they do not say.
    """

    names: KeysSeen
    kind: str
    places: list[list[int]]


class NamedInValues:
    """Judges maps of which the keys tell nothing by what their values name."""

    def __init__(self, index: SubjectIndex, matcher: Matcher, beliefs: Beliefs, lost: LostKeys) -> None:
        self._index, self._matcher, self._beliefs, self._lost = index, matcher, beliefs, lost

    def judge(self, results: Sequence[MapResult]) -> None:
        """Adds to what is said of the maps of one family."""
        for template in (_PAIR, _NAME):
            columns = [
                (result, column)
                for result in results
                if not result.attributions and result.seen.holder.kind != SECRETS
                for column in _columns(result.seen, template)
            ]
            if columns:
                self._judge(template, columns)

    def _judge(self, template: Template, columns: list[tuple[MapResult, _Column]]) -> None:
        members = [Member(number, column.names, self._matches(template, column)) for number, (_, column) in enumerate(columns)]
        family = Family(members, self._index)
        if not family.matched:
            return
        for member, beliefs in zip(members, self._beliefs.of_family(family)[0], strict=True):
            for match in member.matches:
                belief = _of_references(member.seen, match) or self._doubted(beliefs.get(template), match)
                if belief is not None:
                    named = MapResult(member.seen)
                    self._lost.add(named, match, belief, family, borrowed=False)
                    named.settle()
                    _hand_over(named, *columns[member.number])

    def _doubted(self, belief: Belief | None, match: Match) -> Belief | None:
        """A few pairs of words that workloads are called by may meet those that live by chance: a table of ports has six."""
        known = self._index.subjects.kinds
        if belief is None or match.best >= LEAST_REFERENCES or not all(known[kind].kind in WORKLOADS for kind in belief.kinds):
            return belief
        return dataclasses.replace(
            belief, doubt=f"only {match.best} values tell, and workloads are called by words that people choose"
        )

    def _matches(self, template: Template, column: _Column) -> list[Match]:
        """The match of a column with the objects that its values may mean, if they are enough."""
        known = self._index.subjects.kinds
        kinds = [number for number in self._index.kind_sizes if not column.kind or known[number].answers_to(column.kind)]
        match = self._matcher.match(column.names, template, kinds)
        if template.has_namespace:
            return [match] if match.best >= LEAST_PAIRS else []
        match.kinds = {
            kind: live for kind, live in match.kinds.items() if len(live) >= KEYED * len(self._index.rendered(template, kind))
        }
        return [match] if match.best >= LEAST_NAMES else []


def _of_references(names: KeysSeen, match: Match) -> Belief | None:
    """What needs no evidence: values that are a namespace and a name, and nothing else, and nearly all name what lives, are references."""
    are_references = (
        match.template.has_namespace
        and match.best >= LEAST_REFERENCES
        and 4 * match.best >= 3 * len(names.keys)
        and {shape.name for shape in names.shapes} == {"path"}
    )
    if not are_references:
        return None
    kinds = sorted(match.kinds, key=lambda kind: -len(match.kinds[kind]))
    return Belief([kind for kind in kinds if 2 * len(match.kinds[kind]) >= match.best], None)


def _columns(seen: KeysSeen, template: Template) -> Iterator[_Column]:
    """The names in values that a template makes, one column for each kind that values say; none where they are few."""
    named: dict[str, dict[str, list[int]]] = {}
    for i, identity in seen.identities.items():
        if identity.name and not identity.uid and bool(identity.namespace) == template.has_namespace:
            name = template.render_core(identity.namespace, identity.name, "")
            named.setdefault(identity.kind, {}).setdefault(name, []).append(i)
    for kind, at in named.items():
        is_of_each = template.has_namespace or sum(map(len, at.values())) <= SEVERAL * len(at)
        if len(at) >= LEAST_PAIRS and is_of_each:
            first = [places[0] for places in at.values()]
            sizes, shapes = [seen.sizes[i] for i in first], [seen.shapes[i] for i in first]
            meta = None if seen.meta is None else dataclasses.replace(seen.meta, declared=frozenset())  # which is of keys
            names = KeysSeen(seen.holder, seen.field, seen.path, list(at), sizes, shapes, meta=meta)
            yield _Column(names, kind, list(at.values()))


def _hand_over(named: MapResult, result: MapResult, column: _Column) -> None:
    """What was found of the names, said of the keys whose values have them."""
    seen = result.seen

    def said(attribution: Attribution) -> Attribution:
        return dataclasses.replace(
            attribution, template=f"{attribution.template} in the value", certainty=Certainty.OBSERVED,
            coverage=len(result.live) / max(1, len(seen.keys)),
        )  # fmt: skip

    result.live.update(i for number in named.live for i in column.places[number])
    result.attributions += map(said, named.attributions)
    for item in named.lost:
        for i in column.places[item.index]:
            is_declared = seen.meta is not None and item.state != "unknown" and top_key(seen, i) in seen.meta.declared
            state = "declared" if is_declared else item.state
            result.lost.append(dataclasses.replace(item, index=i, state=state, attribution=said(item.attribution)))
