"""What is found in one record of a log, and where in it something was damaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

DAMAGE = b"\0"  # among events, for what stood there; compared by `is`
Path = tuple[str, ...]  # of fields that lead to an event; `*` for each item of a list


class Found(NamedTuple):
    """Events as bare lines; how they were wrapped, in words; whether there was something like an event that is none.

    `places` are those among the events before which that stood; none where it is not known.
    """

    events: Sequence[bytes]
    words: str = ""
    is_damaged: bool = False
    path: Path | None = None
    places: Sequence[int] = ()

    def marked(self) -> Iterator[bytes]:
        """The events, with DAMAGE where it was among them, or, where that is not known, around all of them."""
        places = set(self.places or ((0, len(self.events)) if self.is_damaged else ()))
        for number, event in enumerate(self.events):
            if number in places:
                yield DAMAGE
            yield event
        if len(self.events) in places:
            yield DAMAGE
