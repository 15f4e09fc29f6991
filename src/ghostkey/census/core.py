"""The memory of a process that was written to a core dump."""

from __future__ import annotations

import bisect
import contextlib
import mmap
import os
import struct
from collections.abc import Sequence

from ghostkey.census.elf import Executable
from ghostkey.census.errors import CoreDamaged, MemoryFault
from ghostkey.census.memory import READ_MOST, Mapping, Range

SEGMENTS = 1 << 20
NOTES_BYTES = 64 << 20
FILES = 1 << 20
LOAD, NOTE = 1, 4
NT_FILE = 0x46494C45


class CoreMemory:
    """Memory of a core dump; what it leaves out because the executable has it is read from there, once that is lent.

    Raises CoreDamaged. Source: core(5); Linux fs/binfmt_elf.c, fill_files_note.
    """

    def __init__(self, path: str, executable: str | None = None) -> None:
        self.path, self.bytes_read = path, 0
        self._program: Executable | None = None
        try:
            with open(path, "rb") as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise CoreDamaged(f"cannot read core dump {path}: {getattr(error, 'strerror', None) or error}") from None
        try:
            self._read()
        except (struct.error, IndexError, OverflowError, ValueError) as error:
            raise CoreDamaged(f"core dump {path} is damaged: {error}") from None
        self.executable = executable or self._named()

    def _read(self) -> None:
        if self._bytes[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<H", self._bytes, 16)[0] != 4:
            raise CoreDamaged(
                f"{self.path} is no core dump of a 64-bit process", "gcore PID writes one; a Go program needs GOTRACEBACK=crash"
            )
        program_at = struct.unpack_from("<Q", self._bytes, 32)[0]
        size, count = struct.unpack_from("<HH", self._bytes, 54)
        if count == 0xFFFF:  # PN_XNUM: more than 65,534, counted in the first section header
            section_at = struct.unpack_from("<Q", self._bytes, 40)[0]
            count = struct.unpack_from("<I", self._bytes, section_at + 44)[0]
        segments: list[tuple[int, int, int]] = []
        ranges: list[tuple[int, int, str]] = []
        self._files: list[tuple[int, int, int, str]] = []
        for i in range(min(count, SEGMENTS)):
            kind, flags, offset, address, _, file_size, memory_size = struct.unpack_from(
                "<IIQQQQQ", self._bytes, program_at + i * size
            )
            if kind == LOAD:
                there = max(0, min(file_size, len(self._bytes) - offset))
                segments.append((address, there, offset))
                ranges.append((address, address + memory_size, f"r{'w' if flags & 2 else '-'}{'x' if flags & 1 else '-'}p"))
            elif kind == NOTE:
                self._read_notes(self._bytes[offset : offset + min(file_size, NOTES_BYTES)])
        if not segments:
            raise CoreDamaged(f"core dump {self.path} holds no memory")
        segments.sort()
        self._segments, self._starts = segments, [segment[0] for segment in segments]
        self.mappings = [self._mapping(*found) for found in sorted(ranges)]

    def _read_notes(self, notes: bytes) -> None:
        place = 0
        while place + 12 <= len(notes):
            name_size, size, kind = struct.unpack_from("<III", notes, place)
            start = place + 12 + (name_size + 3) // 4 * 4
            if kind == NT_FILE and start + size <= len(notes):
                self._read_files(notes[start : start + size])
            place = start + (size + 3) // 4 * 4

    def _read_files(self, note: bytes) -> None:
        count, page = struct.unpack_from("<QQ", note)
        if count > min(FILES, len(note) // 24):
            return
        names = note[16 + 24 * count :].split(b"\0")
        for i in range(count):
            start, end, offset = struct.unpack_from("<QQQ", note, 16 + 24 * i)
            name = names[i].decode("utf-8", "surrogateescape") if i < len(names) else ""
            self._files.append((start, end, offset * page, name))

    def _mapping(self, start: int, end: int, rights: str) -> Mapping:
        for first, last, offset, name in self._files:
            if first <= start < last:
                return Mapping(start, end, rights, offset + start - first, name)
        return Mapping(start, end, rights, 0, "")

    def _named(self) -> str:
        """The executable, as the dump names it: the file that was mapped first."""
        named = next((name for _, _, _, name in sorted(self._files) if name and not name.startswith("/dev/")), "")
        if not named:
            raise CoreDamaged(f"core dump {self.path} does not name its executable", "name it with --exe FILE")
        named = named.removesuffix(" (deleted)")
        if not os.path.exists(named):
            raise CoreDamaged(
                f"the executable of core dump {self.path}, {named}, is not here", "name a copy of it with --exe FILE"
            )
        return named

    def lend(self, program: Executable) -> None:
        """Reads what the dump left out from the executable."""
        self._program = program
        shown = [(start, end, offset) for start, end, offset, name in self._files if name == self._first_name()]
        self._of_program = sorted(shown)

    def _first_name(self) -> str:
        return next((name for _, _, _, name in sorted(self._files) if name and not name.startswith("/dev/")), "")

    def close(self) -> None:
        """Lets go of the file."""
        with contextlib.suppress(BufferError):
            self._bytes.close()

    def read(self, address: int, size: int) -> bytes:
        """The bytes at an address. Raises MemoryFault when not all of them are there."""
        if not 0 < size <= READ_MOST:
            raise MemoryFault(f"{size} bytes at {address:#x} of {self.path}")
        found = bytearray()
        while len(found) < size:
            piece = self._piece(address + len(found), size - len(found))
            if not piece:
                raise MemoryFault(f"{size} bytes at {address:#x} of {self.path}")
            found += piece
        self.bytes_read += size
        return bytes(found)

    def _piece(self, address: int, size: int) -> bytes:
        """What one segment has from an address on."""
        place = bisect.bisect_right(self._starts, address) - 1
        if place >= 0:
            start, length, offset = self._segments[place]
            if address < start + length:
                within = offset + address - start
                return self._bytes[within : within + min(size, start + length - address)]
        if self._program is not None:
            for first, last, at in self._of_program:
                if first <= address < last:
                    return self._program.raw(at + address - first, min(size, last - address))
        return b""

    def read_many(self, ranges: Sequence[Range]) -> list[memoryview | None]:
        """The bytes of each range, in order; None for one that is not there."""
        found: list[memoryview | None] = []
        for address, size in ranges:
            try:
                found.append(memoryview(self.read(address, size)))
            except MemoryFault:
                found.append(None)
        return found
