"""A map has keys that another map's values say, and where those values go or change, the keys stay.

*What it finds.* Two maps of one struct. Where the first one is cleaned, the keys of the second are looked up in it
(`for _, ip := range c.ips[name] { delete(c.byIP, ip) }`). Another function deletes from the first map alone, or gives one of its keys another value
and puts what that says into the second, without asking for the value that was there before.

*Why it matters.* What the old value said is known by nobody from then on: its keys stay for ever, and mislead who looks them up.

*When it is wrong.* The value of a key never changes, or something else sweeps the second map. This is told with `--level B`.

Bad:

    func (c *Cache) Update(name string, ips []string) {
        c.ips[name] = ips // want "what it said before"
        for _, ip := range ips {
            c.byIP[ip] = name
        }
    }

    func (c *Cache) Delete(name string) {
        for _, ip := range c.ips[name] {
            delete(c.byIP, ip)
        }
        delete(c.ips, name)
    }

Good:

    func (c *Cache) Update(name string, ips []string) {
        c.Delete(name)
        c.ips[name] = ips
        …
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.facts import Call
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.held import Held
from ghostkey.lint.judgements.startup import runs_at_start
from ghostkey.lint.module import InsertAt, Module, ReleaseAt, Spot, Symbol
from ghostkey.lint.reach import callers, reached

_WORD = re.compile(r"(?<![.\w])[A-Za-z_]\w*")
_CREATES = re.compile(r"(?:[Cc]reate|[Nn]ew|[Mm]ake)(?:[A-Z]|$)")  # who calls such a one has seen that there is none
_WANTS = re.compile(r"==\s*nil\b|!\s*(?:ok|found|exists?|has|present|loaded)\b|len\([^)]*\)\s*==\s*0")
STEPS = 8  # locals that are looked through, from a key to what it was made of


def _find(look: Look) -> Iterator[Finding]:
    for symbol, held in look.held.items():
        if not symbol.owner or symbol.is_captured or not held.releases or any(_is_sweep(one, symbol) for one in held.releases):
            continue
        for other, beside in look.held.items():
            if other == symbol or (other.folder, other.owner) != (symbol.folder, symbol.owner):
                continue
            looked_up = next((one for one in held.releases if _is_said_by(one, other)), None)
            if looked_up is None:
                continue
            cleaning = {id(one.spot.function) for one in held.releases}
            told = _taken_alone(look.module, symbol, other, beside, cleaning) or _overwritten(
                look.module, symbol, held, other, cleaning
            )
            if told is not None:
                spot, line, words = told
                yield Finding.at(
                    ("index-left-behind", "B"), spot, line, symbol, held.inserts[0].insert.place.keys[0],
                    f"{symbol} has keys that {other.name} says; {spot.function.full_name} {words}",
                    Witness.at(looked_up.spot, looked_up.release.line, f"deleted by what {other.name} says"),
                    Witness.at(held.inserts[0].spot, held.inserts[0].insert.line, f"inserted in {held.inserts[0].spot.function.full_name}"),
                )  # fmt: skip
                break


def _is_sweep(one: ReleaseAt, symbol: Symbol) -> bool:
    """Whether all keys of a map go, or each one is asked for in turn."""
    is_over = any(branch.kind == "for" and branch.text.endswith(f".{symbol.name}") for branch in one.release.branches)
    return one.is_whole or is_over


def _is_said_by(one: ReleaseAt, other: Symbol) -> bool:
    """Whether a release's key comes out of a value of the other map, one of its own keys, by way of locals and loops."""
    release = one.release
    over = [branch.text.removeprefix("range ") for branch in release.branches if branch.kind == "for"]
    texts, seen = [release.key, *release.place.keys, *over], set[str]()
    indexed = re.compile(rf"\.{re.escape(other.name)}(?:\[|\.(?:Load|Get|LoadAndDelete)\()")
    for _ in range(STEPS):
        if any(indexed.search(text) for text in texts):
            return True
        words = {word for text in texts for word in _WORD.findall(text)} - seen
        seen |= words
        texts = [made for word in words for made in _made_of(one.spot, word)]
    return False


def _made_of(spot: Spot, word: str) -> Iterator[str]:
    """The texts that a local was made of."""
    local, over = spot.function.locals.get(word), spot.function.ranges.get(word)
    if local is not None and local.how != "type":
        yield local.whole or local.text
    if over is not None:
        yield over.text


def _taken_alone(module: Module, symbol: Symbol, other: Symbol, beside: Held, cleaning: set[int]) -> tuple[Spot, int, str] | None:
    """Where a key is taken out of the other map, and nothing out of this one: not there, in what it calls, or in who calls it."""
    for one in (*beside.releases, *beside.inner_releases):
        if one.is_whole or one.release.how != "delete" or _is_cleaned(module, one.spot, cleaning):
            continue
        return one.spot, one.release.line, f"deletes from {other.name} alone, and nobody knows what it said before"
    return None


def _overwritten(module: Module, symbol: Symbol, held: Held, other: Symbol, cleaning: set[int]) -> tuple[Spot, int, str] | None:
    """Where a key of the other map gets another value, and this one what that says, without a look at the value before."""
    filling = {id(one.spot.function) for one in held.inserts}
    named = re.compile(rf"\.{re.escape(other.name)}\b")
    for one in module.inserts[other]:
        spot, function = one.spot, one.spot.function
        is_new = runs_at_start(module, spot) or _CREATES.match(function.name) or _is_for_want(one)
        is_added = len(one.insert.place.keys) > 1  # into what is there: nothing is overwritten
        if one.insert.how != "=" or is_added or id(function) not in filling or is_new or named.search(one.insert.value):
            continue
        texts = [local.whole or local.text for local in function.locals.values()]
        texts += [over.text for over in function.ranges.values()]
        around = [*(call.branches for call in function.calls), *(each.branches for each in function.returns)]
        texts += [branch.text for branches in around for branch in branches]
        texts += [text for call in function.calls for text in call.texts]
        if any(named.search(text) for text in texts) or _is_cleaned(module, spot, cleaning):
            continue
        return (
            spot,
            one.insert.line,
            f"gives {one.insert.place.keys[0]} another value there, and does not ask what it said before",
        )
    return None


def _is_for_want(one: InsertAt) -> bool:
    """Whether a key gets a value where it has been seen to have none."""
    return any(branch.kind == "if" and _WANTS.search(branch.text) for branch in one.insert.branches)


def _is_cleaned(module: Module, spot: Spot, cleaning: set[int]) -> bool:
    """Whether a function, what it runs, or who runs it on the same way, deletes from a map."""
    if not cleaning.isdisjoint({id(spot.function), *reached(module, spot)}):
        return True
    for caller, call in callers(module, spot):
        beside = [other for other in caller.function.calls if other.at != call.at and not _part(caller, other, call)]
        if id(caller.function) in cleaning or not cleaning.isdisjoint(reached(module, caller, beside)):
            return True
    return False


def _part(spot: Spot, one: Call, other: Call) -> bool:
    """Whether two calls stand on branches of which one alone is taken, the rest behind a return included."""
    first = next(((a, b) for a, b in zip(one.branches, other.branches, strict=False) if a != b), None)
    if first is not None and {first[0].kind, first[1].kind} <= {"if", "else", "case"}:
        return True
    early = one if one.at < other.at else other
    late = other if early is one else one
    return any(
        early.line <= each.line < late.line
        and each.branches == early.branches[: len(each.branches)]
        and each.branches != late.branches[: len(each.branches)]
        for each in spot.function.returns
    )


RULE = Rule("B", "keys of an index that outlive what they were made of", _find)
