"""A map that is used under a lock nearly everywhere is written without it in one place.

*What it finds.* A field that at least two functions write while they hold the same mutex of the struct, and one that writes it and
takes no lock, is not called so (`…Locked`), and is not called by those that hold it.

*Why it matters.* Two writers at once end the process; a reader beside a writer sees half of it.

*When it is wrong.* The function runs before the others can, or its caller holds the lock. This is told with `--level B`.

Bad:

    func (c *Cache) Forget(name string) {
        delete(c.objects, name) // want "without mu"
    }

Good:

    func (c *Cache) Forget(name string) {
        c.mu.Lock()
        defer c.mu.Unlock()
        delete(c.objects, name)
    }
"""

from __future__ import annotations

import collections
import re
from collections.abc import Iterator

from ghostkey.lint.facts import Function
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.judgements.startup import makes_ready, runs_at_start
from ghostkey.lint.module import Spot

LOCKED = 2  # functions that write under the lock before one without it stands out
_HELD = re.compile(r"(?i)locked$|nolock|unsafe|withlock")


def _find(look: Look) -> Iterator[Finding]:
    for symbol, held in look.held.items():
        if not symbol.owner or "sync.Map" in held.type_name:
            continue
        writes: dict[int, tuple[Spot, int]] = {}
        for spot, line in [
            *((one.spot, one.insert.line) for one in look.module.inserts[symbol]),
            *((one.spot, one.release.line) for one in look.module.releases[symbol] if one.release.how == "delete"),
        ]:
            if spot.function.receiver_type == symbol.owner:
                writes.setdefault(id(spot.function), (spot, line))
        locks = {known: _lock(spot.function, line) for known, (spot, line) in writes.items()}
        counted = collections.Counter(lock for lock in locks.values() if lock)
        for known, (spot, line) in writes.items():
            lock, count = counted.most_common(1)[0] if counted else ("", 0)
            if locks[known] or count < LOCKED or not _may_race(look, spot):
                continue
            example = next(writes[other] for other, name in locks.items() if name == lock)
            yield Finding.at(
                ("map-outside-lock", "B"), spot, line, symbol, "",
                f"{spot.function.full_name} writes {symbol} without {lock}, which {count} others hold",
                Witness.at(*example, f"{example[0].function.full_name} holds {lock}"),
            )  # fmt: skip


def _lock(function: Function, line: int) -> str:
    """The mutex of the receiver that a function takes before a line."""
    for call in function.calls:
        if call.name == "Lock" and call.receiver and call.receiver.root == function.receiver and call.line <= line:
            return ".".join(call.receiver.fields) or "its lock"
    return ""


def _may_race(look: Look, spot: Spot) -> bool:
    """Whether nothing says that the lock is held already, or not needed yet."""
    name = spot.function.name
    if _HELD.search(name) or any("ock" in call.name for call in spot.function.calls):
        return False
    if makes_ready(look.module, spot) or runs_at_start(look.module, spot):
        return False
    callers = [caller for caller, _ in look.module.callers.get(name, ()) if caller.function is not spot.function]
    if not name[:1].isupper() and not callers:
        return False
    return not any(any(call.name == "Lock" for call in caller.function.calls) for caller in callers)


RULE = Rule("B", "a map that is written outside its lock", _find)
