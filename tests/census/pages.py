"""The pages of a Go process that a census reads, kept, and changed at will: hostile memory without a hostile process."""

from __future__ import annotations

import contextlib
import struct
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from ghostkey.census.census import Process
from ghostkey.census.elf import Executable, executable_of
from ghostkey.census.errors import MemoryFault
from ghostkey.census.memory import LiveMemory, Mapping, Range
from tests.census.truth import built

PAGE = 4096
_PATCH = struct.Struct("<HHQ")


class _Recorder(LiveMemory):
    """A process, and every page that was read of it."""

    def __init__(self, pid: int) -> None:
        self.pages: dict[int, bytes] = {}
        super().__init__(pid)

    def read_many(self, ranges: Sequence[Range]) -> list[memoryview | None]:
        found = super().read_many(ranges)
        wanted = {
            page for (start, size), got in zip(ranges, found, strict=True) if got is not None for page in _pages(start, size)
        }
        new = sorted(wanted - self.pages.keys())
        for page, content in zip(new, super().read_many([(page * PAGE, PAGE) for page in new]), strict=True):
            if content is not None:
                self.pages[page] = bytes(content)
        return found


def _pages(start: int, size: int) -> range:
    return range(start // PAGE, (start + size - 1) // PAGE + 1)


class KeptMemory:
    """Pages that were kept; what is not among them is not there."""

    def __init__(self, pages: dict[int, bytes], mappings: list[Mapping]) -> None:
        self.pages, self.mappings, self.bytes_read = pages, mappings, 0

    def read(self, address: int, size: int) -> bytes:
        if not 0 < size <= 64 << 20 or not 0 <= address < 1 << 62:
            raise MemoryFault(f"{size} bytes at {address:#x}")
        found = bytearray()
        while len(found) < size:
            page, offset = divmod(address + len(found), PAGE)
            content = self.pages.get(page)
            if content is None:
                raise MemoryFault(f"{size} bytes at {address:#x}")
            found += content[offset : offset + size - len(found)]
        return bytes(found)

    def read_many(self, ranges: Sequence[Range]) -> list[memoryview | None]:
        found: list[memoryview | None] = []
        for address, size in ranges:
            try:
                found.append(memoryview(self.read(address, size)))
            except MemoryFault:
                found.append(None)
        return found


def look(process: Process) -> int:
    """Everything that is read of a process: census, types, holders, keys, stacks. How many maps there are."""
    census = process.census()
    process.map_types.name(census.maps)
    top = sorted(census.maps, key=lambda found: -found.bytes)[:30]
    process.contents.settle(top, 0.5)
    process.find_holders(top, census.maps, 0.5)
    process.map_types.count_classic(top)
    for found in top:
        process.keys.read(found, 200)
        process.again(found)
    for routine in process.goroutines[:20]:
        process.functions.names([pc for pc, _, _ in process.functions.stack(routine)])
    return len(census.maps)


class Kept:
    """What a census of the lab's program reads: the pages of its memory, and its executable."""

    def __init__(self) -> None:
        self.program = built(module="lab")
        with running_lab(self.program) as pid:
            memory = _Recorder(pid)
            self.maps = look(Process(memory, Executable(executable_of(pid)), "lab", pid))
            self.pages, self.mappings = memory.pages, memory.mappings
        self.order = sorted(self.pages)

    def process(self, patches: bytes = b"") -> Process:
        """The process of these pages, with some words of them changed: 12 bytes a word, wherever they lead."""
        pages = dict(self.pages)
        for number, offset, raw in _PATCH.iter_unpack(patches[: len(patches) // _PATCH.size * _PATCH.size]):
            page, place = self.order[number % len(self.order)], offset % PAGE & ~7
            # a pointer to somewhere real, so that there are loops; a small number; or anything
            real = self.order[(raw >> 8) % len(self.order)] * PAGE + ((raw >> 40) % PAGE & ~7)
            value = {1: real, 2: raw >> 48}.get(raw & 3, raw)
            content = pages[page]
            pages[page] = content[:place] + struct.pack("<Q", value) + content[place + 8 :]
        return Process(KeptMemory(pages, self.mappings), Executable(str(self.program)), "lab")

    def core(self, most: int = 12) -> bytes:
        """A core dump of some of these pages, as small as one can be."""
        pages = [page for page in self.order if self._is_writable(page)][:most]
        name = str(self.program).encode() + b"\0"
        note = struct.pack("<QQ", 1, 1) + struct.pack("<QQQ", 0x400000, 0x500000, 0) + name
        note = struct.pack("<III", 5, len(note), 0x46494C45) + b"CORE\0\0\0\0" + note + bytes(-len(note) % 4)
        start = 64 + 56 * (len(pages) + 1)
        head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 4, 62, 1, 0, 64, 0, 0, 64, 56, len(pages) + 1, 0, 0, 0)
        table = struct.pack("<IIQQQQQQ", 4, 0, start, 0, 0, len(note), 0, 4)
        for i, page in enumerate(pages):
            table += struct.pack("<IIQQQQQQ", 1, 6, start + len(note) + i * PAGE, page * PAGE, 0, PAGE, PAGE, PAGE)
        return head + table + note + b"".join(self.pages[page] for page in pages)

    def _is_writable(self, page: int) -> bool:
        return any(m.start <= page * PAGE < m.end and "w" in m.rights for m in self.mappings)


@contextlib.contextmanager
def running_lab(program: Path) -> Iterator[int]:
    """The lab's program with a map of some thousand entries, of which many are gone; its pid."""
    process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        for step in ("make", "fill-few", "delete-few"):
            process.stdin.write(step + "\n")
            process.stdin.flush()
            process.stdout.readline()
        yield process.pid
    finally:
        process.kill()
        process.communicate()
