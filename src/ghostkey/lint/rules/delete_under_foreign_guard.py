"""A map is deleted from only where another map had the key.

*What it finds.* All deletes of a map stand under a look-up in another map of the same struct (`if x, ok := other[key]; ok`, or behind
`if !ok { return }`), and an insert does not. A delete in a helper stands where those call it that are there to remove.

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
from collections.abc import Iterable, Iterator
from functools import partial

from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.module import InsertAt, Spot, Symbol
from ghostkey.lint.reach import DEPTH, Site, callers, reached, sites_of

_LOOKED_UP = re.compile(r"\b(?:ok|found|exists|has|loaded|present)\b\s*:?=\s*([\w.]+?)(?:\.(?:Load|LoadAndDelete|Get)\(|\[)")

OWN_ERROR = 3  # lines behind a call in which it is asked whether it failed


def _find(look: Look) -> Iterator[Finding]:
    for symbol, held in look.held.items():
        if not held.releases or held.inner_releases or not symbol.owner:
            continue
        sites = [site for one in held.releases for site in sites_of(look.module, one, partial(_guard, look, symbol))]
        guards = {_guard(look, symbol, site) for site in sites}
        if len(guards) != 1 or not (other := guards.pop()):
            continue
        alone = _filled_alone(look, held.inserts, symbol._replace(name=other))
        if alone is None:
            continue
        site, key = sites[0], held.releases[0].release.key
        yield Finding.at(
            ("delete-under-foreign-guard", "B"), site.spot, site.line, symbol, key,
            f"{symbol} is deleted from only where {other} has the key, and is filled without it",
            Witness.at(alone.spot, alone.insert.line, f"inserted in {alone.spot.function.full_name}, whatever {other} has"),
        )  # fmt: skip


def _filled_alone(look: Look, inserts: Iterable[InsertAt], other: Symbol) -> InsertAt | None:
    """An insert that is come by without one into the other map."""
    fill: dict[int, Spot] = {}
    last: dict[int, int] = {}
    for one in look.module.inserts.get(other, ()):
        known = id(one.spot.function)
        fill[known] = one.spot
        last[known] = max(last.get(known, 0), one.insert.line)
    run: set[int] = set()
    for known, spot in fill.items():
        run |= reached(
            look.module, spot, [call for call in spot.function.calls if not _may_end(spot, call.line, last[known])]
        ).keys()
    for one in inserts:
        known = id(one.spot.function)
        if known in fill:
            if _may_end(one.spot, one.insert.line, last[known]):
                return one
        elif _is_come_by_otherwise(look, one.spot, set(fill), run):
            return one
    return None


def _may_end(spot: Spot, line: int, last: int) -> bool:
    """Whether a function may return behind a line, and before another; not because what the line calls has failed."""
    return any(
        line < one.line < last
        and not any(branch.kind == "func" for branch in one.branches)
        and not (one.line <= line + OWN_ERROR and any("err" in branch.text for branch in one.branches))
        for one in spot.function.returns
    )


def _is_come_by_otherwise(look: Look, spot: Spot, fill: set[int], run: set[int]) -> bool:
    """Whether a function is run by another than those that fill a map, and what these run."""
    near, seen = [spot], fill
    for _ in range(DEPTH):
        near = [one for one in near if id(one.function) not in seen]
        if any(id(one.function) not in run for one in near):
            return True
        seen = seen | {id(one.function) for one in near}
        near = [caller for one in near for caller, _ in callers(look.module, one)]
    return False


def _guard(look: Look, symbol: Symbol, site: Site) -> str:
    """The sibling map in which the key must be for this to run; empty when there is none."""
    struct = look.module.packages[symbol.folder].structs.get(symbol.owner)
    fields = struct.fields if struct else {}

    def looked_up(text: str) -> str:
        found = _LOOKED_UP.search(text)
        name = found[1].rpartition(".")[2] if found else ""
        return name if name != symbol.name and name in fields else ""

    for text, holds in site.conditions:
        said = text.rpartition(";")[2]
        # inside of what is looked up, or behind the return of whoever has no key
        is_guard = "!" not in said if holds else re.fullmatch(r"\s*!\s*\w+", said) is not None
        if is_guard and (name := looked_up(text)):
            return name
    return ""


RULE = Rule("B", "a delete that hangs on another map", _find)
