"""Several maps of a struct get the same key, and where one of them is cleaned, another is forgotten.

*What it finds.* Two maps of one struct that one function gives the same key. A function deletes from the first; the second has
deletes too, and none there, nor in what it calls, nor in who calls it. Also a function called remove, delete, forget … that takes one key
out of two maps or more of a struct (of one, where the type of their keys is a struct of the package), and leaves out another one with keys of the same type, whose deletes are all made while its object is there.

*Why it matters.* On that path the second map keeps the key for ever.

*When it is wrong.* The second map outlives the first on purpose. This is told with `--level B`.

Bad:

    func (c *Cache) Remove(name string) {
        delete(c.objects, name) // and c.owners, which add() fills beside it?
    }

Good:

    func (c *Cache) Remove(name string) {
        delete(c.objects, name)
        delete(c.owners, name)
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.edits import Edit, after, deletion, text_of
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.held import Held
from ghostkey.lint.keyed import key_type
from ghostkey.lint.module import Module, ReleaseAt, Symbol
from ghostkey.lint.names import CLEANS_UP, begins_with
from ghostkey.lint.reach import callers, is_gone, reached

CALLERS = 30
BESIDE = 2  # maps that a function takes a key out of before it is said to be there for all of them
_BASIC = frozenset(["string", "int", "int32", "int64", "uint", "uint32", "uint64", "any", "interface{}"])
_REMOVES = begins_with(f"(?:on|handle)?(?:{CLEANS_UP})")


def _find(look: Look) -> Iterator[Finding]:
    for symbol, held in look.held.items():
        if not symbol.owner or not held.releases:
            continue
        if (left := _left_out(look, symbol, held)) is not None:
            yield left
            continue
        for other in look.held:
            if other != symbol and (other.folder, other.owner) == (symbol.folder, symbol.owner):
                missed = _missed(look.module, held, look.held[other])
                if missed is not None:
                    first = held.inserts[0]
                    where = missed.spot.function.full_name
                    yield Finding(
                        "parallel-map-forgotten", "B", first.spot.file.path, first.insert.line, str(symbol),
                        first.spot.function.full_name, f"{first.insert.place.keys[0]} beside {other.name}",
                        f"{where} deletes from {other.name}, and not from {symbol.name}, which gets the same keys",
                        (Witness(missed.spot.file.path, missed.release.line, f"{other.name} is cleaned here, {symbol.name} is not"),),
                        _mended(missed, other.name, symbol.name) if _alike(look.module, symbol, other) else (),
                    )  # fmt: skip
                    break


def _left_out(look: Look, symbol: Symbol, held: Held) -> Finding | None:
    """A map that a function leaves out which is there to remove one thing from all maps of a struct."""
    if held.inner_releases or not all(_is_of_living(one) for one in held.releases):
        return None
    cleaning = {id(one.spot.function) for one in held.releases}
    names = {one.spot.function.name for one in held.releases}
    of = key_type(look.module.map_type_of(symbol))
    # of texts and numbers the word has to be the same: `name` of a node is none of a block
    words = {one.insert.place.keys[0] for one in held.inserts}
    # a type that the package has for keys of one kind of thing
    is_own = of in look.module.packages[symbol.folder].structs
    taken: dict[tuple[int, str], list[tuple[Symbol, ReleaseAt]]] = {}
    for other, beside in look.held.items():
        if (
            other != symbol
            and (other.folder, other.owner) == (symbol.folder, symbol.owner)
            and key_type(look.module.map_type_of(other)) == of
        ):
            for one in beside.releases:
                is_alike = of not in _BASIC or one.release.key in words
                is_given = one.release.key in {name for name, _ in one.spot.function.params}
                if is_alike and is_given and _REMOVES.match(one.spot.function.name):
                    taken.setdefault((id(one.spot.function), one.release.key), []).append((other, one))
    for found in taken.values():
        spot = found[0][1].spot
        run = {id(spot.function), *reached(look.module, spot)}
        above = [caller for caller, _ in callers(look.module, spot)]
        is_cleaned = not run.isdisjoint(cleaning) or any(
            id(caller.function) in cleaning or any(call.name in names for call in caller.function.calls) for caller in above
        )
        is_enough = len({other for other, _ in found}) >= (1 if is_own else BESIDE)
        if is_enough and not is_cleaned:
            first, missed = held.inserts[0], found[0][1]
            where = spot.function.full_name
            return Finding.at(
                ("parallel-map-forgotten", "B"), first.spot, first.insert.line, symbol, first.insert.place.keys[0],
                f"{where} takes {missed.release.key} out of {', '.join(sorted({other.name for other, _ in found}))}, and not out of {symbol.name}",
                Witness.at(spot, missed.release.line, f"{symbol.name} is left out here"),
                Witness.at(held.releases[0].spot, held.releases[0].release.line, "it is deleted from while the object is there"),
            )  # fmt: skip
    return None


def _is_of_living(one: ReleaseAt) -> bool:
    """Whether a delete is none of what has gone: no sweep, no function that is there to remove, no branch for what is gone."""
    branches = one.release.branches
    is_sweep = one.is_whole or one.release.key == "*" or any(branch.kind == "for" for branch in branches)
    return not is_sweep and not _REMOVES.match(one.spot.function.name) and not is_gone(branches)


def _alike(module: Module, one: Symbol, other: Symbol) -> bool:
    """Whether both are plain maps with keys of one type."""
    types = [re.match(r"map\[([^\[\]]+)\]", module.type_of(symbol)) for symbol in (one, other)]
    return bool(types[0] and types[1] and types[0][1] == types[1][1])


def _mended(missed: ReleaseAt, cleaned: str, forgotten: str) -> tuple[Edit, ...]:
    """The same delete of the other map."""
    taken = deletion(text_of(missed.spot, missed.release.line))
    if taken is None or not re.fullmatch(rf"[\w.]+\.{re.escape(cleaned)}", taken[0]):
        return ()
    return (after(missed.spot, missed.release.line, f"delete({taken[0].removesuffix(cleaned)}{forgotten}, {taken[1]})"),)


def _missed(module: Module, held: Held, other: Held) -> ReleaseAt | None:
    """Where keys of the other map are deleted, and those of this one are not; None where the two have no keys in common."""
    together = any(
        mine.spot.function is theirs.spot.function and mine.insert.place.keys[0] == theirs.insert.place.keys[0]
        for mine in held.inserts
        for theirs in other.inserts
    )
    if not together:
        return None
    cleaning = {id(one.spot.function) for one in held.releases}
    names = {one.spot.function.name for one in held.releases}
    for one in other.releases:
        function = one.spot.function
        if (
            one.is_whole
            or one.release.key == "*"
            or id(function) in cleaning
            or any(i.spot.function is function for i in held.inserts)
        ):
            continue
        if any(call.name in names for call in function.calls):
            continue
        above = module.callers.get(function.name, ())[:CALLERS]
        if any(id(c.function) in cleaning or any(call.name in names for call in c.function.calls) for c, _ in above):
            continue
        return one
    return None


RULE = Rule("B", "one of several maps with the same keys that is not cleaned", _find)
