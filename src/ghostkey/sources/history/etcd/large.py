"""The data of a map as last seen, and which entries of it change: of a large one only those are decoded, which comparing bytes finds."""

from __future__ import annotations

from bisect import bisect_right

from ghostkey.sources.history.common import common_beginning, common_end
from ghostkey.sources.history.etcd.stored import DATA, Entries, entries, map_entries
from ghostkey.sources.history.etcd.wire import DamagedValueError, varint

MARK_ENTRIES = 32


class SmallMap:
    """The data of a small map as last seen, decoded."""

    __slots__ = ("entries",)

    def __init__(self, data: bytes, begin: int, end: int) -> None:
        """Raises DamagedValueError where there is binaryData too."""
        found = map_entries(data, begin, end)
        if found["binaryData"]:
            raise DamagedValueError("not only data")
        self.entries = found["data"]

    def change(self, data: bytes, begin: int, end: int) -> tuple[Entries, Entries]:
        """All entries, the old and the new ones."""
        before, self.entries = self.entries, SmallMap(data, begin, end).entries
        return before, self.entries


class LargeMap:
    """The data of a large map as last seen: where its bytes lie, and where in them every so many of its entries begin."""

    __slots__ = ("begin", "data", "end", "marks")

    def __init__(self, data: bytes, begin: int, end: int) -> None:
        self.data, self.begin, self.end = data, begin, end
        self.marks: list[int] = []  # found when they are needed: most maps are written once

    def change(self, data: bytes, begin: int, end: int) -> tuple[Entries, Entries]:
        """The entries that are not the same in the old and the new bytes, each parsed from its own beginning."""
        old, marks = self.data, self.marks
        if not marks:
            marks = self.marks = [place - self.begin for place in _starts(old, self.begin, self.end)[::MARK_ENTRIES]] or [0]
        least, shift = min(self.end - self.begin, end - begin), begin - self.begin
        prefix = common_beginning(old, data, least, self.begin, begin)
        # the entry in which the common beginning ends: from the mark before it, entry by entry
        mark = bisect_right(marks, prefix) - 1
        walked = _starts(old, self.begin + marks[mark], self.end, self.begin + prefix)
        first = walked[-1] if walked else self.begin
        same_from = self.end - common_end(old, data, least - (first - self.begin), self.end, end)
        within = _starts(old, first, self.end, same_from - 1)
        rest = self.end - (_next(old, within[-1], self.end) if within else first)
        _starts(data, first + shift, end - rest)  # raises, unless entries fill what is new
        before, after = entries(old, first, self.end - rest, DATA), entries(data, first + shift, end - rest, DATA)
        grown = end - begin - (self.end - self.begin)
        later = [place + grown for place in marks[mark + 1 :] if self.begin + place >= self.end - rest]
        self.marks = marks[: mark + 1] + [place - self.begin for place in walked[MARK_ENTRIES:-1:MARK_ENTRIES]] + later
        self.data, self.begin, self.end = data, begin, end
        return before, after


def _starts(body: bytes, begin: int, end: int, last: int | None = None) -> list[int]:
    """Where entries begin, from one that does to `end`, or to the last that begins at or before `last`."""
    starts = []
    last = end if last is None else last
    while begin < end and begin <= last:
        starts.append(begin)
        begin = _next(body, begin, end)
    return starts


def _next(body: bytes, begin: int, end: int) -> int:
    """Where the entry after this one begins; raises DamagedValueError unless it is an entry and all there."""
    if body[begin] != DATA << 3 | 2:
        raise DamagedValueError("not an entry of data")
    length, place = varint(body, begin + 1, end)
    if place + length > end:
        raise DamagedValueError("an entry is cut short")
    return place + length
