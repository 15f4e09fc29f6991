"""What is found in one record of a log, and where in it something was damaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ghostkey.foreign import UnreadableError, split_json

DAMAGE = b"\0"  # among events, for what stood there; compared by `is`
BEGINNING_BYTES = 4_096  # of a line, in which a record begins
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


def is_remnant(text: bytes) -> bool:
    """Whether a line is a record's beginning or end alone: so little that nothing in it says what it was."""
    if text.endswith(b"}"):
        return text.endswith(b'"}') and b"{" not in text
    begin = text.find(b'{"', 0, BEGINNING_BYTES)
    if begin < 0:
        return False
    try:
        next(split_json(text[begin:]))
    except (UnreadableError, StopIteration):
        return True
    return False
