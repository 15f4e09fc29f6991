"""Writes of one moment through several API servers, whose requests do not show in which order they were made.

An answer has a revision, which orders it. At level Request there is none, and clocks of servers differ by as much as a second:
of two writes of one key within that time it cannot be told which was the later one.
"""

from __future__ import annotations

from collections.abc import Iterable

from ghostkey.model.history import DELETE, SEEN, SET, KeyEvent
from ghostkey.sources.history.audit.credit import spot_of

AT_ONCE = 1_100_000  # microseconds: clocks that differ by a second, and the time that a request takes
Holder = tuple[str, str, str]


class Moments:
    """Which keys of which maps were written just now, as requests alone tell."""

    def __init__(self) -> None:
        self._written: dict[Holder, dict[tuple[str, str, str], int]] = {}

    def is_unordered(self, holder: Holder, events: Iterable[KeyEvent], at: int | None) -> bool:
        """Whether one of these keys was written so short a time before that this write may have come first; remembers them."""
        if at is None:
            return False
        recent = {spot: then for spot, then in self._written.pop(holder, {}).items() if at - then <= AT_ONCE}
        shown = {spot_of(event): event for event in events if event.op in (SET, DELETE, SEEN)}
        # what was seen for the first time is as it was for long
        now = {spot for spot, event in shown.items() if event.op != SEEN or not event.key_delta}
        found = not recent.keys().isdisjoint(shown)
        if recent or now:
            self._written[holder] = recent | dict.fromkeys(now, at)
        for other in list(self._written)[:2]:  # the oldest come first
            if all(at - then > AT_ONCE for then in self._written[other].values()):
                del self._written[other]
        return found
