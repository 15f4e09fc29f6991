"""Go's type descriptors, as every binary has them, stripped or not: names, kinds, fields, and the types of all maps."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ghostkey.census import layouts
from ghostkey.census.errors import MemoryFault
from ghostkey.census.leb128 import unsigned
from ghostkey.census.runtime import Module, Runtime

NAME_MOST = 1024
FIELDS_MOST = 4096
MASK_MOST = 1 << 16  # words of a type whose pointer mask is looked at
TYPES_CACHED = 1 << 18

KINDS = (
    "invalid", "bool", "int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64", "uintptr",
    "float32", "float64", "complex64", "complex128", "array", "chan", "func", "interface", "map", "ptr", "slice", "string",
    "struct", "unsafe.Pointer",
)  # fmt: skip
EMPTY_INTERFACES = frozenset({"interface {}", "any"})
SHAPE_DEPTH = 8  # structs in structs
_WIDE = {"int": "int64", "uint": "uint64", "uintptr": "uint64"}
_GROUP = re.compile(r"^(?:noalg\.)?map\.(?:group|bucket)(?=\[)")


@dataclass(frozen=True, slots=True)
class GoType:
    """One type: its address is its identity. `pointer_bytes`: how much of its beginning holds all its pointers."""

    address: int
    name: str
    kind: str
    size: int
    pointer_bytes: int
    elem: int = 0  # of pointers, slices, arrays, channels and maps
    key: int = 0  # of maps
    group: int = 0  # of maps: the type of what their tables are made of
    length: int = 0  # of arrays
    flags: int = 0  # of maps
    slot_bytes: int = 0  # of Swiss maps: from key to key
    elem_offset: int = 0  # of Swiss maps: where the first value lies in a group
    elem_stride: int = 0
    bucket_bytes: int = 0  # of classic maps
    key_bytes: int = 0
    elem_bytes: int = 0

    @property
    def is_group(self) -> bool:
        """Whether it is what the tables of a map are made of."""
        return _GROUP.match(self.name) is not None


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a struct."""

    name: str
    type: int
    offset: int


def map_name(name: str) -> str:
    """`map[K]V` for the name of its group or bucket type."""
    return _GROUP.sub("map", name)


