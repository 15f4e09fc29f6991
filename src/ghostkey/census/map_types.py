"""Which type a map has: the allocator wrote it before big arrays; small ones are told by their size and where pointers are."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence

from ghostkey.census import classic
from ghostkey.census.gomap import GoMap
from ghostkey.census.layouts import BITMAP_MOST, MALLOC_HEADER, PAGE
from ghostkey.census.memory import read_near
from ghostkey.census.runtime import Runtime, Span
from ghostkey.census.types import GoType, Types, map_name

NAMED = 6  # candidates that are kept of one map
# layout: internal/runtime/gc.SizeClassToSize, the same since Go 1.16
SIZES = (
    8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384, 416, 448, 480, 512, 576,
    640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2688, 3072, 3200, 3456, 4096, 4864, 5120, 5376, 6144,
    6528, 6784, 6912, 8192, 9472, 9728, 10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264,
    28672, 32768,
)  # fmt: skip
_Looks = tuple[int, bool, int, int | None]
"""(size of the object, whether it has no pointers, groups in it, where its pointers are)."""
_Told = tuple[tuple[str, ...], tuple[int, ...], bool]
"""(names of types, addresses of their descriptors, whether they are one)."""


class MapTypes:
    """Names the types of maps; what it has worked out once it remembers."""

    def __init__(self, runtime: Runtime, types: Types) -> None:
        self._runtime, self._types = runtime, types
        self._by_group: dict[int, GoType] | None = None
        self._looks: dict[_Looks, _Told] = {}

    @property
    def by_group(self) -> dict[int, GoType]:
        """For each type of groups or buckets a map type that has it: the unnamed one, where there are several."""
        if self._by_group is None:
            self._by_group = {}
            for found in self._types.all_of("map"):
                known = self._by_group.get(found.group)
                if known is None or (found.name.startswith("map[") and not known.name.startswith("map[")):
                    self._by_group[found.group] = found
        return self._by_group

    def name(self, maps: Sequence[GoMap]) -> None:
        """Says of each map which type it has, or which it may have."""
        rest = [found for found in maps if found.data and not found.type]
        spans = [self._runtime.heap_span_at(found.data) for found in rest]
        self._by_allocator(rest, spans)
        left = [(found, span) for found, span in zip(rest, spans, strict=True) if not found.type and span is not None]
        masks = self._masks([(found.data, span) for found, span in left])
        for (found, span), mask in zip(left, masks, strict=True):
            if found.design == "sync":
                continue
            looks = (span.elemsize, span.is_noscan, found.groups, mask)
            told = self._looks.get(looks)
            if told is None:
                told = self._looks[looks] = self._told(self._alike(found.design, looks, span))
            self._settle(found, told, "size" if mask is None else "mask")

    def keep(self, found: GoMap, kinds: Sequence[GoType], certainty: str) -> None:
        """Keeps what a map may be: one type, or several to choose from."""
        self._settle(found, self._told(kinds), certainty)

    def _told(self, kinds: Sequence[GoType]) -> _Told:
        names = sorted({self.name_of(kind) for kind in kinds})
        return tuple(names[:NAMED]), tuple(kind.address for kind in kinds), len(names) == 1

    @staticmethod
    def _settle(found: GoMap, told: _Told, certainty: str) -> None:
        """Keeps what a map may be: one type, or several to choose from."""
        names, addresses, is_one = told
        if is_one:
            found.type, found.type_address, found.certainty, found.candidates = names[0], addresses[0], certainty, ()
        else:
            found.candidates, found.alike = names, addresses

    def name_of(self, kind: GoType) -> str:
        """What a type of maps is called, by what its tables are made of: a named one as that which it is a name for."""
        group = self._types.at(kind.group)
        return map_name(group.name) if group is not None and group.is_group else kind.name

    def element_type(self, address: int, size: int) -> GoType | None:
        """The type the allocator wrote for an object, or for what its array is made of; None where it writes none."""
        span = self._runtime.heap_span_at(address)
        if span is None or span.is_noscan or not self._runtime.layout.has_malloc_headers:
            return None
        if span.is_large:
            return self._types.at(span.large_type)
        if size <= BITMAP_MOST:
            return None
        raw = self._runtime.memory.read_many([(address, MALLOC_HEADER)])[0]
        return self._types.at(int.from_bytes(raw, "little")) if raw is not None else None

    def _by_allocator(self, maps: Sequence[GoMap], spans: Sequence[Span | None]) -> None:
        if not self._runtime.layout.has_malloc_headers:
            return
        asked: list[tuple[GoMap, int]] = []
        for found, span in zip(maps, spans, strict=True):
            if span is None or span.is_noscan:
                continue
            if span.is_large:
                self._keep(found, span.large_type)
            elif span.elemsize > BITMAP_MOST:
                start = span.start + (found.data - span.start) // span.elemsize * span.elemsize
                asked.append((found, start))
        raw = read_near(self._runtime.memory, [(start, MALLOC_HEADER) for _, start in asked])
        for (found, _), word in zip(asked, raw, strict=True):
            if word is not None:
                self._keep(found, int.from_bytes(word, "little"))

    def _keep(self, found: GoMap, group_address: int) -> None:
        group = self._types.at(group_address)
        if group is None or not group.is_group:
            return
        found.type, found.certainty = map_name(group.name), "allocator"
        kind = self.by_group.get(group_address)
        found.type_address = kind.address if kind is not None else 0

    def _masks(self, places: Sequence[tuple[int, Span]]) -> list[int | None]:
        """Where the pointers of each object are, a bit a word; None where no bitmap says so."""
        if not self._runtime.layout.has_malloc_headers:
            return [self._mask_in_arena(address, span) for address, span in places]
        small = {span.start: span for _, span in places if not span.is_noscan and span.elemsize <= BITMAP_MOST}
        raw = read_near(self._runtime.memory, [self._runtime.bitmap_range(span) for span in small.values()])
        bits = {start: int.from_bytes(found, "little") for start, found in zip(small, raw, strict=True) if found is not None}
        masks: list[int | None] = []
        for address, span in places:
            words = span.elemsize // 8
            held = bits.get(span.start)
            index = (address - span.start) // span.elemsize
            masks.append(None if held is None else held >> index * words & ((1 << words) - 1))
        return masks

    def _mask_in_arena(self, address: int, span: Span) -> int | None:
        if span.is_noscan or span.elemsize > BITMAP_MOST:
            return None
        start = span.start + (address - span.start) // span.elemsize * span.elemsize
        return self._runtime.pointer_bits(start, span.elemsize // 8)

    def _alike(self, design: str, looks: _Looks, span: Span) -> list[GoType]:
        """The map types whose groups or buckets would make an object that looks so."""
        size, is_noscan, groups, mask = looks
        found = []
        for address, kind in self.by_group.items():
            group = self._types.at(address)
            if group is None or (group.pointer_bytes == 0) != is_noscan or not group.size:
                continue
            many = groups + (groups >> 4 if design == "classic" and groups >= 16 else 0)
            need = group.size * many
            if not is_noscan and self._runtime.layout.has_malloc_headers and need > BITMAP_MOST and not span.is_large:
                need += MALLOC_HEADER
            if rounded(need) != size:
                continue
            own = self._types.mask(group) if mask is not None else None
            if mask is None or own is None or _repeated(own, group.size // 8, groups) == mask:
                found.append(kind)
        return found

    def count_classic(self, maps: Iterable[GoMap]) -> None:
        """Counts the tombstones of classic maps by looking at every bucket, which also proves the type, or finds it."""
        for found in maps:
            if found.design != "classic" or not found.data or found.tombstones >= 0:
                continue
            header = classic.header_at(self._runtime, found.address)
            kinds = [kind for kind in self._possible(found) if kind.bucket_bytes]
            for size in dict.fromkeys(kind.bucket_bytes for kind in kinds) if header is not None else ():
                live, ones, buckets = classic.count_slots(self._runtime, header, size)  # type: ignore[arg-type]
                if live == found.length:
                    found.tombstones, found.slots = ones, 8 * buckets
                    if not found.type:
                        self.keep(found, [kind for kind in kinds if kind.bucket_bytes == size], "content")
                    break
            else:
                found.is_consistent = not kinds  # it changed while it was read, or none of the types is its own

    def _possible(self, found: GoMap) -> list[GoType]:
        if found.type_address:
            kind = self._types.at(found.type_address)
            return [kind] if kind is not None else []
        return [kind for address in found.alike if (kind := self._types.at(address)) is not None]


def rounded(size: int) -> int:
    """What the allocator makes of a size: its class, or whole pages."""
    if size <= SIZES[-1]:
        return SIZES[bisect.bisect_left(SIZES, size)]
    return (size + PAGE - 1) // PAGE * PAGE


def _repeated(mask: int, words: int, times: int) -> int:
    """The mask of an array."""
    return sum(mask << i * words for i in range(times))
