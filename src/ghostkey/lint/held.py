"""Maps that live long and are given keys that do not run out: what every rule about forgotten deletes begins with."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ghostkey.lint.facts import Made, is_done_once
from ghostkey.lint.judgements.bounded import is_bounded
from ghostkey.lint.judgements.closures import kept_by
from ghostkey.lint.judgements.code import is_aside, is_stand_in
from ghostkey.lint.judgements.fates import LONG, SHORT
from ghostkey.lint.judgements.lifetime import Lifetimes
from ghostkey.lint.judgements.limits import is_limited
from ghostkey.lint.judgements.startup import (
    comes_later,
    is_flag,
    is_later,
    is_served,
    registers,
    releases_while_running,
    runs_at_start,
    takes_one,
)
from ghostkey.lint.keyed import is_keyed_type, value_type
from ghostkey.lint.methods import INSERTING
from ghostkey.lint.module import InsertAt, Module, ReleaseAt, Spot, Symbol

DATA = frozenset({"Data", "StringData", "BinaryData"})
_LIMITED = re.compile(
    r"lru|ttl|expir|ristretto|\bcache\.(?:Cache|Expiring|ThreadSafeStore|Store|Indexer)|gocache|freecache|Informer|Lister",
    re.IGNORECASE,
)
METRIC = re.compile(r"(?:Counter|Gauge|Histogram|Summary)Vec\b|New\w*(?:Counter|Gauge|Histogram|Summary)\w*\(")
_FRESH = re.compile(r"\(\)(?:\w+\.)?(?:New|new|make|build|Build|Make)")
_HANDLED = re.compile(r"AddEventHandler|AddListener|Subscribe|OnEvent|HandleFunc$|Watches(?:RawSource)?$|RegisterHandler")
_CONTEXT = re.compile(r"(?:\w*[cC]tx|context\.\w+\(\))$")  # what a call of a client begins with, and no key
_OWN_NAME = re.compile(r"(\w+)\.Name\(\)$")  # a part of the program says its name by a method; an object has a field for it
_ENVIRONMENT = "range os.Environ()"
_BOUNDED = "ghostkey:bounded"


@dataclass(frozen=True, slots=True)
class Held:
    """A map that is held: its inserts that count, its type, how long it lives, and who takes out of it."""

    inserts: tuple[InsertAt, ...]
    type_name: str
    lifetime: str
    releases: tuple[ReleaseAt, ...]
    inner_releases: tuple[ReleaseAt, ...]


def held_maps(module: Module, lifetimes: Lifetimes, asked: Iterable[Symbol] | None = None) -> dict[Symbol, Held]:
    """Every symbol that holds keys for long; of those asked for alone where some are."""
    found: dict[Symbol, Held] = {}
    for symbol in list(module.inserts) if asked is None else asked:
        inserts = module.inserts[symbol]
        package = module.packages.get(symbol.folder)
        if package is None:
            continue
        type_name = module.type_of(symbol)
        is_plain = re.match(r"\*?map\[", type_name) is not None
        # a plain map of caches is no cache: its own keys stay
        is_limited = _LIMITED.search(type_name.partition("]")[0] if is_plain else type_name) is not None
        if not type_name or not module.is_keyed(symbol) or METRIC.search(type_name) or is_limited:
            continue
        if symbol.name in {*DATA, "Annotations", "Labels"} or _is_marked(module, symbol):
            continue
        depth, inner = 0, value_type(module.map_type_of(symbol))
        of_outer = _of_outer(inserts) if is_plain and inner.startswith("map[") else inserts
        kept = tuple(one for one in of_outer if (not is_plain or _is_of_map(module, one)) and counts(module, symbol, one))
        if not kept and is_keyed_type(inner):  # of few outer keys, the inner ones may go on coming
            is_plain = inner.startswith("map[")
            of_inner = [one for one in inserts if (not is_plain or _is_of_map(module, one)) and counts(module, symbol, one, 1)]
            kept, depth = tuple(map(_inner, of_inner)), 1
        lifetime = lifetimes.of(package, symbol.owner) if symbol.owner else LONG
        if is_stand_in(symbol.owner) or not kept or lifetime == SHORT:
            continue
        releases = releases_while_running(module, symbol, stays=lifetime == LONG)
        found[symbol] = Held(
            kept,
            type_name,
            lifetime,
            tuple(one for one in releases if len(one.release.place.keys) <= depth),
            tuple(one for one in releases if len(one.release.place.keys) > depth),
        )
    return found


def _of_outer(inserts: list[InsertAt]) -> list[InsertAt]:
    """Those that put a key into a map of maps: `m[a][b] = v` needs an inner one that is there, wherever the code shows who made it."""
    making = [one for one in inserts if len(one.insert.place.keys) == 1]
    return making or inserts


def _is_of_map(module: Module, one: InsertAt) -> bool:
    """Whether a plain map itself is inserted into: what is called Add there is a method of its values."""
    how = one.insert.how
    return how in {"=", "++", "maps.Copy"} or (how in module.functions and how not in INSERTING)


def _inner(one: InsertAt) -> InsertAt:
    """An insert into an inner map as one under its own key."""
    place = one.insert.place
    return InsertAt(one.spot, one.insert._replace(place=place._replace(keys=place.keys[1:])))


def _is_marked(module: Module, symbol: Symbol) -> bool:
    """Whether a comment at the field says why it is bounded."""
    package = module.packages[symbol.folder]
    for facts in package.files:
        struct = facts.structs.get(symbol.owner)
        variable = facts.variables.get(symbol.name) if not symbol.owner else None
        line = struct.fields[symbol.name][1] if struct and symbol.name in struct.fields else variable.line if variable else 0
        if line and any(facts.marks.get(at, "").startswith(_BOUNDED) and facts.marks[at] != _BOUNDED for at in (line, line - 1)):
            return True
    return False


def counts(module: Module, symbol: Symbol, one: InsertAt, depth: int = 0) -> bool:
    """Whether an insert puts in keys that go on coming while the program runs: those of the map, or of its inner ones at `depth` 1."""
    spot, insert = one.spot, one.insert
    function = spot.function
    if (
        len(insert.place.keys) <= depth
        or _is_context(spot, insert.place.keys[depth])
        or is_aside(spot.file)
        or function.name.startswith("DeepCopy")
    ):
        return False
    if symbol.is_captured and not kept_by(spot, insert.branches):
        return False
    is_variable = not symbol.owner or symbol.is_captured
    if insert.place.root != function.receiver and not is_variable and _is_fresh(one) and not _is_handed_over(one):
        return False
    if is_bounded(module, spot, symbol, insert.place.keys[depth], depth):
        return False
    if _is_own_name(one) and not (is_later(function.name) or _is_handed_over(one)):
        return False  # of what comes and goes there may be any number, whatever it says
    if is_done_once(one.insert.branches) or is_limited(module, symbol, one, insert.place.keys[depth]):
        return False
    own = f"range {'.'.join(filter(None, (insert.place.root, symbol.owner and symbol.name)))}"
    if any(branch.kind == "for" and branch.text in {own, _ENVIRONMENT} for branch in insert.branches):
        return False  # what is there already gets another value, and the environment stays as it is
    return (
        symbol.is_captured
        or _is_handed_over(one)
        or not (
            runs_at_start(module, spot)
            or is_flag(spot)
            or (registers(function.name) and not (takes_one(spot) or comes_later(module, spot) or is_served(spot)))
        )
    )


def _is_context(spot: Spot, key: str) -> bool:
    """Whether what stands first is a context, and not something of another type that is called so."""
    return _CONTEXT.match(key) is not None and spot.function.declared_type(key) in {"", "context.Context"}


def _is_own_name(one: InsertAt) -> bool:
    """Whether a part of the program is kept under the name that it says: `m[plugin.Name()] = plugin`, or what it is asserted to be."""
    insert = one.insert
    found, value = _OWN_NAME.match(insert.place.keys[0]), one.spot.function.locals.get(insert.value)
    return found is not None and (found[1] == insert.value or (value is not None and value.text.startswith(f"{found[1]}.(")))


def _is_handed_over(one: InsertAt) -> bool:
    """Whether an insert stands in a function that is given to what calls it again and again: an informer's handler, made at the start."""
    is_inside = any(branch.kind == "func" for branch in one.insert.branches)
    return is_inside and any(_HANDLED.match(call.name) and call.line <= one.insert.line for call in one.spot.function.calls)


def _is_fresh(one: InsertAt) -> bool:
    """Whether what holds the map was made in this function, and not only where it was not found."""
    return any(
        made.goes == "local"
        and made.to.root == one.insert.place.root
        and (not made.type_name.startswith("()") or _FRESH.match(made.type_name))
        and not _is_for_want(one, made)
        for made in one.spot.function.made
    )


def _is_for_want(one: InsertAt, made: Made) -> bool:
    """Whether a value is made on a branch alone that ends before the insert: `if state == nil { state = newState() }`."""
    return any(
        reset.place == made.to
        and reset.line == made.line
        and bool(reset.branches)
        and reset.branches[-1].kind in {"if", "else"}
        and one.insert.branches[: len(reset.branches)] != reset.branches
        for reset in one.spot.function.resets
    )
