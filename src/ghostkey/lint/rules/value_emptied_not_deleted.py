"""A key's value is emptied where the key should go.

*What it finds.* Code that removes (a function called remove, delete, forget …, or a branch for what is gone) and sets a key to a zero
value (`""`, nil, 0, false, `T{}`, `*new(T)`, `[]byte(nil)`), an empty literal or the word `null`: in the data of a ConfigMap or
Secret, in a map that is held for long, or as `map[string]any{key: ""}` in a patch. In a merge patch nil deletes, `""` does not. The
`struct{}{}` and `true` of a set say that a key is there, `&T{}` and `new(T)` are another object that is filled next: they are left alone.

*Why it matters.* The key stays: the map is as long as before, and whoever reads it sees a subject with nothing in it.

*When it is wrong.* The empty value is a message to a reader who then deletes the key. In a map in memory it is told with
`--level B`.

Bad:

    func (r *Reconciler) removeKey(ctx context.Context, key string) error {
        return r.patchRegistry(ctx, map[string]any{key: ""}) // want "empties the key"
    }

Good:

    return r.patchRegistry(ctx, map[string]any{key: nil})
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.edits import instead, taking_out, text_of
from ghostkey.lint.facts import Insert
from ghostkey.lint.findings import Finding, Look, Rule
from ghostkey.lint.held import DATA
from ghostkey.lint.judgements.bounded import is_constant_in
from ghostkey.lint.module import Spot
from ghostkey.lint.names import CLEANS_UP, begins_with
from ghostkey.lint.reach import is_gone
from ghostkey.lint.zero import is_zero

_REMOVES = begins_with(CLEANS_UP)
_IN_PATCH = re.compile(r'map\[string\](?:any|string|interface\{\})\{\s*([A-Za-z_][^:"]*): ""\s*\}')


def _find(look: Look) -> Iterator[Finding]:
    for spot in look.spots():
        function = spot.function
        removes = _REMOVES.match(function.name) is not None
        for insert in function.inserts:
            level = _level(look, spot, insert) if is_zero(insert.value) and (removes or is_gone(insert.branches)) else ""
            if level:
                place = ".".join((insert.place.root, *insert.place.fields))
                yield _told(spot, insert.line, place, insert.place.keys[-1], level)
        for call in function.calls if removes else ():
            found = next((found for text in call.texts if (found := _IN_PATCH.search(text))), None)
            if found and not is_constant_in(spot, found[1]):
                yield _told(spot, call.line, call.name, found[1], "A")


def _level(look: Look, spot: Spot, insert: Insert) -> str:
    """A, B, or empty where the map is none that keeps keys, or the key is deleted in the same function."""
    place = insert.place
    if not place.keys or is_constant_in(spot, place.keys[-1]):
        return ""
    if any(r.place.fields == place.fields and r.place.root == place.root for r in spot.function.releases):
        return ""
    if place.fields and place.fields[-1] in DATA:
        return "A"
    held = next((look.held[s] for s in look.module.symbols(spot, place) if s in look.held), None)
    return "B" if held is not None and not held.type_name.endswith("struct{}") else ""


def _told(spot: Spot, line: int, symbol: str, key: str, level: str) -> Finding:
    message = f"{spot.function.full_name} empties the key {key} of {symbol}, and the key stays"
    taken = taking_out(spot, line, "=")
    mended = taken[0] if taken else text_of(spot, line).replace(f'{{{key}: ""}}', f"{{{key}: nil}}", 1)
    edits = (instead(spot, line, mended),) if mended != text_of(spot, line) else ()
    return Finding.at(("value-emptied-not-deleted", level), spot, line, symbol, key, message, edits=edits)


RULE = Rule("A", "a value that is emptied where the key should be deleted", _find)
