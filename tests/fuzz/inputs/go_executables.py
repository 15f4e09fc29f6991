"""Executables, damaged in their headers, sections, symbols and build info."""

from __future__ import annotations

import struct
from pathlib import Path

from ghostkey.census.dwarf import Dwarf
from ghostkey.census.elf import Executable
from ghostkey.census.errors import MemoryFault

ADDRESS = 0x400100


def seeds() -> list[bytes]:
    """The smallest executable that has all that is read."""
    return [_elf(b"go1.26.8", 24), _elf(b"devel go1.28-abc X:noswissmap", 4)]


def _elf(version: bytes, symbols: int) -> bytes:
    settings = b"0" * 16 + b"path\tdemo\nbuild\tGOEXPERIMENT=rangefunc\n" + b"1" * 16
    info = b"\xff Go buildinf:\x08\x02" + bytes(16) + bytes([len(version)]) + version + bytes([len(settings)]) + settings
    names = b"\0.shstrtab\0.go.buildinfo\0.symtab\0.strtab\0.debug_info\0.debug_abbrev\0"
    strings = b"\0" + b"".join(b"main.v%d\0" % i for i in range(symbols))
    table = b"".join(struct.pack("<IBBHQQ", 1 + 8 * i, 1, 0, 1, 0x400000 + 16 * i, 16) for i in range(symbols))
    content, places = b"", []
    for piece in (names, info, table, strings, *_debug_information()):
        places.append((64 + 56 + len(content), len(piece)))
        content += piece
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, 0, 64, 64 + 56 + len(content), 0, 64, 56, 1, 64, 7, 1
    )
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0, 64 + 56 + len(content), 64 + 56 + len(content), 4096)
    sections = bytes(64)
    for name, kind, (offset, size) in zip((1, 11, 25, 33, 41, 53), (3, 1, 2, 3, 1, 1), places, strict=True):
        sections += struct.pack("<IIQQQQIIQQ", name, kind, 0, 0x400000 + offset, offset, size, 0, 0, 1, 0)
    return head + load + content + sections


def _debug_information() -> tuple[bytes, bytes]:
    """A variable, `main.table`, that is an array of structs with a map; and how its entries are written."""
    variable = b"\1main.table\0\x09\x03" + struct.pack("<Q", ADDRESS)
    array_at = 11 + len(variable) + 4
    array = b"\5\2" + struct.pack("<I", array_at + 7) + b"\x60"
    fields = b"".join(b"\4f%d\0" % i + bytes([8 * i]) + struct.pack("<I", array_at) for i in range(4))
    entries = variable + struct.pack("<I", array_at + 1) + array + b"\3main.kind\0\x20" + fields + b"\0"
    unit = struct.pack("<HIB", 4, 0, 8) + entries
    forms = [
        (0x34, 0, (3, 8, 2, 10, 0x49, 16)),
        (1, 0, (0x49, 16, 11, 11)),
        (0x13, 1, (3, 8, 11, 11)),
        (0x0D, 0, (3, 8, 0x38, 15, 0x49, 16)),
        (0x0F, 0, ()),
    ]
    table = b"".join(bytes([i, tag, inner, *pairs, 0, 0]) for i, (tag, inner, pairs) in enumerate(forms, 1))
    return struct.pack("<I", len(unit)) + unit, table + b"\0"


def read(raw: bytes, folder: Path) -> None:
    """All that is asked of an executable."""
    path = folder / "program"
    path.write_bytes(raw)
    program = Executable(str(path))
    try:
        program.build_info()
        Dwarf(program).field("main.table", ADDRESS, 0x48)
        program.symbols({0x400000, 0x400010, 1 << 63})
        program.data(0x400000, 64)
    except MemoryFault:
        pass
    finally:
        program.close()
