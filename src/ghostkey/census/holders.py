"""The path to a map in words: `main.mgr → (main.Reconciler).seen`, by symbols where there are any and by runtime types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ghostkey.census import layouts
from ghostkey.census.dwarf import Dwarf
from ghostkey.census.errors import MemoryFault
from ghostkey.census.functions import Functions
from ghostkey.census.gomap import GoMap
from ghostkey.census.goroutines import Goroutine
from ghostkey.census.map_types import MapTypes, rounded
from ghostkey.census.paths import Edge, Path
from ghostkey.census.references import GLOBAL, POOL
from ghostkey.census.runtime import Runtime
from ghostkey.census.types import GoType, Types

NESTED_MOST = 32  # structs in structs
TEXT_MOST = 64 << 20
WORD = 8  # a global that is not larger has no fields
USERS = 2  # functions that are named for a global without a symbol
ARROW = " → "
UNTOLD = ARROW + "…"  # objects whose types nothing tells
_DIRECT = frozenset({"map", "func", "chan", "unsafe.Pointer"})  # an interface holds these as they are, and points to all else
_IN_ENTRY = re.compile(r"^(?:\[\d+\])?\.?(?:slots|keys|elems)\[\d+\](?:\.(?:key|elem))?|^(?:\[\d+\])?\.(?:keys|elems)")


def _worth(path: Path, words: str) -> tuple[bool, bool, int, str, str]:
    """Less is better; by the last hop before all others, since a goroutine's number is another one in each process."""
    return not _is_field(path, words), path.is_loose, path.distance, words.rpartition(ARROW)[2], words


def _is_field(path: Path, words: str) -> bool:
    """Whether a path ends at a field of a type that is known, or at a global by its name; a pool's fields are nobody's."""
    if path.kind == POOL:
        return False
    _, arrow, last = words.rpartition(ARROW)
    return last.startswith("(") and ")." in last if arrow else path.kind == GLOBAL


@dataclass(slots=True)
class _Spot:
    """How far a path has been told: the words, and which type the object has that the last word points to."""

    words: str
    kind: GoType | None = None  # of the object that comes next
    is_array: bool = False  # it is the array of a slice
    leaf: GoType | None = None  # the type of the word itself


