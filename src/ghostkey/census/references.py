"""Which words of a process point into some objects: everything that may hold a pointer is looked through, a level at a time."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ghostkey.census import layouts
from ghostkey.census.global_masks import GlobalMasks
from ghostkey.census.goroutines import Goroutine
from ghostkey.census.map_types import MapTypes
from ghostkey.census.memory import Range
from ghostkey.census.runtime import Runtime, Span
from ghostkey.census.types import Types

CHUNK = 4 << 20
BATCH = 8 << 20
CHUNKS_MOST = 1 << 18  # 1 TiB: no heap that a look could go through is larger, whatever a damaged span says
GLOBAL, STACK, HEAP, POOL = "global", "stack", "heap", "pool"


@dataclass(frozen=True, slots=True)
class Reference:
    """A word that points into an object: where the word is, what it holds, and which object (by its place in what was asked)."""

    kind: str
    location: int
    value: int
    target: int


class References:
    """The words of a process that may be pointers: globals, the stacks in use, and heap objects that the collector scans."""

    def __init__(self, runtime: Runtime, map_types: MapTypes, types: Types, routines: Sequence[Goroutine]) -> None:
        self._runtime, self._map_types, self._types = runtime, map_types, types
        self._alive: dict[int, int] = {}
        self._bitmaps: dict[int, bytes] = {}
        self._globals = GlobalMasks(runtime.memory, runtime.modules)
        self._regions = list(itertools.islice(self._find_regions(routines), CHUNKS_MOST))

    @property
    def size(self) -> int:
        """Bytes that one look goes through."""
        return sum(size for _, (_, size) in self._regions)

    def _find_regions(self, routines: Sequence[Goroutine]) -> Iterator[tuple[str, Range]]:
        for module in self._runtime.modules:
            for start, size in (module.data, module.bss):
                yield from ((GLOBAL, piece) for piece in _pieces(start, start + size))
        for routine in routines:
            yield from ((STACK, piece) for piece in _pieces(routine.low_used, routine.high))
        start = end = 0
        for span in self._runtime.spans:
            if span.state != layouts.SPAN_HEAP or span.is_noscan:
                continue
            if span.start > end:
                yield from ((HEAP, piece) for piece in _pieces(start, end))
                start = span.start
            end = max(end, span.end)
        yield from ((HEAP, piece) for piece in _pieces(start, end))

    def to(self, objects: Sequence[Range]) -> Iterator[Reference]:
        """Words that point into these objects (sorted, disjoint). Those of the heap and of globals are where a pointer can be."""
        if not objects:
            return
        starts = [start for start, _ in objects]
        ends = [start + size for start, size in objects]
        sieve = _sieve(objects)
        for several in self._batches():
            contents = self._runtime.memory.read_many([piece for _, piece in several])
            there = [
                (kind, piece, content) for (kind, piece), content in zip(several, contents, strict=True) if content is not None
            ]
            content = b"".join([found for _, _, found in there])
            begins = list(itertools.accumulate((size for _, (_, size), _ in there), initial=0))
            for place in _sifted(content, sieve):
                value = int.from_bytes(content[place : place + 8], "little")
                target = bisect.bisect_right(starts, value) - 1
                if target < 0 or value >= ends[target]:
                    continue
                region = bisect.bisect_right(begins, place) - 1
                kind, (start, _), _ = there[region]
                location = start + place - begins[region]
                if self._may_be_pointer(kind, location):
                    yield Reference(kind, location, value, target)

    def _batches(self) -> Iterator[list[tuple[str, Range]]]:
        """Regions that are looked through as one: most are small, and each call and each look has its price."""
        several: list[tuple[str, Range]] = []
        size = 0
        for region in self._regions:
            if several and size + region[1][1] > BATCH:
                yield several
                several, size = [], 0
            several.append(region)
            size += region[1][1]
        if several:
            yield several

    def _may_be_pointer(self, kind: str, location: int) -> bool:
        if kind == GLOBAL:
            return self._globals.is_pointer(location)
        return kind != HEAP or self._is_pointer(location)

    def _is_pointer(self, location: int) -> bool:
        """Whether a word of the heap is in a live object, where the collector knows of a pointer."""
        span = self._runtime.heap_span_at(location)
        if span is None:
            return False
        index, offset = divmod(location - span.start, span.elemsize)
        if index >= span.nelems or not self._alive_in(span) >> index & 1:
            return False
        if not self._runtime.layout.has_malloc_headers:
            return self._runtime.pointer_bits(location, 1) != 0
        if span.elemsize <= layouts.BITMAP_MOST and not span.is_large:
            start, _ = self._runtime.bitmap_range(span)
            if location >= start:
                return False
            word = (location - span.start) // 8
            bitmap = self._bitmap(span)
            return word // 8 < len(bitmap) and bool(bitmap[word // 8] >> word % 8 & 1)
        kind = self._map_types.element_type(location - offset, span.elemsize)
        if kind is None or not kind.size:
            return True
        within = offset if span.is_large else offset - layouts.MALLOC_HEADER
        if within < 0 or kind.name in _RUNTIME_OWN:
            return False
        mask = self._types.mask(kind)
        return mask is None or bool(mask >> within % kind.size // 8 & 1)

    def _bitmap(self, span: Span) -> bytes:
        if span.start not in self._bitmaps:
            self._bitmaps[span.start] = bytes(self._runtime.memory.read_many([self._runtime.bitmap_range(span)])[0] or b"")
        return self._bitmaps[span.start]

    def _alive_in(self, span: Span) -> int:
        if span.start not in self._alive:
            self._alive[span.start] = self._runtime.read_alive([span])[0]
        return self._alive[span.start]


# their words point anywhere, and own nothing: buffers of the write barrier, caches of a processor
_RUNTIME_OWN = frozenset({"runtime.p", "runtime.m", "runtime.mcache", "runtime.traceBuf", "runtime.g"})


def _pieces(start: int, end: int) -> Iterator[Range]:
    for first in range(start, end - 7, CHUNK):
        yield first, min(CHUNK, end - first) & ~7


def _sieve(objects: Iterable[Range]) -> list[bytes]:
    """For bytes 1, 2 and 3 of a word a table of the values that a pointer into one of the objects can have."""
    tables = [bytearray(256) for _ in range(3)]
    for start, size in objects:
        for table, shift in zip(tables, (8, 16, 24), strict=True):
            first, last = start >> shift, (start + size - 1) >> shift
            for value in range(first, min(last, first + 255) + 1):
                table[value & 0xFF] = 1
    return [bytes(table) for table in tables]


def _sifted(content: bytes, sieve: Sequence[bytes]) -> Iterator[int]:
    """Offsets of the words that may be such pointers: all words at once, a byte of each at a time."""
    marks = -1
    count = len(content) // 8
    for place, table in enumerate(sieve, 1):
        marks &= int.from_bytes(content[place : 8 * count : 8].translate(table), "little")
        if not marks:
            return
    found = marks.to_bytes(count, "little")
    place = found.find(1)
    while place >= 0:
        yield 8 * place
        place = found.find(1, place + 1)
