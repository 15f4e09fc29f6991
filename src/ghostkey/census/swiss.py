"""Swiss maps, Go 1.24 and newer: from a header to its directory, its tables, and what they have room for.

Source: Go src/internal/runtime/maps/{map,table,group}.go, layouts in `layouts`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from ghostkey.census.gomap import GoMap
from ghostkey.census.headers import Header
from ghostkey.census.layouts import CTRL_EMPTY, GROUP_SLOTS, HEADER_BYTES, MALLOC_HEADER, SPAN_STACK, TABLE_BYTES, TABLE_MOST
from ghostkey.census.memory import Range, read_near
from ghostkey.census.runtime import Runtime

_FLAGS = 0x0101_0000  # writing and tombstonePossible, beside a directory of no depth
TRIES = 20  # of a map that is being written while it is read
_TABLE = struct.Struct("<HHHBxqQQ")


@dataclass(slots=True)
class Table:
    """One table: how many entries it has, how many it has room for, and where its groups are."""

    used: int
    capacity: int
    growth_left: int
    groups: int

    @property
    def tombstones(self) -> int:
        """Deleted slots that only a rebuild gives back: what growth was left for and is neither left nor used."""
        most = self.capacity - 1 if self.capacity <= GROUP_SLOTS else self.capacity * 7 // 8
        return most - self.used - self.growth_left


def sort_of(runtime: Runtime, words: Sequence[int]) -> str:
    """What a header says it is: `empty`, `small` (one group), `full` (a directory), or nothing when it is no header."""
    used, seed, pointer, length, packed = words[0], words[1], words[2], words[3], words[4]
    depth, shift = packed & 0xFF, packed >> 8 & 0xFF
    if packed >> 32 or packed >> 16 & 0xFF > 1 or packed >> 24 & 0xFF > 1:
        return ""
    if length == 0:
        if depth or shift or used > GROUP_SLOTS:
            return ""
        if pointer == 0:
            return "empty" if used == 0 and seed >> 32 else ""
        return "small" if _is_object(runtime, pointer) or _is_on_stack(runtime, pointer) else ""
    if depth > 40 or length != 1 << depth or shift != (64 - depth) & 0xFF or used > length * (TABLE_MOST * 7 // 8):
        return ""
    found = runtime.object_at(pointer)
    return "full" if found is not None and found[0] <= pointer and pointer + 8 * length <= found[0] + found[1] else ""


def _is_object(runtime: Runtime, pointer: int) -> bool:
    found = runtime.object_at(pointer)
    return found is not None and pointer - found[0] in (0, 8)


def _is_on_stack(runtime: Runtime, pointer: int) -> bool:
    """Whether it points into a stack: a map that does not escape has its first group in the frame."""
    span = runtime.span_at(pointer)
    return span is not None and span.state == SPAN_STACK and pointer % 8 == 0


def decode(runtime: Runtime, headers: Sequence[Header], place: str = "heap") -> tuple[list[GoMap], int]:
    """The maps of these headers, and how many looked like one and could not be read: they changed all the time.

    Those whose tables do not agree with the header are read again, alone, up to TRIES times.
    """
    maps: list[GoMap] = []
    full: list[Header] = []
    span_at, add = runtime.heap_span_at, maps.append
    for address, words in headers:
        used, seed, pointer, length, packed = words[:5]
        # what `sort_of` says of most maps there are, in a quarter of the time
        span = span_at(pointer) if not length and not packed & ~_FLAGS and pointer and used <= GROUP_SLOTS else None
        if span is not None and not span.is_large and (pointer - span.start) % span.elemsize in (0, MALLOC_HEADER):
            add(GoMap(address, "swiss", used, GROUP_SLOTS, 0, HEADER_BYTES + span.elemsize, seed, place, True, pointer, 1))
            continue
        match sort_of(runtime, words):
            case "empty":
                add(GoMap(address, "swiss", 0, 0, 0, HEADER_BYTES, seed, place))
            case "small":
                add(_small(runtime, address, words, place))
            case "full":
                full.append((address, words))
    lost = 0
    decoded = _decode_full(runtime, full, place)
    if any(found is None or not found.is_consistent for found in decoded):
        runtime.read_spans()  # what was allocated since is unknown to us
    for (address, _), found in zip(full, decoded, strict=True):
        settled = found if found is not None and found.is_consistent else again(runtime, address, place) or found
        if settled is None:
            lost += 1
        else:
            maps.append(settled)
    return maps, lost


def again(runtime: Runtime, address: int, place: str = "heap") -> GoMap | None:
    """One map read anew until it is consistent, at most TRIES times; then the last that could be read at all; None: no map."""
    last = None
    for _ in range(TRIES):
        raw = runtime.memory.read_many([(address, HEADER_BYTES)])[0]
        if raw is None:
            return None
        words = struct.unpack("<6Q", raw)
        sort = sort_of(runtime, words)
        if sort == "empty":
            return GoMap(address, "swiss", 0, 0, 0, HEADER_BYTES, words[1], place)
        if sort == "small":
            return _small(runtime, address, words, place)
        found = _decode_full(runtime, [(address, words)], place)[0] if sort else None
        if found is not None and found.is_consistent:
            return found
        last = found or last
    return last


def _small(runtime: Runtime, address: int, words: Sequence[int], place: str) -> GoMap:
    found = runtime.object_at(words[2])
    size = found[1] if found else 0
    return GoMap(address, "swiss", words[0], GROUP_SLOTS, 0, HEADER_BYTES + size, words[1], place, data=words[2], groups=1)


def has_sound_group(runtime: Runtime, found: GoMap) -> bool:
    """Whether the control bytes of a map of one group count as many entries as its header; for what was found by shape alone."""
    raw = runtime.memory.read_many([(found.data, GROUP_SLOTS)])[0] if found.data else None
    return raw is not None and sum(byte < CTRL_EMPTY for byte in raw) == found.length and set(raw).isdisjoint(_NO_CONTROL)


_NO_CONTROL = frozenset(range(0x81, 0x100))  # a map of one group has no tombstones either


def _decode_full(runtime: Runtime, headers: Sequence[Header], place: str) -> list[GoMap | None]:
    """The maps of headers with directories; None for one that cannot be read or whose tables are none."""
    directories = runtime.memory.read_many([(words[2], 8 * words[3]) for _, words in headers])
    pointers: list[list[int]] = []
    for directory in directories:
        entries = memoryview(directory).cast("Q").tolist() if directory is not None else []
        # a table with a smaller local depth stands in consecutive entries
        pointers.append([entry for i, entry in enumerate(entries) if not i or entry != entries[i - 1]])
    ranges: list[Range] = [(pointer, TABLE_BYTES) for several in pointers for pointer in several]
    raw = iter(read_near(runtime.memory, ranges))
    found: list[GoMap | None] = []
    for (address, words), several in zip(headers, pointers, strict=True):
        tables = [_table(runtime, next(raw)) for _ in several]
        sound = [table for table in tables if table is not None]
        is_whole = bool(sound) and len(sound) == len(tables)
        found.append(_full(runtime, address, words, sound, place) if is_whole else None)
    return found


def _table(runtime: Runtime, raw: memoryview | None) -> Table | None:
    if raw is None:
        return None
    used, capacity, growth_left, _, _, groups, mask = _TABLE.unpack(raw)
    is_sound = GROUP_SLOTS <= capacity <= TABLE_MOST and capacity & (capacity - 1) == 0 and mask == capacity // GROUP_SLOTS - 1
    table = Table(used, capacity, growth_left, groups)
    return table if is_sound and table.tombstones >= 0 and _is_object(runtime, groups) else None


def _full(runtime: Runtime, address: int, words: Sequence[int], tables: list[Table], place: str) -> GoMap:
    used = sum(table.used for table in tables)
    biggest = max(tables, key=lambda table: table.capacity)
    size = HEADER_BYTES + _size_at(runtime, words[2]) + TABLE_BYTES * len(tables)
    return GoMap(
        address, "swiss", words[0], sum(table.capacity for table in tables), sum(table.tombstones for table in tables),
        size + sum(_size_at(runtime, table.groups) for table in tables), words[1], place, used == words[0],
        data=biggest.groups, groups=biggest.capacity // GROUP_SLOTS,
    )  # fmt: skip


def _size_at(runtime: Runtime, address: int) -> int:
    span = runtime.heap_span_at(address)
    return span.elemsize if span is not None else 0


def group_arrays(runtime: Runtime, address: int) -> list[tuple[int, int]]:
    """(address, number of groups) of each array of groups of a map, as they are now; nothing when it cannot be read."""
    raw = runtime.memory.read_many([(address, HEADER_BYTES)])[0]
    words = struct.unpack("<6Q", raw) if raw is not None else ()
    match sort_of(runtime, words) if words else "":
        case "small":
            return [(words[2], 1)]
        case "full":
            directory = runtime.memory.read_many([(words[2], 8 * words[3])])[0]
            entries = list(dict.fromkeys(memoryview(directory).cast("Q").tolist())) if directory is not None else []
            tables = [_table(runtime, found) for found in read_near(runtime.memory, [(entry, TABLE_BYTES) for entry in entries])]
            return [(table.groups, table.capacity // GROUP_SLOTS) for table in tables if table is not None]
    return []


def live_slots(control: bytes | memoryview) -> list[int]:
    """The slots of one group that hold an entry."""
    return [slot for slot, byte in enumerate(control[:GROUP_SLOTS]) if byte < CTRL_EMPTY]