class Holders:
    """Puts paths into words. `maps` are all maps of the census, by the address of their header."""

    def __init__(
        self, runtime: Runtime, types: Types, map_types: MapTypes, functions: Functions, routines: Sequence[Goroutine],
        maps: Mapping[int, GoMap], dwarf: Dwarf,
    ) -> None:  # fmt: skip
        self._runtime, self._types, self._map_types, self._functions = runtime, types, map_types, functions
        self._routines, self._maps, self._dwarf = routines, maps, dwarf
        self._symbols: dict[int, tuple[str, int, int]] = {}
        self._users: dict[int, list[str]] = {}
        self._stacks: dict[int, Sequence[tuple[int, int, int]]] = {}  # by the number of the goroutine
        self._structs: dict[tuple[int, int | None], list[GoType]] | None = None
        self._told_alike: dict[tuple[object, ...], GoType | None] = {}

    def prepare(self, paths: Iterable[tuple[GoMap, Path]]) -> None:
        """Looks up the names of all globals at once: symbols, or the functions that use them."""
        wanted = {self._global_of(found, path) for found, path in paths if path.kind in (GLOBAL, POOL)}
        bias = self._runtime.bias
        self._symbols = {a + bias: named for a, named in self._runtime.executable.symbols({a - bias for a in wanted}).items()}
        unnamed = wanted - self._symbols.keys()
        if unnamed:
            self._users = users_of(self._runtime, self._functions, unnamed)

    @staticmethod
    def _global_of(found: GoMap, path: Path) -> int:
        # the root of a sync.Map's tree is 16 bytes into it: layout: internal/sync.HashTrieMap.root
        return path.edges[0].location - (16 if found.design == "sync" and len(path.edges) == 1 else 0)

    def tell_best(self, found: GoMap, paths: Sequence[Path]) -> None:
        """Keeps the holder of a map by the first path that ends at a field of a known type, else by the first of all.

        Which path is the nearest differs from look to look, as stacks do; of two that are alike, the first word for word is told.
        """
        told = [(path, *self._words(found, path)) for path in paths]
        self._keep(found, *min(told, key=lambda one: _worth(one[0], one[1])))

    def _words(self, found: GoMap, path: Path) -> tuple[str, GoType | None]:
        """The path in words, and the type of the word that holds the map."""
        spot = _Spot(self._root(found, path))
        if path.kind == GLOBAL and len(path.edges) == 1:
            spot.leaf = None
        edges = path.edges
        place = 1
        while place < len(edges):
            place = self._hop(spot, edges, place, found)
        return spot.words, spot.leaf

    def _keep(self, found: GoMap, path: Path, words: str, leaf: GoType | None) -> None:
        """Keeps a holder, and the map's type where the field that holds it tells."""
        found.holder, found.root = words, path.kind
        if leaf is not None and leaf.kind == "map" and not found.type:
            found.type, found.type_address = self._map_types.name_of(leaf), leaf.address
            found.certainty, found.candidates = "holder", ()

    def _root(self, found: GoMap, path: Path) -> str:
        if path.kind == POOL:
            return (
                "a sync.Pool"
                if self._runtime.heap_span_at(path.edges[0].location)
                else f"{self._global(found, path)} (a sync.Pool)"
            )
        return self._global(found, path) if path.kind == GLOBAL else self.stack_place(path.edges[0].location)

    def _global(self, found: GoMap, path: Path) -> str:
        address = self._global_of(found, path)
        named = self._symbols.get(address)
        if named is not None:
            name, offset, size = named
            inside = self._field(name, address - offset, offset) if size > WORD else ""
            return name + (inside or (f"+{offset:#x}" if offset else ""))
        # a path before the package's own name is long, and says less
        users = dict.fromkeys(name.rpartition("/")[2] for name in self._users.get(address, []))
        return f"global {address:#x}" + (f" (used by {', '.join([*users][:USERS])})" if users else "")

    def _field(self, name: str, address: int, offset: int) -> str:
        """Which field of a global it is, where there is debug information."""
        return self._dwarf.field(name, address - self._runtime.bias, offset)

    def stack_place(self, location: int) -> str:
        """Which goroutine's stack an address is on, and in which function's frame."""
        for routine in self._routines:
            if routine.low <= location < routine.high:
                for i, (pc, start, end) in enumerate(self._stack(routine)):
                    if start <= location < end and (frames := self._functions.frames(pc - bool(i))):
                        return f"goroutine {routine.id} in {frames[-1].function.rpartition('/')[2]}"
                return f"goroutine {routine.id}"
        return "a stack"

    def _stack(self, routine: Goroutine) -> Sequence[tuple[int, int, int]]:
        """The calls of a goroutine that does not run, read once: thousands of maps may be held by one."""
        if routine.id not in self._stacks:
            self._stacks[routine.id] = self._functions.stack(routine)
        return self._stacks[routine.id]

    # hops

    def _hop(self, spot: _Spot, edges: Sequence[Edge], place: int, found: GoMap) -> int:
        """Tells of one object (or of a map, with its tables) and gives the place of the next edge."""
        before, edge = edges[place - 1], edges[place]
        owner = self._runtime.object_at(edge.location)
        if owner is None:
            spot.words, spot.kind, spot.leaf = f"{spot.words}{ARROW}?", None, None
            return place + 1
        inside = self._maps.get(owner[0]) if self._maps.get(owner[0]) is not found else None
        if inside is not None:
            return self._through_map(spot, inside, edges, place)
        is_last = place == len(edges) - 1
        kind = self._map_types.element_type(*owner) or spot.kind
        has_header = owner[1] > layouts.BITMAP_MOST and self._runtime.layout.has_malloc_headers
        span = self._runtime.heap_span_at(owner[0])
        offset = edge.location - owner[0]
        if has_header and span is not None and not span.is_large:
            offset -= layouts.MALLOC_HEADER
        if kind is None or not kind.size or offset < 0 or kind.kind in {"func", "map"}:
            guessed = self._dynamic(before.location)  # if the word before is a type, which nobody promises
            is_likely = (
                guessed is not None and self._is_as_big(guessed, owner) and self._has_map_at(guessed, offset, found, is_last)
            )
            kind = guessed if is_likely else self._alike(owner, offset, found, is_last)
        elif is_last and not self._has_map_at(kind, offset % kind.size, found, is_last):
            kind = None
        if kind is None:
            spot.words, spot.kind, spot.leaf = self._untyped(spot, owner[0], offset, is_last=is_last), None, None
            return place + 1
        index, rest = divmod(offset, kind.size)
        label, leaf, _ = self.descend(kind, rest, is_sync=found.design == "sync" and is_last)
        if spot.is_array and kind.kind != "struct":
            spot.words += f"[{index}]{label}"
        elif spot.is_array:
            spot.words += f"[{index}]{ARROW}({kind.name}){label}"
        else:
            spot.words += f"{ARROW}({kind.name})" + (f"[{index}]" if index else "") + label
        self._point(spot, leaf, edge.location)
        return place + 1

    def _untyped(self, spot: _Spot, address: int, offset: int, *, is_last: bool) -> str:
        """What is said of an object whose type nothing tells: a closure by its function, else where in it the word is."""
        try:
            code = self._runtime.word(address)
        except MemoryFault:
            code = 0
        function = self._functions.function_at(code)
        if function is not None and function.entry == code and offset:
            return f"{spot.words}{ARROW}func {function.name}"
        if is_last:
            return f"{spot.words}{ARROW}?" + (f"+{offset:#x}" if offset else "")
        return spot.words if spot.words.endswith(UNTOLD) else spot.words + UNTOLD

    def _through_map(self, spot: _Spot, inside: GoMap, edges: Sequence[Edge], place: int) -> int:
        """A value or key of another map: its tables are passed over, until the word in one of its entries."""
        kind = self._types.at(inside.type_address) or (spot.kind if spot.kind and spot.kind.kind == "map" else None)
        place += 1
        group = self._types.at(kind.group) if kind is not None else None
        while place < len(edges):
            edge = edges[place]
            owner = self._runtime.object_at(edge.location)
            if owner is None or (owner[0] in self._maps and place > 1):
                break
            own = self._map_types.element_type(*owner)
            array = own if own is not None and own.is_group else group
            if inside.design == "swiss" and array is not None and not self._is_table(owner, edge):
                size = owner[1] > layouts.BITMAP_MOST and not self._is_large(owner[0])
                self._entry(spot, array, edge, edge.location - owner[0] - (layouts.MALLOC_HEADER if size else 0))
                return place + 1
            if inside.design == "classic" and array is not None and array.size:
                size = owner[1] > layouts.BITMAP_MOST and not self._is_large(owner[0]) and self._runtime.layout.has_malloc_headers
                self._entry(spot, array, edge, edge.location - owner[0] - (layouts.MALLOC_HEADER if size else 0))
                return place + 1
            place += 1
        spot.words, spot.kind, spot.leaf = f"{spot.words}[*]", None, None
        return place

    def _is_large(self, address: int) -> bool:
        span = self._runtime.heap_span_at(address)
        return span is not None and span.is_large

    def _is_table(self, owner: tuple[int, int], edge: Edge) -> bool:
        """Whether an object on the way into a Swiss map is its directory or a table: what it points to is a table or groups."""
        target = self._runtime.object_at(edge.value)
        if owner[1] == layouts.TABLE_BYTES and edge.location - owner[0] == 16:
            return target is not None and edge.value - target[0] in (0, layouts.MALLOC_HEADER)
        return (
            target is not None and target[1] == layouts.TABLE_BYTES and edge.value == target[0] and self._is_table_at(edge.value)
        )

    def _is_table_at(self, address: int) -> bool:
        raw = self._runtime.memory.read_many([(address, layouts.TABLE_BYTES)])[0]
        if raw is None:
            return False
        capacity, mask = int.from_bytes(raw[2:4], "little"), int.from_bytes(raw[24:32], "little")
        return 8 <= capacity <= layouts.TABLE_MOST and mask == capacity // 8 - 1

    def _entry(self, spot: _Spot, group: GoType, edge: Edge, offset: int) -> None:
        label, leaf, _ = self.descend(group, offset % group.size) if group.size and offset >= 0 else ("", None, 0)
        spot.words += "[*]" + _IN_ENTRY.sub("", label)
        self._point(spot, leaf, edge.location)

    def _point(self, spot: _Spot, leaf: GoType | None, location: int) -> None:
        """What the word of a known type points to."""
        spot.leaf, spot.is_array, spot.kind = leaf, False, None
        if leaf is None:
            return
        if leaf.kind in {"ptr", "slice"}:
            spot.kind, spot.is_array = self._types.at(leaf.elem), leaf.kind == "slice"
        elif leaf.kind == "map":
            spot.kind = leaf
        elif leaf.kind == "interface":
            spot.kind = self._dynamic(location)

    def _dynamic(self, location: int) -> GoType | None:
        """The type of what an interface points to, when its data word is at the location: its type stands before it."""
        try:
            word = self._runtime.word(location - 8)
        except MemoryFault:
            return None
        kind = self._types.at(word)
        if kind is None and word > 4096:
            raw = self._runtime.memory.read_many([(word, 16)])[0]  # layout: internal/abi.ITab: Inter, Type
            if raw is None or (inter := self._types.at(int.from_bytes(raw[:8], "little"))) is None or inter.kind != "interface":
                return None
            kind = self._types.at(int.from_bytes(raw[8:], "little"))
        if kind is None or kind.kind in _DIRECT:
            return kind if kind is not None and kind.kind == "map" else None
        return self._types.at(kind.elem) if kind.kind == "ptr" else kind

    def descend(self, kind: GoType, offset: int, *, is_sync: bool = False) -> tuple[str, GoType | None, int]:
        """(`.field[3].inner`, the type of what is there, how far into that) for an offset in a type."""
        label = ""
        for _ in range(NESTED_MOST):
            if kind.kind == "struct" and not (is_sync and kind.name == "sync.Map"):
                fields = [field for field in self._types.fields(kind) if field.offset <= offset]
                if not fields:
                    return label, None, offset
                # of fields at one offset the last: those before it have no size
                field = fields[-1]
                inner = self._types.at(field.type)
                label, offset = f"{label}.{field.name}", offset - field.offset
            elif kind.kind == "array":
                inner = self._types.at(kind.elem)
                if inner is None or not inner.size:
                    return label, None, offset
                label, offset = f"{label}[{offset // inner.size}]", offset % inner.size
            else:
                break
            if inner is None or offset >= max(inner.size, 1):
                return label, None, offset
            kind = inner
        return label, kind, offset

    def _is_as_big(self, kind: GoType, owner: tuple[int, int]) -> bool:
        """Whether the allocator would have made such an object for the type, and the collector knows of the same pointers."""
        if rounded(kind.size) != owner[1]:
            return False
        mask = self._mask_of(owner)
        return mask is None or self._types.mask(kind) in (None, mask)

    def _mask_of(self, owner: tuple[int, int]) -> int | None:
        """Where the pointers of a small object are, a bit a word; None where no bitmap says so."""
        span = self._runtime.heap_span_at(owner[0])
        if span is None or owner[1] > layouts.BITMAP_MOST or span.is_noscan:
            return None
        if not self._runtime.layout.has_malloc_headers:
            return self._runtime.pointer_bits(owner[0], owner[1] // 8)
        start, size = self._runtime.bitmap_range(span)
        raw = self._runtime.memory.read_many([(start, size)])[0]
        if raw is None:
            return None
        return int.from_bytes(raw, "little") >> (owner[0] - span.start) // 8 & ((1 << owner[1] // 8) - 1)

    def _alike(self, owner: tuple[int, int], offset: int, found: GoMap, is_last: bool) -> GoType | None:
        """The one struct of the program that has this size, its pointers in these places, and a map of that type just there."""
        mask = self._mask_of(owner)
        if mask is None:
            return None
        same = (owner[1], mask, offset, found.design, found.type, found.candidates, is_last)
        if same not in self._told_alike:  # thousands of maps are held by the same few structs
            kinds = [kind for kind in self._structs_of(owner[1], mask) if self._has_map_at(kind, offset, found, is_last)]
            self._told_alike[same] = kinds[0] if len({kind.name for kind in kinds}) == 1 else None
        return self._told_alike[same]

    def _has_map_at(self, kind: GoType, offset: int, found: GoMap, is_last: bool) -> bool:
        """Whether a type has a pointer at an offset, and if it is the last on the way, one to such a map."""
        _, leaf, rest = self.descend(kind, offset, is_sync=is_last and found.design == "sync")
        if leaf is None or offset >= kind.size:
            return False
        if not is_last:
            return (
                leaf.kind in {"ptr", "map", "unsafe.Pointer", "chan", "func"}
                or (leaf.kind in {"slice"} and rest == 0)
                or (leaf.kind == "interface" and rest == 8)
            )
        if found.design == "sync":
            return leaf.kind != "map"
        if leaf.kind == "interface":
            return rest == 8  # a map as it is
        if leaf.kind in {"unsafe.Pointer", "ptr"}:
            return True
        name = self._map_types.name_of(leaf) if leaf.kind == "map" else ""
        return bool(name) and (name == found.type if found.type else not found.candidates or name in found.candidates)

    def _structs_of(self, size: int, mask: int) -> list[GoType]:
        """The structs that the allocator gives that many bytes, and whose pointers are there."""
        if self._structs is None:
            self._structs = {}
            for kind in self._types.all_of("struct"):
                if 0 < kind.size <= layouts.BITMAP_MOST and kind.pointer_bytes:
                    self._structs.setdefault((rounded(kind.size), self._types.mask(kind)), []).append(kind)
        return self._structs.get((size, mask), [])


# amd64: a modrm byte that says "relative to the next instruction", then 32 bits of distance
_RELATIVE = re.compile(rb"[\x05\x0d\x15\x1d\x25\x2d\x35\x3d]")


def users_of(runtime: Runtime, functions: Functions, wanted: set[int]) -> dict[int, list[str]]:
    """For each address the functions whose code names it, main's first: what tells a global without its symbol. amd64 only."""
    found: dict[int, list[str]] = {}
    if runtime.executable.machine != "amd64":
        return found
    for module in runtime.modules:
        try:
            text = runtime.memory.read(module.text, min(module.etext - module.text, TEXT_MOST))
        except MemoryFault:
            continue
        low, high = min(wanted) - module.text, max(wanted) - module.text
        for match in _RELATIVE.finditer(text, 0, max(0, len(text) - 4)):
            end = match.end()
            distance = int.from_bytes(text[end : end + 4], "little", signed=True)
            target = end + 4 + distance
            if not low <= target + 4 or not target <= high:
                continue
            for tail in (0, 1, 4):  # the size of a constant behind the distance
                if target + tail + module.text in wanted:
                    function = functions.function_at(module.text + end)
                    names = found.setdefault(target + tail + module.text, [])
                    if function is not None and function.name not in names:
                        names.append(function.name)
    for names in found.values():
        names.sort(key=lambda name: (name == "main.init" or name.endswith(".init"), not name.startswith("main."), name))
    return found