class Types:
    """Reads type descriptors, each once. What does not look like one is None: memory of a stranger is never trusted."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._blobs: dict[int, bytes] = {}
        self._fields: dict[int, tuple[Field, ...]] = {}
        self._masks: dict[int, int | None] = {}
        self._known: dict[int, GoType | None] = {0: None}
        self._shapes: dict[int, object] = {}
        self._all: dict[str, list[GoType]] | None = None

    def module_of(self, address: int) -> Module | None:
        """The module whose types hold an address."""
        return next((module for module in self._runtime.modules if module.types <= address < module.etypes), None)

    def at(self, address: int) -> GoType | None:
        """The type whose descriptor is at an address; None when nothing there looks like one."""
        if address not in self._known:
            if len(self._known) > TYPES_CACHED:
                self._known = {0: None}
            self._known[address] = self._read(address)
        return self._known[address]

    def _blob(self, module: Module) -> bytes:
        """All types of a module."""
        if module.address not in self._blobs:
            try:
                self._blobs[module.address] = self._runtime.memory.read(module.types, module.etypes - module.types)
            except MemoryFault:
                self._blobs[module.address] = b""
        return self._blobs[module.address]

    def _read(self, address: int) -> GoType | None:
        module = self.module_of(address)
        if module is None or address % 8:
            return None  # types that a program makes while it runs (reflect.MapOf) are on the heap: they stay unnamed
        return self._parse(self._blob(module), address - module.types, address, module)

    def _parse(self, blob: bytes, place: int, address: int, module: Module) -> GoType | None:
        if place < 0 or place + layouts.TYPE_BYTES > len(blob):
            return None
        size, pointer_bytes = _word(blob, place), _word(blob, place + 8)
        flags, align, kind = blob[place + layouts.TYPE_TFLAG], blob[place + layouts.TYPE_ALIGN], blob[place + layouts.TYPE_KIND]
        number = kind & layouts.KIND_MASK
        name_at = int.from_bytes(blob[place + layouts.TYPE_STR : place + layouts.TYPE_STR + 4], "little", signed=True)
        is_sound = 0 < number < len(KINDS) and align in (1, 2, 4, 8) and pointer_bytes <= size < 1 << 40
        if not is_sound or not 0 < name_at < len(blob):
            return None
        name = self.name(module.types + name_at)
        if flags & layouts.TFLAG_EXTRA_STAR:
            name = name[1:]

        def word(offset: int) -> int:
            return _word(blob, place + offset)

        base = (address, name, KINDS[number], size, pointer_bytes)
        match KINDS[number]:
            case "ptr" | "slice" | "chan":
                return GoType(*base, elem=word(48))
            case "array":
                return GoType(*base, elem=word(48), length=word(64))
            case "map":
                return self._parse_map(blob, place, base)
            case _:
                return GoType(*base)

    def _parse_map(self, blob: bytes, place: int, base: tuple[int, str, str, int, int]) -> GoType | None:
        layout = self._runtime.layout
        if place + layout.map_type_size > len(blob):
            return None

        def word(offset: int) -> int:
            return _word(blob, place + offset)

        key, elem, group = word(48), word(56), word(64)
        if not self._runtime.is_swiss:
            # layout: internal/abi.OldMapType: KeySize, ValueSize, BucketSize, Flags
            return GoType(
                *base, elem=elem, key=key, group=group, flags=int.from_bytes(blob[place + 84 : place + 88], "little"),
                key_bytes=blob[place + 80], elem_bytes=blob[place + 81],
                bucket_bytes=int.from_bytes(blob[place + 82 : place + 84], "little"),
            )  # fmt: skip
        flags = int.from_bytes(blob[place + layout.map_flags : place + layout.map_flags + 4], "little")
        slot = word(layout.slot_size)
        if layout.has_split_groups:
            return GoType(
                *base, elem=elem, key=key, group=group, flags=flags, slot_bytes=slot, elem_offset=word(layout.elem_offset),
                elem_stride=word(layout.elem_offset + 8),
            )  # fmt: skip
        return GoType(
            *base, elem=elem, key=key, group=group, flags=flags, slot_bytes=slot,
            elem_offset=8 + word(layout.elem_offset), elem_stride=slot,
        )  # fmt: skip

    def name(self, address: int) -> str:
        """The name at an address, as types and fields have it. Source: internal/abi.Name."""
        module = self.module_of(address)
        if module is None:
            return ""
        blob, place = self._blob(module), address - module.types + 1
        try:
            size, place = unsigned(blob, place)
        except IndexError:
            return ""
        return blob[place : place + min(size, NAME_MOST)].decode("utf-8", "replace")

    def fields(self, struct: GoType) -> tuple[Field, ...]:
        """The fields of a struct, in the order of their offsets; nothing when they cannot be read."""
        found = self._fields.get(struct.address)
        if found is None:
            found = self._fields[struct.address] = tuple(sorted(self._read_fields(struct), key=lambda field: field.offset))
        return found

    def _read_fields(self, struct: GoType) -> list[Field]:
        module = self.module_of(struct.address)
        if module is None or struct.kind != "struct":
            return []
        blob, place = self._blob(module), struct.address - module.types
        pointer, count = _word(blob, place + 56), _word(blob, place + 64)
        start = pointer - module.types
        if not 0 < count <= FIELDS_MOST or not 0 <= start <= len(blob) - 24 * count:
            return []
        fields = []
        for i in range(start, start + 24 * count, 24):
            fields.append(Field(self.name(_word(blob, i)), _word(blob, i + 8), _word(blob, i + 16)))
        return fields

    def shape(self, address: int, depth: int = 0) -> object:
        """The same for types whose values are made alike, whatever they are called: `string` and `types.UID`, `int` and `int64`."""
        if address not in self._shapes or depth:
            self._shapes[address] = self._shape(self.at(address), depth)
        return self._shapes[address]

    def _shape(self, kind: GoType | None, depth: int) -> object:
        if kind is None or depth > SHAPE_DEPTH:
            return kind
        match kind.kind:
            case "struct":
                return tuple((field.name, field.offset, self.shape(field.type, depth + 1)) for field in self.fields(kind))
            case "array":
                return kind.length, self.shape(kind.elem, depth + 1)
            case "interface":
                return kind.name in EMPTY_INTERFACES
        return _WIDE.get(kind.kind, kind.kind)

    def mask(self, kind: GoType) -> int | None:
        """Which words of a type are pointers, as bits; None when only a program in the runtime could tell."""
        if kind.address not in self._masks:
            self._masks[kind.address] = self._read_mask(kind)
        return self._masks[kind.address]

    def _read_mask(self, kind: GoType) -> int | None:
        words = kind.pointer_bytes // 8
        if not words:
            return 0
        module = self.module_of(kind.address)
        if module is None or words > MASK_MOST:
            return None
        blob, place = self._blob(module), kind.address - module.types
        is_program = bool(blob[place + layouts.TYPE_KIND] & layouts.KIND_GC_PROG) and self._runtime.build.minor < 24
        is_on_demand = (
            bool(blob[place + layouts.TYPE_TFLAG] & layouts.TFLAG_GC_MASK_ON_DEMAND) and self._runtime.build.minor >= 24
        )
        if is_program or is_on_demand:
            return None
        try:
            bits = self._runtime.memory.read(_word(blob, place + layouts.TYPE_GCDATA), (words + 7) // 8)
        except MemoryFault:
            return None
        return int.from_bytes(bits, "little") & ((1 << words) - 1)

    def all_of(self, kind: str) -> list[GoType]:
        """Every `map` or `struct` type of the program, named or not, found by what a descriptor looks like."""
        if self._all is None:
            self._all = {"map": [], "struct": []}
            for module in self._runtime.modules:
                for place in self._places(self._blob(module)):
                    found = self.at(module.types + place)
                    if found is not None and found.kind in self._all and self._is_whole(found):
                        self._all[found.kind].append(found)
        return self._all[kind]

    @staticmethod
    def _places(blob: bytes) -> list[int]:
        """Where a descriptor of a map or a struct with pointers may be: its alignments are 8 and its kind is one of the two."""
        aligned = bytes(8 * [0]) + b"\1" + bytes(247)
        kinds = bytes(int(number & layouts.KIND_MASK in (21, 25)) for number in range(256))
        planes = [blob[21::8].translate(aligned), blob[22::8].translate(aligned), blob[23::8].translate(kinds)]
        size = min(map(len, planes))
        both = int.from_bytes(planes[0][:size], "little") & int.from_bytes(planes[1][:size], "little")
        marks = (both & int.from_bytes(planes[2][:size], "little")).to_bytes(size, "little")
        places, place = [], marks.find(1)
        while place >= 0:
            places.append(8 * place)
            place = marks.find(1, place + 1)
        return places

    def _is_whole(self, found: GoType) -> bool:
        if found.kind == "struct":
            fields = self.fields(found)
            return bool(fields) and all(field.offset <= found.size and field.name for field in fields)
        parts = (found.key, found.elem, found.group)
        return found.size == 8 and all(map(self.at, parts))


def _word(content: bytes, place: int) -> int:
    return int.from_bytes(content[place : place + 8], "little")
