"""Finding every map header of the heap, and of goroutines' stacks: by what the collector knows of their pointers, and by shape."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Sequence

from ghostkey.census import layouts
from ghostkey.census.memory import read_near
from ghostkey.census.runtime import Runtime, Span

Header = tuple[int, tuple[int, ...]]
"""(address, its words)."""


def heap_headers(runtime: Runtime, mask: int, size: int = layouts.HEADER_BYTES) -> Iterator[Header]:
    """Every allocated object of this size whose pointer bitmap is this mask; before Go 1.22, every object of the size.

    Spans that are gone are passed over. Noscan spans hold no header: a map's header has a pointer.
    """
    spans = list(runtime.scan_spans(size))
    alive = runtime.read_alive(spans)
    pages = read_near(runtime.memory, [(span.start, span.end - span.start) for span in spans])
    count = size // 8
    has_bitmaps = runtime.has_bitmaps
    parse = struct.Struct(f"<{count}Q").unpack_from
    for span, bits, page in zip(spans, alive, pages, strict=True):
        if page is None:
            continue
        fit = _of_mask(runtime, span, page, mask, count) if has_bitmaps else bits
        for i in set_bits(bits & fit):
            yield span.start + i * size, parse(page, i * size)


def _of_mask(runtime: Runtime, span: Span, page: memoryview, mask: int, words: int) -> int:
    """The objects of a span whose words are pointers exactly where the mask says, a bit each."""
    if runtime.layout.has_malloc_headers:
        start, size = runtime.bitmap_range(span)
        found = int.from_bytes(page[start - span.start : start - span.start + size], "little")
    else:
        told = runtime.pointer_bits(span.start, (span.end - span.start) // 8)
        if told is None:
            return (1 << span.nelems) - 1
        found = told
    ones = _every(words, span.nelems)
    wrong = found ^ (mask * ones)
    differs = wrong
    for shift in range(1, words):
        differs |= wrong >> shift
    return _packed(ones & ~differs, words, span.nelems)


@functools.cache
def _every(words: int, count: int) -> int:
    """Bit 0 of each of `count` fields of `words` bits."""
    return sum(1 << words * i for i in range(count))


def _packed(marks: int, words: int, count: int) -> int:
    """One bit an object, of bits that stand `words` apart."""
    text = bin(marks)[2:].zfill(words * count)[::-1][::words]
    return int(text[::-1] or "0", 2)


def set_bits(number: int) -> Iterator[int]:
    """The places of the bits that are set, from the lowest."""
    text = bin(number)[:1:-1]
    place = text.find("1")
    while place >= 0:
        yield place
        place = text.find("1", place + 1)


def stack_headers(words: Sequence[int], start: int, is_swiss: bool) -> Iterator[Header]:
    """What may be a header among the words of a stack, at any of its places; whoever takes them has to look closer."""
    if is_swiss:
        for i in range(len(words) - 5):
            # depth, shift, writing, tombstonePossible; four bytes of padding, which a compiler clears
            if words[i + 4] < 0x0101_4100 and 0 < words[i] < 1 << 40 and words[i + 1] >> 32 and words[i + 2] > 1 << 16:
                yield start + 8 * i, tuple(words[i : i + 6])
        return
    for i in range(len(words) - 5):
        packed = words[i + 1]
        if 0 < words[i] < 1 << 40 and packed & 0xFF < 16 and packed >> 32 and words[i + 2] > 1 << 16:
            yield start + 8 * i, tuple(words[i : i + 6])
