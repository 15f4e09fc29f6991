"""A map is deleted from only where another map had the key.

*What it finds.* All deletes of a map stand under a look-up in another map of the same struct (`if x, ok := other[key]; ok`), and the
insert does not.

*Why it matters.* Where the other map never got the key, because something failed in between, this one keeps it.

*When it is wrong.* Both are always filled together. This is told with `--level B`.

Bad:

    if cancel, ok := h.loops[key]; ok {
        cancel()
        delete(h.loops, key)
        delete(h.caches, key) // want "only where loops has the key"
    }

Good:

    if cancel, ok := h.loops[key]; ok {
        cancel()
        delete(h.loops, key)
    }
    delete(h.caches, key)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.module import ReleaseAt, Symbol

_LOOKED_UP = re.compile(r"\b(?:ok|found|exists|has|loaded|present)\b\s*:?=\s*([\w.]+?)(?:\.(?:Load|LoadAndDelete|Get)\(|\[)")


def _find(look: Look) -> Iterator[Finding]:
    for symbol, held in look.held.items():
        if not held.releases or held.inner_releases or not symbol.owner:
            continue
        guards = [_guard(look, symbol, one) for one in held.releases]
        if not all(guards) or len(set(guards)) != 1:
            continue
        other = guards[0]
        filled = {id(one.spot.function) for one in look.module.inserts.get(symbol._replace(name=other), ())}
        alone = next((one for one in held.inserts if id(one.spot.function) not in filled), None)
        if alone is None:
            continue
        release = held.releases[0]
        yield Finding.at(
            ("delete-under-foreign-guard", "B"), release.spot, release.release.line, symbol, release.release.key,
            f"{symbol} is deleted from only where {other} has the key, and is filled without it",
            Witness.at(alone.spot, alone.insert.line, f"inserted in {alone.spot.function.full_name}, whatever {other} has"),
        )  # fmt: skip


def _guard(look: Look, symbol: Symbol, one: ReleaseAt) -> str:
    """The sibling map in which the key must be for this release to run; empty when there is none."""
    struct = look.module.packages[symbol.folder].structs.get(symbol.owner)
    for branch in one.release.branches:
        found = _LOOKED_UP.search(branch.text) if branch.kind == "if" else None
        name = found[1].rpartition(".")[2] if found else ""
        if name and name != symbol.name and struct and name in struct.fields and "!" not in branch.text.rpartition(";")[2]:
            return name
    return ""


RULE = Rule("B", "a delete that hangs on another map", _find)
