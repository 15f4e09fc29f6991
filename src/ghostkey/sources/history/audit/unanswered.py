"""Requests that came in and whose answer is not in the log: nobody knows what became of them.

Servers log both where the policy omits no stage. The answer is lost when the server ends before it, or with lines of the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ghostkey.model.history import Writer

KEPT = 10_000  # requests that wait for their answer
LONGEST = 120_000_000  # microseconds: a request has a minute, and clocks and buffers some more
WHY = "{} came in, and no answer of it is in the log"


class Asked(NamedTuple):
    """A request for a change, as its first line tells."""

    kind: str
    namespace: str
    name: str
    at: int | None
    writer: Writer
    is_map: bool


class Unanswered:
    """Requests for changes by audit id, until they are answered."""

    def __init__(self) -> None:
        self.waiting: dict[str, Asked] = {}

    def ask(self, audit_id: str, asked: Asked) -> Asked | None:
        """Remembers a request; the oldest one, where that is too many."""
        self.waiting[audit_id] = asked
        return self.waiting.pop(next(iter(self.waiting))) if len(self.waiting) > KEPT else None

    def answer(self, audit_id: str) -> None:
        """An answer was read."""
        if self.waiting:
            self.waiting.pop(audit_id, None)

    def forget_since(self, last: int | None) -> None:
        """Forgets what may be answered in lines that another reader has."""
        least = (last or 0) - LONGEST
        self.waiting = {key: asked for key, asked in self.waiting.items() if asked.at is not None and asked.at < least}

    def close(self) -> Iterator[Asked]:
        """Says that no line follows: what was never answered."""
        waiting, self.waiting = self.waiting, {}
        yield from waiting.values()
