"""A handler of updates inserts by what the new object says, and never deletes by what the old one said.

*What it finds.* A function with an old and a new object of one type. It inserts under a key that a change can alter (an address, a
label, a field of the spec), and deletes under no key of the old one. The same of a function without an old object that has a helper
delete by such a field of what another helper then inserts: that takes out the key which comes back at once, and never the old one.

*Why it matters.* After each change the old key stays: an address that another object has by now.

*When it is wrong.* The field never changes, or a sweep runs. Names, namespaces and UIDs do not change and are left alone. This is
told with `--level B`.

Bad:

    func (c *Cache) onUpdate(oldPod, newPod *corev1.Pod) {
        c.byAddress[newPod.Status.PodIP] = newPod.Name // want "never deletes by oldPod"
    }

Good:

    delete(c.byAddress, oldPod.Status.PodIP)
    c.byAddress[newPod.Status.PodIP] = newPod.Name
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.edits import Edit, before, taking_out
from ghostkey.lint.facts import Call
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.held import Held
from ghostkey.lint.module import InsertAt, Spot, Symbol
from ghostkey.lint.reach import callees, callers, reached

_OLD = re.compile(r"^(?:old|prev|previous|before|last)(?:[A-Z_]\w*)?$")
_NEW = re.compile(r"^(?:new|cur|current|curr|after|updated)(?:[A-Z_]\w*)?$")
_FIELD = re.compile(r"(\w+)((?:\.\w+)+)$")
_FIXED = re.compile(r"(?i)\.(?:name|namespace|uid|getname\(\)|getnamespace\(\)|getuid\(\))$|keyfunc|namespacedname|objectkey")


def _find(look: Look) -> Iterator[Finding]:
    for symbol, held in look.held.items():
        yield from _by_helpers(look, symbol, held)
        for one in held.inserts:
            pair = _objects(one.spot)
            key = one.insert.place.keys[0]
            if pair is None or not re.match(rf"{re.escape(pair[1])}\.", key) or _FIXED.search(key):
                continue
            run = {id(one.spot.function), *reached(look.module, one.spot)}
            if any(id(r.spot.function) in run for r in (*held.releases, *held.inner_releases)):
                continue
            yield Finding.at(
                ("updated-by-new-alone", "B"), one.spot, one.insert.line, symbol, key,
                f"{symbol} gets the key {key}, and {one.spot.function.full_name} never deletes by {pair[0]}",
                Witness.at(one.spot, one.spot.function.line, f"{pair[0]} is at hand here"),
                edits=_mended(one, *pair),
            )  # fmt: skip


def _by_helpers(look: Look, symbol: Symbol, held: Held) -> Iterator[Finding]:
    """A function that has one helper delete what another one inserts next, under the same field of the same argument."""
    for one in held.inserts:
        for spot, puts in callers(look.module, one.spot):
            key = _field_of_argument(one.spot, puts, one.insert.place.keys[0])
            if key is None or _FIXED.search(key):
                continue
            run = {id(spot.function), *reached(look.module, spot)}
            # what stands in a literal that is given back runs later
            now = [r for r in held.releases if id(r.spot.function) in run and all(b.kind != "func" for b in r.release.branches)]
            taken = [(r, call) for r in now for call in spot.function.calls]
            taken = [
                (r, call) for r, call in taken if any(to.function is r.spot.function for to in callees(look.module, spot, call))
            ]
            keys = {_field_of_argument(r.spot, call, r.release.key) for r, call in taken if _runs_before(call, puts)}
            if keys == {key}:
                yield Finding.at(
                    ("updated-by-new-alone", "B"), spot, puts.line, symbol, key,
                    f"{symbol} loses the key {key} that it is given again at once, and never the one that was there before",
                    Witness.at(taken[0][0].spot, taken[0][0].release.line, f"deleted in {taken[0][0].spot.function.full_name}"),
                    Witness.at(one.spot, one.insert.line, f"inserted in {one.spot.function.full_name}"),
                )  # fmt: skip


def _runs_before(first: Call, second: Call) -> bool:
    """Whether a call has been made where another is: not on another branch."""
    return first.at < second.at and second.branches[: len(first.branches)] == first.branches


def _field_of_argument(spot: Spot, call: Call, key: str) -> str | None:
    """A key that is a field of a parameter, or of each of its elements, in words of the call."""
    found = _FIELD.match(key)
    if found is None:
        return None
    over = spot.function.ranges.get(found[1])
    given = {name: text for (name, _), text in zip(spot.function.params, call.texts, strict=False)}
    argument = given.get(over.text if over is not None else found[1])
    return f"{argument}{found[2]}" if argument else None


def _mended(one: InsertAt, old: str, new: str) -> tuple[Edit, ...]:
    """The key of the old object is taken out first."""
    taken = taking_out(one.spot, one.insert.line, one.insert.how)
    if taken is None or not re.match(rf"{re.escape(new)}\.", taken[1]):
        return ()
    release = taken[0].replace(taken[1], f"{old}{taken[1].removeprefix(new)}", 1)
    return (before(one.spot, one.insert.line, release),)


def _objects(spot: Spot) -> tuple[str, str] | None:
    """The names of the old and the new object, of one type."""
    old = next(((name, kind) for name, kind in spot.function.params if _OLD.match(name)), None)
    new = next(((name, kind) for name, kind in spot.function.params if _NEW.match(name)), None)
    if old is None or new is None or old[1] != new[1]:
        return None
    return _asserted(spot, old[0]), _asserted(spot, new[0])


def _asserted(spot: Spot, name: str) -> str:
    """The local that an informer's object becomes: `newPod := newObj.(*corev1.Pod)`, also with `, ok`; otherwise the parameter."""
    locals_ = spot.function.locals.items()
    return next((local for local, made in locals_ if made.how == "expr" and made.text.startswith(f"{name}.(")), name)


RULE = Rule("B", "an update that leaves the old key", _find)
