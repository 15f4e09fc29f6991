"""Executables, damaged in their headers, sections, symbols and build info."""

from __future__ import annotations

import struct
from pathlib import Path

from ghostkey.census.dwarf import Dwarf
from ghostkey.census.elf import Executable
from ghostkey.census.errors import MemoryFault


def seeds() -> list[bytes]:
    """The smallest executable that has all that is read."""
    return [_elf(b"go1.26.8", 24), _elf(b"devel go1.28-abc X:noswissmap", 4)]


def _elf(version: bytes, symbols: int) -> bytes:
    settings = b"0" * 16 + b"path\tdemo\nbuild\tGOEXPERIMENT=rangefunc\n" + b"1" * 16
    info = b"\xff Go buildinf:\x08\x02" + bytes(16) + bytes([len(version)]) + version + bytes([len(settings)]) + settings
    names = b"\0.shstrtab\0.go.buildinfo\0.symtab\0.strtab\0"
    strings = b"\0" + b"".join(b"main.v%d\0" % i for i in range(symbols))
    table = b"".join(struct.pack("<IBBHQQ", 1 + 8 * i, 1, 0, 1, 0x400000 + 16 * i, 16) for i in range(symbols))
    content, places = b"", []
    for piece in (names, info, table, strings):
        places.append((64 + 56 + len(content), len(piece)))
        content += piece
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, 0, 64, 64 + 56 + len(content), 0, 64, 56, 1, 64, 5, 1
    )
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0, 64 + 56 + len(content), 64 + 56 + len(content), 4096)
    sections = bytes(64)
    for name, kind, (offset, size) in zip((1, 11, 25, 33), (3, 1, 2, 3), places, strict=True):
        sections += struct.pack("<IIQQQQIIQQ", name, kind, 0, 0x400000 + offset, offset, size, 0, 0, 1, 0)
    return head + load + content + sections


def read(raw: bytes, folder: Path) -> None:
    """All that is asked of an executable."""
    path = folder / "program"
    path.write_bytes(raw)
    program = Executable(str(path))
    try:
        program.build_info()
        Dwarf(program).field("main.table", 0x400000, 8)
        program.symbols({0x400000, 0x400010, 1 << 63})
        program.data(0x400000, 64)
    except MemoryFault:
        pass
    finally:
        program.close()
