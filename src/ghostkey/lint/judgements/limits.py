"""Whether a condition before an insert bounds it: where the map is not full yet, where it is still empty, where the key is below a constant."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.judgements.bounded import is_constant_in
from ghostkey.lint.module import InsertAt, Module, Symbol
from ghostkey.lint.reach import Site, calls_of, site_of

_EMPTY = re.compile(r"len\((?:\w+\.)*(\w+)\)\s*(?:==\s*0|<\s*1)\b")


def is_limited(module: Module, symbol: Symbol, one: InsertAt, key: str) -> bool:
    """Whether conditions tell, where the insert stands or wherever its function is called, that only so many keys can come."""
    return _is_full(symbol, one) or _fills_what_is_empty(module, symbol, one) or _is_below_a_constant(module, one, key)


def _is_full(symbol: Symbol, one: InsertAt) -> bool:
    """Whether an insert is made only where the map has less than so many keys: `if len(c.known) >= most { return }` before it."""
    full = re.compile(rf"len\([\w.]*\b{re.escape(symbol.name)}\)\s*(>=?|<=?)(?!=?\s*[01]\b)")
    return any(found[1].startswith("<") is holds for text, holds in site_of(one).conditions if (found := full.search(text)))


def _fills_what_is_empty(module: Module, symbol: Symbol, one: InsertAt) -> bool:
    """Whether a map is filled once alone: where it, or another field of its struct, is seen to be empty, there or by all callers."""
    package = module.packages[symbol.folder]
    struct = package.structs.get(symbol.owner)
    names = {symbol.name, *(struct.fields if struct is not None else ())}

    def is_asked(site: Site) -> bool:
        return any(holds and names.intersection(_EMPTY.findall(text)) for text, holds in site.conditions)

    if is_asked(site_of(one)):
        return True
    calls = calls_of(module, one.spot)
    return bool(calls) and all(is_asked(Site(caller, call.line, call.branches)) for caller, call in calls)


def _is_below_a_constant(module: Module, one: InsertAt, key: str) -> bool:
    """Whether a number for a key is compared with a constant first: `if uid > mostOfThem { return }`, there or by all callers."""
    return all(_is_compared(site, name) for site, name in _ways(module, one, key))


def _ways(module: Module, one: InsertAt, key: str) -> Iterator[tuple[Site, str]]:
    """Where a key is known by which name: in each caller, where the function is given it and asks for nothing itself."""
    position = next((at for at, (name, _) in enumerate(one.spot.function.params) if name == key), None)
    calls = [each for each in calls_of(module, one.spot) if position is not None and position < len(each[1].texts)]
    if not calls or _is_compared(site_of(one), key):
        yield site_of(one), key
        return
    for caller, call in calls:
        yield Site(caller, call.line, call.branches), call.texts[position or 0]


def _is_compared(site: Site, key: str) -> bool:
    compared = re.compile(rf"(?<![\w.]){re.escape(key)}\s*([<>]=?)\s*([\w.]+)")
    return any(
        found[1].startswith("<") is holds and is_constant_in(site.spot, found[2])
        for text, holds in site.conditions
        if (found := compared.search(text))
    )
