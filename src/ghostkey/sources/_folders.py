"""Which files lie within a folder, of thousands in hundreds of them."""

from __future__ import annotations

import bisect
from collections.abc import Iterable

_AFTER = chr(ord("/") + 1)  # what lies within a folder is sorted between `folder/` and `folder0`


class Folders:
    """Places of files, by number; each question costs as much as it finds."""

    def __init__(self, places: Iterable[str]) -> None:
        self._sorted = sorted((place, number) for number, place in enumerate(places))

    def within(self, place: str) -> list[int]:
        """The numbers of the file of that name and of all that lies within the folder of that name."""
        return [
            number
            for low, high in ((place, f"{place}\0"), (f"{place}/", f"{place}{_AFTER}"))
            for number in self._between(low, high)
        ]

    def _between(self, low: str, high: str) -> list[int]:
        first, last = (bisect.bisect_left(self._sorted, (text,)) for text in (low, high))
        return [number for _, number in self._sorted[first:last]]
