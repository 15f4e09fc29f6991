"""Which of several types that look alike from outside a map has, by what its entries hold: pointers that point, texts that are."""

from __future__ import annotations

import time
from collections.abc import Iterable

from ghostkey.census import layouts, swiss
from ghostkey.census.gomap import GoMap
from ghostkey.census.map_types import MapTypes
from ghostkey.census.runtime import Runtime
from ghostkey.census.types import GoType, Types

SECONDS = 3.0
GROUPS = 4  # of a map that are looked at
TEXT_MOST = 1 << 32
DEPTH_MOST = 6
_POINTERS = frozenset({"ptr", "map", "chan", "func", "unsafe.Pointer"})


class Contents:
    """Settles the types of maps by looking at a few of their entries; nothing of what they hold leaves this room."""

    def __init__(self, runtime: Runtime, types: Types, map_types: MapTypes) -> None:
        self._runtime, self._types, self._map_types = runtime, types, map_types
        self._grouped: dict[tuple[int, ...], list[list[GoType]]] = {}

    def settle(self, maps: Iterable[GoMap], seconds: float = SECONDS) -> None:
        """Says which type a map has where only one of its candidates can be, and leaves out those that cannot; the first maps first."""
        deadline = time.monotonic() + seconds
        for found in maps:
            if found.type or not found.length or len(found.alike) < 2:
                continue
            if time.monotonic() > deadline:
                break
            several = self._by_shape(found.alike)
            left = [kinds for kinds in several if self._may_be(found, kinds[0])]
            if left and len(left) < len(several):
                self._map_types.keep(found, [kind for kinds in left for kind in kinds], "content")

    def _by_shape(self, alike: tuple[int, ...]) -> list[list[GoType]]:
        """Candidates whose keys and values are made alike come together: what one can be, all can."""
        if alike not in self._grouped:
            groups: dict[object, list[GoType]] = {}
            for kind in filter(None, map(self._types.at, alike)):
                shape = (
                    self._types.shape(kind.key),
                    self._types.shape(kind.elem),
                    kind.slot_bytes,
                    kind.bucket_bytes,
                    kind.flags,
                )
                groups.setdefault(shape, []).append(kind)
            self._grouped[alike] = list(groups.values())
        return self._grouped[alike]

    def _may_be(self, found: GoMap, kind: GoType) -> bool:
        key, elem = self._types.at(kind.key), self._types.at(kind.elem)
        if key is None or elem is None:
            return False
        slots = self._swiss(found, kind, key, elem) if found.design == "swiss" else self._classic(found, kind, key, elem)
        return all(self._is_whole(key, raw_key) and self._is_whole(elem, raw_elem) for raw_key, raw_elem in slots)

    def _is_whole(self, kind: GoType, raw: bytes) -> bool:
        """Whether bytes can be a value of a type, with nothing behind it."""
        return not any(raw[kind.size :]) and self._is_sound(kind, raw[: kind.size], 0)

    def _swiss(self, found: GoMap, kind: GoType, key: GoType, elem: GoType) -> Iterable[tuple[bytes, bytes]]:
        group = self._types.at(kind.group)
        if group is None or not group.size or kind.flags & (layouts.KEY_INDIRECT | layouts.ELEM_INDIRECT):
            return
        for start, count in swiss.group_arrays(self._runtime, found.address)[:1]:
            raw = self._runtime.memory.read_many([(start, min(count, GROUPS) * group.size)])[0]
            for first in range(0, len(raw or b""), group.size):
                one = bytes(raw[first : first + group.size]) if raw is not None else b""
                for slot in swiss.live_slots(one):
                    key_at, elem_at = 8 + slot * kind.slot_bytes, kind.elem_offset + slot * kind.elem_stride
                    # with what lies behind each up to the next, which nothing ever writes to
                    key_end = min(key_at + kind.slot_bytes, elem_at) if elem_at > key_at else key_at + kind.slot_bytes
                    yield one[key_at:key_end], one[elem_at : min(elem_at + kind.elem_stride, key_at + kind.slot_bytes)]

    def _classic(self, found: GoMap, kind: GoType, key: GoType, elem: GoType) -> Iterable[tuple[bytes, bytes]]:
        is_indirect = kind.flags & (layouts.OLD_KEY_INDIRECT | layouts.OLD_ELEM_INDIRECT)
        raw = self._runtime.memory.read_many([(found.data, kind.bucket_bytes)])[0] if found.data and not is_indirect else None
        if raw is None:
            return
        bucket = bytes(raw)
        for slot, top in enumerate(bucket[: layouts.GROUP_SLOTS]):
            if top >= layouts.TOPHASH_LIVE:
                key_at = layouts.GROUP_SLOTS + slot * key.size
                elem_at = layouts.GROUP_SLOTS * (1 + key.size) + slot * elem.size
                yield bucket[key_at : key_at + key.size], bucket[elem_at : elem_at + elem.size]

    def _is_sound(self, kind: GoType, raw: bytes, depth: int) -> bool:
        """Whether bytes can be a value of a type; any number can."""
        if depth > DEPTH_MOST or len(raw) < kind.size:
            return True
        word, more = int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:16], "little")
        if kind.kind in _POINTERS:
            return not word or self._points(word)
        match kind.kind:
            case "bool":
                return raw[0] < 2
            case "float64":
                return not raw[: kind.size].strip(b"\0") or any(raw[6:8])  # what is that near to nothing was a number once
            case "string":
                return (not more) or (more < TEXT_MOST and self._points(word))
            case "slice":
                return more <= int.from_bytes(raw[16:24], "little") < TEXT_MOST and (not word or self._points(word))
            case "interface":
                return not word or (self._points(word) and (not more or self._points(more)))
            case "array":
                inner = self._types.at(kind.elem)
                return inner is None or not inner.size or self._is_sound(inner, raw[: inner.size], depth + 1)
            case "struct":
                return all(self._is_sound_field(raw, field.offset, field.type, depth) for field in self._types.fields(kind))
        return True

    def _is_sound_field(self, raw: bytes, offset: int, address: int, depth: int) -> bool:
        inner = self._types.at(address)
        return inner is None or self._is_sound(inner, raw[offset : offset + inner.size], depth + 1)

    def _points(self, address: int) -> bool:
        """Whether an address is in the heap, a stack, or what was loaded of the executable."""
        if self._runtime.span_at(address) is not None:
            return True
        return any(mapping.start <= address < mapping.end for mapping in self._runtime.memory.mappings)
