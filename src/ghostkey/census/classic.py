"""Classic maps: buckets of eight, until Go 1.23, and in 1.24 and 1.25 with GOEXPERIMENT=noswissmap.

Source: Go 1.23 src/runtime/map.go, layouts in `layouts`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ghostkey.census.gomap import GoMap
from ghostkey.census.headers import Header
from ghostkey.census.layouts import GROUP_SLOTS, HEADER_BYTES, MALLOC_HEADER, TOPHASH_LIVE, TOPHASH_MOVED, TOPHASH_ONE
from ghostkey.census.runtime import Runtime

CHAIN_MOST = 64  # overflow buckets behind one bucket: a loop in damaged memory must end
BUCKETS_MOST = 1 << 22  # of one map whose slots are looked at; 30 million entries
BATCH_BYTES = 4 << 20
OVERFLOW_EXACT = 16  # layout: runtime.incrnoverflow counts exactly below 2^16 buckets
PREALLOCATED = 4  # layout: runtime.makeBucketArray: from B = 4 on, 2^(B-4) overflow buckets come with the array


@dataclass(frozen=True, slots=True)
class Hmap:
    """The fields of one header."""

    address: int
    count: int
    flags: int
    log_buckets: int
    overflows: int
    seed: int
    buckets: int
    old_buckets: int
    evacuated: int

    @property
    def bucket_count(self) -> int:
        """Buckets, without those that overflow."""
        return 1 << self.log_buckets

    @property
    def old_count(self) -> int:
        """Buckets of the array that is being moved out of: half as many, or as many when it grows in place (sameSizeGrow)."""
        return self.bucket_count if self.flags & 8 else max(1, self.bucket_count >> 1)


def header_of(address: int, words: Sequence[int]) -> Hmap:
    """The fields of a header's words."""
    packed = words[1]
    return Hmap(
        address, words[0], packed & 0xFF, packed >> 8 & 0xFF, packed >> 16 & 0xFFFF, packed >> 32, words[2], words[3], words[4]
    )


def without_clear_seq(runtime: Runtime, words: Sequence[int]) -> tuple[int, ...]:
    """The six words that all versions have, of seven: Go 1.24 and 1.25 without Swiss maps have another before the last."""
    return (*words[:5], words[6] if runtime.build.minor >= 24 else words[5])


def is_header(runtime: Runtime, words: Sequence[int], *, has_mask: bool) -> bool:
    """Whether words are a map's header. `has_mask`: the collector says so too, so that an empty one can be told."""
    found = header_of(0, words)
    if found.flags >= 16 or found.log_buckets >= 40 or not found.seed or found.evacuated > found.bucket_count:
        return False
    if not found.buckets:
        return has_mask and not any((found.count, found.old_buckets, found.evacuated, found.overflows, found.log_buckets))
    if found.count > 4 * GROUP_SLOTS << found.log_buckets:
        return False
    rest = words[len(words) - 1]
    return (
        _fits(runtime, found.buckets, found.bucket_count)
        and (not found.old_buckets or _fits(runtime, found.old_buckets, found.old_count))
        and (not rest or runtime.heap_span_at(rest) is not None)
    )


def _fits(runtime: Runtime, pointer: int, buckets: int) -> bool:
    """Whether so many buckets, of 16 bytes at least, fit into the object that is pointed to, from its beginning."""
    span = runtime.span_at(pointer)
    if span is None:
        return False
    if span.state != 1:
        return pointer % 8 == 0 and pointer + 16 * buckets <= span.end  # the first bucket of a map that does not escape
    found = runtime.object_at(pointer)
    if found is None:
        return False
    start = pointer - found[0]
    return start in (0, MALLOC_HEADER) and start + 16 * buckets <= found[1]


def decode(runtime: Runtime, headers: Sequence[Header], place: str = "heap") -> list[GoMap]:
    """The maps of these headers, from the headers alone: tombstones are counted when the size of a bucket is known."""
    has_mask = runtime.has_bitmaps and place == "heap"
    return [
        _map(runtime, header_of(address, words), place)
        for address, words in headers
        if is_header(runtime, words, has_mask=has_mask)
    ]


