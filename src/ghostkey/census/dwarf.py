"""What debug information says of a global variable: which field of it, or which element, an offset in it is.

No walk through all of it: a variable is found by its name and address, which stand side by side, and its type by the reference that
follows. Whatever is not as Go's linker writes it tells nothing.
Source: DWARF 4 and 5, 7.5; Go src/cmd/internal/dwarf/dwarf.go, DW_ABRV_VARIABLE: name, location, type.
"""

from __future__ import annotations

import bisect
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from ghostkey.census.elf import Executable
from ghostkey.census.leb128 import unsigned

SECTION_MOST = 1 << 30
NESTED_MOST, FIELDS_MOST, UNITS_MOST, ABBREVIATIONS_MOST = 32, 4096, 1 << 20, 1 << 16
TYPEDEF, ARRAY, STRUCT, MEMBER = 0x16, 0x01, 0x13, 0x0D
NAME, BYTE_SIZE, MEMBER_AT, TYPE = 0x03, 0x0B, 0x38, 0x49
# sizes of forms that have one
_FIXED = {
    0x01: 8,
    0x05: 2,
    0x06: 4,
    0x07: 8,
    0x0B: 1,
    0x0C: 1,
    0x10: 4,
    0x11: 1,
    0x12: 2,
    0x13: 4,
    0x14: 8,
    0x17: 4,
    0x0E: 4,
    0x19: 0,
    0x1F: 4,
}
_STRING, _SDATA, _UDATA, _BLOCK1, _EXPRLOC = 0x08, 0x0D, 0x0F, 0x0A, 0x18
_NUMBERS = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}
_Forms = list[tuple[int, int]]


@dataclass(slots=True)
class _Entry:
    """One entry: what it is, what it says, and where the next one begins."""

    tag: int
    has_children: bool
    end: int
    said: dict[int, int | bytes] = field(default_factory=dict)

    def number(self, attribute: int) -> int:
        """What it says of an attribute; -1 where it says nothing."""
        found = self.said.get(attribute, -1)
        return found if isinstance(found, int) else -1


