"""A function deletes the series of what has gone from several metrics, and leaves one out that has the same label.

*What it finds.* A function called delete, remove, forget, clean … that deletes from three vectors of a struct (or of the variables of a package) or more by one
argument, and another vector of them with the same label, from which other functions delete alone, while the object is there.

*Why it matters.* When the object goes, the series of that one metric stay.

*When it is wrong.* Something else deletes them when the object goes. This is told with `--level B`.

Bad:

    func (m *metrics) deleteUser(user string) {
        m.received.DeleteLabelValues(user)
        m.dropped.DeleteLabelValues(user)
        m.queued.DeleteLabelValues(user)
        // and m.perLabelSet, which has a label "user", too?
    }

Good:

    m.perLabelSet.DeletePartialMatch(prometheus.Labels{"user": user})
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.held import METRIC
from ghostkey.lint.labels import labels_of
from ghostkey.lint.module import Module, ReleaseAt, Spot, Symbol
from ghostkey.lint.names import CLEANS_UP, begins_with
from ghostkey.lint.reach import callers, is_gone, reached

BESIDE = 3  # vectors that a function deletes from before it is said to be there for all of them
_REMOVES = begins_with(f"(?:on|handle)?(?:{CLEANS_UP})")
_DELETES = frozenset(["DeleteLabelValues", "DeletePartialMatch", "Delete"])


def _find(look: Look) -> Iterator[Finding]:
    module = look.module
    labels = {symbol: found for symbol in module.series if (found := labels_of(module, symbol))}
    taken: dict[tuple[int, str, str], dict[Symbol, ReleaseAt]] = defaultdict(dict)
    for symbol in labels:
        for one in module.releases.get(symbol, ()):
            if one.release.how in _DELETES and _REMOVES.match(one.spot.function.name) and one.spot.function.params:
                taken[id(one.spot.function), symbol.folder, symbol.owner][symbol] = one
    for (_, folder, owner), cleaned in taken.items():
        common = set.intersection(*(set(labels[symbol]) for symbol in cleaned))
        if len(cleaned) < BESIDE or not common:
            continue
        first = next(iter(cleaned.values()))
        for symbol, has in labels.items():
            if (symbol.folder, symbol.owner) == (folder, owner) and symbol not in cleaned and common <= set(has):
                yield from _left_out(look, symbol, first, sorted(common)[0], len(cleaned))


def _left_out(look: Look, symbol: Symbol, first: ReleaseAt, label: str, beside: int) -> Iterator[Finding]:
    module = look.module
    releases = module.releases.get(symbol, [])
    if not releases or not METRIC.search(_declared(module, symbol)):
        return  # where nothing is deleted at all, another rule tells
    if any(one.is_whole or _REMOVES.match(one.spot.function.name) or is_gone(one.release.branches) for one in releases):
        return
    cleaning = {id(one.spot.function) for one in releases}
    around = [first.spot, *(caller for caller, _ in callers(module, first.spot))]
    if any(not cleaning.isdisjoint({id(one.function), *reached(module, one)}) for one in around):
        return
    spot, series = module.series[symbol][0]
    where: Spot = first.spot
    yield Finding.at(
        ("series-left-out", "B"), spot, series.line, symbol, label.strip('"'),
        f"{where.function.full_name} deletes the series of {label} from {beside} metrics, and not from {symbol.name}",
        Witness.at(where, first.release.line, f"{symbol.name} is left out here"),
        Witness.at(releases[0].spot, releases[0].release.line, "it is deleted from while the object is there"),
    )  # fmt: skip


def _declared(module: Module, symbol: Symbol) -> str:
    variable = module.packages[symbol.folder].variables.get(symbol.name) if not symbol.owner else None
    return f"{variable.type_name} {variable.value}" if variable is not None else module.type_of(symbol)


RULE = Rule("B", "a metric that is left out where its object's series are deleted", _find)
