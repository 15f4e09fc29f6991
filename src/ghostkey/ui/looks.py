"""What is known of a process that is looked at again and again: the last census, and how long each map was before."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

from ghostkey.census.gomap import GoMap
from ghostkey.processes import AnyProcess, Before, Taken, Wanted, choose, take

LOOKS = 120  # that are remembered
RESTS = 4  # times as long as holders were looked for, until they are again


class Lengths:
    """How long each map was at each look. Only changes are kept: most maps of a process never change."""

    def __init__(self) -> None:
        self.looks = 0
        self._gaps: set[int] = set()
        self._changes: dict[int, list[tuple[int, int]]] = {}

    def add(self, maps: Sequence[GoMap]) -> None:
        """One look at all maps; those that are gone are forgotten."""
        changes: dict[int, list[tuple[int, int]]] = {}
        for found in maps:
            own = self._changes.get(found.address, [])
            if not own or own[-1][1] != found.length:
                own = [*own[-LOOKS:], (self.looks, found.length)]
            changes[found.address] = own
        self._changes = changes
        self.looks += 1

    def miss(self) -> None:
        """A look that failed."""
        self._gaps = {gap for gap in self._gaps if gap >= self.looks - LOOKS} | {self.looks}
        self.looks += 1

    def of(self, address: int, count: int = LOOKS) -> list[int | None]:
        """The lengths of a map at the last looks, oldest first; None where it was not seen."""
        first = max(0, self.looks - count)
        changes = dict(self._changes.get(address, []))
        length = next((changes[look] for look in sorted(changes, reverse=True) if look < first), None)
        lengths: list[int | None] = []
        for look in range(first, self.looks):
            length = changes.get(look, length)
            lengths.append(None if look in self._gaps else length)
        return lengths


class Looks:
    """Takes one census after another, and compares each with the first, or with an earlier one that was kept."""

    def __init__(self, process: AnyProcess, before: Before | None = None) -> None:
        self.process, self._before = process, before
        self.lengths = Lengths()
        self.taken: Taken | None = None
        self._rest_until = 0.0

    def take(self, wanted: Wanted) -> Taken:
        """A look now; holders are those that are known. Raises what `processes.take` raises; then it counts as a gap."""
        wanted = dataclasses.replace(wanted, is_held=False)
        try:
            if self._before is None:
                self._before = Before.of(take(self.process, Wanted(top=1, is_held=False)))
            taken = take(self.process, wanted, self._before)
        except Exception:
            self.lengths.miss()
            raise
        self.lengths.add(taken.census.maps)
        self.taken = taken
        return taken

    def choose(self, wanted: Wanted, *, is_held: bool = False) -> Taken:
        """Other maps of the last look; `is_held`: once their holders were looked for, which takes long and is remembered."""
        if self.taken is None:
            self.take(wanted)
        assert self.taken is not None
        began = time.monotonic()
        self.taken = choose(self.process, self.taken, dataclasses.replace(wanted, is_held=is_held), self._before)
        if is_held and self._before is not None:
            self._before.learn(self.taken.census.maps)
            self._rest_until = time.monotonic() + RESTS * (time.monotonic() - began)
        return self.taken

    @property
    def has_rested(self) -> bool:
        """Whether holders may be looked for again: most of the time is for looks."""
        return time.monotonic() >= self._rest_until
