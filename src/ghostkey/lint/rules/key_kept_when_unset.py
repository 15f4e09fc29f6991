"""A function deletes some keys when what they are set to is empty, and another one it only sets.

*What it finds.* A function that sets keys of one map, data of a ConfigMap or Secret, annotations or labels, where a value is given
(`if s.URL != "" { cm.Data["url"] = s.URL }`). For one key it has the other branch, which deletes; for another it has none, and no code
of the package deletes that key.

*Why it matters.* Who empties the value finds the old one still there.

*When it is wrong.* The value cannot become empty again. This is told with `--level B`.

Bad:

    if s.URL != "" {
        cm.Data["url"] = s.URL
    } else {
        delete(cm.Data, "url")
    }
    if s.Theme != "" {
        cm.Data["theme"] = s.Theme // want "is set and never deleted"
    }

Good:

    if s.Theme != "" {
        cm.Data["theme"] = s.Theme
    } else {
        delete(cm.Data, "theme")
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.facts import Branch, Function, Insert
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.held import DATA
from ghostkey.lint.judgements.bounded import is_constant_in
from ghostkey.lint.module import Spot

_MAPS = DATA | {"Annotations", "Labels"}
_GIVEN = re.compile(r"(?!err\b)[\w.]+(?:\(\))?\s*!=\s*(?:\"\"|nil)|len\([\w.]+(?:\(\))?\)\s*(?:>|!=)\s*0")


def _find(look: Look) -> Iterator[Finding]:
    for spot in look.spots():
        function = spot.function
        if not function.releases:
            continue
        deleted = {one.key for facts in spot.package.files for each in facts.functions for one in each.releases}
        for insert in function.inserts:
            place, last = insert.place, _given(insert)
            if last is None or place.fields[-1:] == () or place.fields[-1] not in _MAPS or len(place.keys) != 1:
                continue
            key = place.keys[0]
            if key in deleted or not is_constant_in(spot, key) or _is_set_otherwise(function, insert):
                continue
            sibling = _paired(spot, insert)
            if sibling is not None:
                name = ".".join((place.root, *place.fields))
                yield Finding.at(
                    ("key-kept-when-unset", "B"), spot, insert.line, name, key,
                    f"{key} of {name} is set and never deleted where {last.text} does not hold, other than {sibling.place.keys[0]}",
                    Witness.at(spot, sibling.line, "this one is deleted on the other branch"),
                )  # fmt: skip


def _given(insert: Insert) -> Branch | None:
    """The condition that says that there is a value, right around an insert."""
    last = insert.branches[-1] if insert.branches else None
    return last if last is not None and last.kind == "if" and _GIVEN.fullmatch(last.text) else None


def _is_set_otherwise(function: Function, insert: Insert) -> bool:
    return any(one is not insert and one.place == insert.place for one in function.inserts)


def _paired(spot: Spot, insert: Insert) -> Insert | None:
    """Another key of the same map that is set where a value is given, and deleted on the other branch of that."""
    place = insert.place
    for one in spot.function.inserts:
        last = _given(one)
        if (
            last is None
            or one.place[:2] != place[:2]
            or one.place.keys == place.keys
            or one.branches[:-1] != insert.branches[:-1]
        ):
            continue
        other = (*one.branches[:-1], Branch("else", last.text))
        if any(
            each.place[:2] == place[:2] and (each.key,) == one.place.keys and each.branches == other
            for each in spot.function.releases
        ):
            return one
    return None


RULE = Rule("B", "a key that is set, and not deleted when it is unset", _find)