def again(runtime: Runtime, address: int, place: str = "heap") -> GoMap | None:
    """One map read anew; None when no map is there any more."""
    found = header_at(runtime, address)
    return _map(runtime, found, place) if found is not None else None


def _map(runtime: Runtime, found: Hmap, place: str) -> GoMap:
    if not found.buckets:
        return GoMap(found.address, "classic", 0, 0, 0, HEADER_BYTES, found.seed, place)
    overflow = found.overflows if found.log_buckets < OVERFLOW_EXACT else found.overflows << (found.log_buckets - 15)
    size = HEADER_BYTES + sum(_size_at(runtime, pointer) for pointer in (found.buckets, found.old_buckets) if pointer)
    return GoMap(
        found.address, "classic", found.count, GROUP_SLOTS * (found.bucket_count + overflow), -1, size, found.seed, place,
        data=found.buckets, groups=found.bucket_count,
    )  # fmt: skip


def _size_at(runtime: Runtime, address: int) -> int:
    span = runtime.heap_span_at(address)
    return span.elemsize if span is not None else 0


def header_at(runtime: Runtime, address: int) -> Hmap | None:
    """The header at an address as it is now; None when it cannot be read or is none."""
    raw = runtime.memory.read_many([(address, HEADER_BYTES + 8)])[0]
    if raw is None:
        return None
    words = without_clear_seq(runtime, struct.unpack("<7Q", raw))
    return header_of(address, words) if is_header(runtime, words, has_mask=True) else None


def buckets(runtime: Runtime, found: Hmap, size: int) -> Iterator[memoryview]:
    """Every bucket of a map with live entries, or ones that were: the array, what overflows, and the old one while it grows.

    Those that were moved already are left out. Nothing for a size that cannot be.
    """
    if is_bucket_size(found, size):
        yield from _array(runtime, found.buckets, found.bucket_count, size)
        yield from _old(runtime, found, size)


def is_bucket_size(found: Hmap, size: int) -> bool:
    """Whether buckets can have this size, and are not too many to be looked at."""
    return 16 <= size <= 1 << 16 and size % 8 == 0 and found.bucket_count <= BUCKETS_MOST


def _old(runtime: Runtime, found: Hmap, size: int) -> Iterator[memoryview]:
    for bucket in _array(runtime, found.old_buckets, found.old_count, size) if found.old_buckets else ():
        if bucket[0] not in TOPHASH_MOVED:
            yield bucket


def _array(runtime: Runtime, start: int, count: int, size: int) -> Iterator[memoryview]:
    step = max(1, BATCH_BYTES // size)
    for first in range(0, count, step):
        several = min(step, count - first)
        raw = runtime.memory.read_many([(start + first * size, several * size)])[0]
        if raw is None:
            continue
        level = [raw[i * size : (i + 1) * size] for i in range(several)]
        for _ in range(CHAIN_MOST):
            yield from level
            behind = [pointer for bucket in level if (pointer := int.from_bytes(bucket[size - 8 :], "little"))]
            if not behind:
                break
            level = [found for found in runtime.memory.read_many([(pointer, size) for pointer in behind]) if found is not None]


def count_slots(runtime: Runtime, found: Hmap, size: int) -> tuple[int, int, int]:
    """(live entries, tombstones, buckets without the old ones) of a map with buckets of this size.

    The size is wrong unless live is what the header counts.
    """
    live = ones = many = 0
    if not is_bucket_size(found, size):
        return live, ones, many
    for is_old, several in (
        (False, _array(runtime, found.buckets, found.bucket_count, size)),
        (True, _old(runtime, found, size)),
    ):
        for bucket in several:
            tops = bytes(bucket[:GROUP_SLOTS])
            live += sum(top >= TOPHASH_LIVE for top in tops)
            ones += tops.count(TOPHASH_ONE)
            many += not is_old
    return live, ones, many


def has_sound_bucket(runtime: Runtime, found: GoMap) -> bool:
    """Whether the one bucket of a map counts as many entries as its header; for what was found by shape alone."""
    raw = runtime.memory.read_many([(found.data, GROUP_SLOTS)])[0]
    tops = bytes(raw or b"")
    return bool(tops) and sum(top >= TOPHASH_LIVE for top in tops) == found.length and set(tops).isdisjoint(TOPHASH_MOVED)