class Dwarf:
    """The debug information of an executable; of one that has none nothing is known."""

    def __init__(self, executable: Executable) -> None:
        self._executable = executable
        self._info: bytes | None = None
        self._abbreviations = b""
        self._tables: dict[int, dict[int, tuple[int, bool, _Forms]]] = {}
        self._starts: list[int] = []
        self._table_starts: list[int] = []

    @property
    def info(self) -> bytes:
        """The entries; unpacked when they are asked for first."""
        if self._info is None:
            self._info = _content(self._executable, "info")
            self._abbreviations = _content(self._executable, "abbrev")
            self._read_units()
        return self._info

    def field(self, name: str, address: int, offset: int) -> str:
        """`.cache[3].byName` for an offset in a variable (its address before relocation); empty where nothing tells."""
        try:
            mark = name.encode() + b"\0\x09\x03" + struct.pack("<Q", address)  # a block of 9 bytes: DW_OP_addr
            place = self.info.find(mark)
            if place < 0:
                return ""
            kind = struct.unpack_from("<I", self.info, place + len(mark))[0]
            return self._descend(kind, offset) if offset < self._size(kind) else ""
        except (struct.error, IndexError, KeyError, ValueError):
            return ""

    def _descend(self, place: int, offset: int) -> str:
        label = ""
        for _ in range(NESTED_MOST):
            kind = self._entry(place)
            if kind.tag == TYPEDEF:
                place = kind.number(TYPE)
            elif kind.tag == ARRAY:
                place = kind.number(TYPE)
                size = self._size(place)
                label, offset = f"{label}[{offset // size}]", offset % size
            elif kind.tag == STRUCT and kind.said.get(NAME) != b"sync.Map":
                own = [one for one in self._members(kind) if 0 <= one.number(MEMBER_AT) <= offset]
                if not own:
                    return label
                # of fields at one place the last: those before it have no size
                member = max(enumerate(own), key=lambda item: (item[1].number(MEMBER_AT), item[0]))[1]
                name = member.said[NAME]
                label += f".{name.decode('utf-8', 'replace') if isinstance(name, bytes) else name}"
                place, offset = member.number(TYPE), offset - member.number(MEMBER_AT)
            else:
                return label if not offset else ""
        return ""

    def _members(self, kind: _Entry) -> Iterator[_Entry]:
        place = kind.end
        for _ in range(FIELDS_MOST if kind.has_children else 0):
            entry = self._entry(place)
            if entry.tag != MEMBER:
                return
            yield entry
            place = entry.end

    def _size(self, place: int) -> int:
        for _ in range(NESTED_MOST):
            kind = self._entry(place)
            if kind.number(BYTE_SIZE) > 0:
                return kind.number(BYTE_SIZE)
            if kind.tag != TYPEDEF:
                break
            place = kind.number(TYPE)
        return 8  # a pointer, and a map is one, says no size

    # the encoding

    def _read_units(self) -> None:
        """Where each unit begins, and its abbreviations."""
        place = 0
        while place + 12 <= len(self.info) and len(self._starts) < UNITS_MOST:
            length, version = struct.unpack_from("<IH", self.info, place)
            if version not in (2, 3, 4, 5) or length < 8:
                return
            self._starts.append(place)
            self._table_starts.append(struct.unpack_from("<I", self.info, place + (8 if version == 5 else 6))[0])
            place += 4 + length

    def _table_of(self, place: int) -> dict[int, tuple[int, bool, _Forms]]:
        unit = bisect.bisect_right(self._starts, place) - 1
        start = self._table_starts[unit] if unit >= 0 else -1
        if start not in self._tables:
            self._tables[start] = self._read_table(start)
        return self._tables[start]

    def _read_table(self, place: int) -> dict[int, tuple[int, bool, _Forms]]:
        found: dict[int, tuple[int, bool, _Forms]] = {}
        for _ in range(ABBREVIATIONS_MOST):
            code, place = unsigned(self._abbreviations, place)
            if not code:
                break
            tag, place = unsigned(self._abbreviations, place)
            has_children = bool(self._abbreviations[place])
            place += 1
            forms: _Forms = []
            while True:
                attribute, place = unsigned(self._abbreviations, place)
                form, place = unsigned(self._abbreviations, place)
                if not attribute and not form:
                    break
                forms.append((attribute, form))
            found[code] = (tag, has_children, forms)
        return found

    def _entry(self, place: int) -> _Entry:
        code, end = unsigned(self.info, place)
        if not code:
            return _Entry(0, False, end)
        tag, has_children, forms = self._table_of(place)[code]
        entry = _Entry(tag, has_children, end)
        for attribute, form in forms:
            entry.said[attribute], entry.end = self._value(form, entry.end)
        return entry

    def _value(self, form: int, place: int) -> tuple[int | bytes, int]:
        if form in _FIXED:
            size = _FIXED[form]
            return (struct.unpack_from(_NUMBERS[size], self.info, place)[0] if size else 1), place + size
        if form == _STRING:
            end = self.info.index(b"\0", place)
            return self.info[place:end], end + 1
        if form in (_UDATA, _SDATA):
            return unsigned(self.info, place)
        if form == _BLOCK1:
            return 0, place + 1 + self.info[place]
        if form == _EXPRLOC:
            size, start = unsigned(self.info, place)
            return 0, start + size
        raise KeyError(form)  # none that Go writes


def _content(executable: Executable, name: str) -> bytes:
    """A section of debug information, unpacked: Go's linker packs it, in one of two ways."""
    packed = executable.section_data(f".zdebug_{name}")
    if packed[:4] == b"ZLIB":
        return _unpacked(packed[12:])
    plain = executable.section_data(f".debug_{name}")
    # layout: Elf64_Chdr: ch_type 1 (zlib), reserved, ch_size, ch_addralign
    return _unpacked(plain[24:]) if plain[:8] == struct.pack("<II", 1, 0) else plain


def _unpacked(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, SECTION_MOST)
    except zlib.error:
        return b""
