"""A function returns early, without an error, before it comes to the only delete of a map.

*What it finds.* A reconcile function that deletes from a map at its end, the map's only delete, and returns nil before it on a
condition that says nothing of the map. Also a function called remove, delete, onDelete … that returns before the only delete on a
field of the object, which no insert asks for.

*Why it matters.* Objects that always take the early way leave their keys.

*When it is wrong.* What returns early was never inserted. This is told with `--level B`.

Bad:

    if wl.IsFinished() {
        return ctrl.Result{}, nil // want "returns before"
    }
    delete(r.deleted, req.NamespacedName)

Good:

    delete(r.deleted, req.NamespacedName)
    if wl.IsFinished() {
        return ctrl.Result{}, nil
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.facts import Return
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.held import Held
from ghostkey.lint.module import InsertAt, ReleaseAt, Symbol
from ghostkey.lint.names import REMOVES
from ghostkey.lint.reach import NO_ERROR, RECONCILES, site_of

_REMOVES = re.compile(rf"(?i)^(?:(?:on|handle)\w{{0,20}}?)?(?:{REMOVES})")
# a field of the object: `pod.Spec.NodeName == ""`
_FIELD = re.compile(r"!?\s*\w+\.((?:Spec|Status|Annotations|Labels|ObjectMeta)\.?[\w.]*)")
_OF_BEING = re.compile(r"(?i)\b(?:err|ok|exists?|found)\b|nil|NotFound|Deletion|Deleted|&&")
_FAILS = re.compile(r"\berr\w*\s*!=\s*nil|ctx\.Err|context\.|^[\w.]+\s*==\s*nil$")  # also who gives nothing


def _find(look: Look) -> Iterator[Finding]:
    for symbol, held in look.held.items():
        functions = {id(one.spot.function) for one in held.releases}
        if len(functions) != 1 or held.inner_releases:
            continue
        last = held.releases[-1]
        function = last.spot.function
        if _REMOVES.match(function.name):
            yield from _not_removed(symbol, held)
        if not RECONCILES.match(function.name) or any(branch.kind != "if" for branch in last.release.branches):
            continue
        if any(one.spot.function is function and one.insert.line < last.release.line for one in held.inserts):
            continue
        early = next((one for one in function.returns if _is_early(one, held.releases, symbol)), None)
        if early is not None:
            first = held.inserts[0]
            yield Finding.at(
                ("return-before-delete", "B"), last.spot, early.line, symbol, first.insert.place.keys[0],
                f"{function.full_name} returns before it comes to the only delete of {symbol}",
                Witness.at(last.spot, last.release.line, "the only delete"),
                Witness.at(first.spot, first.insert.line, f"inserted in {first.spot.function.full_name}"),
            )  # fmt: skip


def _not_removed(symbol: Symbol, held: Held) -> Iterator[Finding]:
    """Where a function that is there to remove leaves objects alone that an insert took."""
    last = held.releases[-1]
    if (
        last.is_whole
        or last.release.key == "*"
        or any(branch.kind in {"for", "func", "case"} for branch in last.release.branches)
    ):
        return
    first = min(each.release.line for each in held.releases)
    for early in last.spot.function.returns:
        ways = [branch for branch in early.branches if branch.kind in {"if", "else", "case", "for", "func"}]
        field = _FIELD.match(ways[0].text) if len(ways) == 1 and ways[0].kind == "if" else None
        if early.line >= first or not NO_ERROR.match(early.text) or field is None or _OF_BEING.search(ways[0].text):
            continue
        asked = [insert for insert in held.inserts if any(field[1] in text for text, _ in _conditions(insert))]
        if asked or any(insert.spot.function is last.spot.function for insert in held.inserts):
            continue
        insert = held.inserts[0]
        yield Finding.at(
            ("return-before-delete", "B"), last.spot, early.line, symbol, insert.insert.place.keys[0],
            f"{last.spot.function.full_name} returns where {ways[0].text[:60]}, before the only delete of {symbol}",
            Witness.at(last.spot, last.release.line, "the only delete"),
            Witness.at(insert.spot, insert.insert.line, f"inserted in {insert.spot.function.full_name}, whatever {field[1]} is"),
        )  # fmt: skip
        return


def _conditions(one: InsertAt) -> list[tuple[str, bool]]:
    return site_of(one).conditions


def _is_early(one: Return, releases: tuple[ReleaseAt, ...], symbol: Symbol) -> bool:
    if one.line >= min(each.release.line for each in releases) or not NO_ERROR.match(one.text):
        return False
    conditions = [branch.text for branch in one.branches if branch.kind in {"if", "case"}]
    if not conditions or any(branch.kind in {"func", "for"} for branch in one.branches):
        return False
    return not any(_FAILS.search(text) or symbol.name in text for text in conditions)


RULE = Rule("B", "an early return before the only delete", _find)
