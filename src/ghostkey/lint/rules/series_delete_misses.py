"""A series is deleted by labels that it does not have, so that it stays.

*What it finds.* `DeleteLabelValues` with more or fewer values than the vector has labels, and `Delete(Labels{…})` without one of its
labels: both delete nothing and say so by false, which is seldom asked. With `--level B` also a label that is a field of the object's
spec or status, where every delete takes the value that the field has then.

*Why it matters.* The series of what is gone, or of the phase before this one, stays for as long as the process.

*When it is wrong.* The vector of that name has other labels where this runs; the field never changes.

Bad:

    var phase = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "phase"}, []string{"namespace", "name", "phase"})

    func forget(t *Tenant) {
        phase.DeleteLabelValues(t.Namespace, t.Name) // want "has 3 labels"
    }

Good:

    func forget(t *Tenant) {
        phase.DeletePartialMatch(prometheus.Labels{"namespace": t.Namespace, "name": t.Name})
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.expressions import parts
from ghostkey.lint.facts import Call
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.held import METRIC
from ghostkey.lint.judgements.code import is_aside
from ghostkey.lint.labels import labels_of
from ghostkey.lint.made_keys import with_locals
from ghostkey.lint.module import Spot, Symbol
from ghostkey.lint.reach import is_gone

_GIVEN = re.compile(r"(?:\w+\.)?(?:Labels|map\[string\]string)\{(.*)\}$", re.DOTALL)
# fields that say which object it is, or of what kind, do not change, mostly
_CHANGES = re.compile(r"(?<!\w)(\w+)\.(?:Spec|Status)\.((?:\w+\.)*\w+)(?!\w|\()")
_IDENTITY = re.compile(r"(?:Name|Names|Namespace|Ref|ID|UID|Kind|Group|Type|Class)$")
EXACT = ("DeleteLabelValues", "Delete")


def _find(look: Look) -> Iterator[Finding]:
    module = look.module
    deleted: dict[Symbol, list[tuple[Spot, Call]]] = {}
    for name in EXACT:
        for spot, call in module.callers.get(name, ()):
            if call.receiver is not None and not is_aside(spot.file):
                for symbol in module.symbols(spot, call.receiver):
                    deleted.setdefault(symbol, []).append((spot, call))
    for symbol, calls in deleted.items():
        labels = labels_of(module, symbol) if symbol in module.series else None
        if labels is None:
            continue
        missed = [(spot, call, words) for spot, call in calls if (words := _misses(call, labels))]
        for spot, call, words in missed:
            yield Finding.at(
                ("series-delete-misses", "A"), spot, call.line, symbol, call.texts[0],
                f"{symbol} has {len(labels)} labels: {words}, so that nothing is deleted",
            )  # fmt: skip
        if not missed:
            yield from _changing(look, symbol, calls)


def _misses(call: Call, labels: list[str]) -> str:
    """What a delete is given instead of all labels; empty where it may be right."""
    given = call.texts
    if not given or any(text.endswith("...") for text in given):
        return ""
    if call.name == "DeleteLabelValues":
        return f"DeleteLabelValues is given {len(given)}" if len(given) != len(labels) else ""
    found = _GIVEN.match(given[0])
    names = [text.partition(":")[0].strip() for text in parts(found[1], ",") or () if text.strip()] if found else []
    missing = [label for label in labels if label not in names]
    is_said = len(names) < len(labels) and all(name in labels for name in names)
    return f"Delete is given {len(names)}, and not {missing[0]}" if found and is_said else ""


def _changing(look: Look, symbol: Symbol, calls: list[tuple[Spot, Call]]) -> Iterator[Finding]:
    """A label that changes with the object, and of which the value before is never deleted."""
    if len(look.module.releases.get(symbol, ())) != len(calls) or not METRIC.search(_declared(look, symbol)):
        return  # there are deletes of other kinds
    cleaning = {id(spot.function) for spot, call in calls if not is_gone(call.branches)}
    fields = [{found[2] for text in call.texts for found in _CHANGES.finditer(with_locals(spot, text))} for spot, call in calls]
    for spot, series in look.module.series[symbol]:
        for text in series.labels:
            found = _CHANGES.search(with_locals(spot, text))
            if found is None or _IDENTITY.search(found[2]) or id(spot.function) in cleaning:
                continue
            if all(found[2] in each for each in fields):
                where, call = calls[0]
                yield Finding.at(
                    ("series-delete-misses", "B"), spot, series.line, symbol, text,
                    f"{symbol} has {found[0]} as a label: a change of it leaves the series of the value before",
                    Witness.at(where, call.line, "deleted by what the object says then"),
                )  # fmt: skip
                return


def _declared(look: Look, symbol: Symbol) -> str:
    variable = look.module.packages[symbol.folder].variables.get(symbol.name) if not symbol.owner else None
    return f"{variable.type_name} {variable.value}" if variable is not None else look.module.type_of(symbol)


RULE = Rule("A", "a delete of a series that it does not have", _find)
