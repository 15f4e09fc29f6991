"""An executable: its sections and segments, what Go wrote into it about itself, and its symbols where it still has them."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from ghostkey.census.errors import MemoryFault, NotGo
from ghostkey.census.leb128 import unsigned

SECTIONS = 4096  # a Go program has some forty
SEGMENTS = 4096
NAME_BYTES = 4096  # of a symbol
SETTINGS_BYTES = 1 << 20  # of build info: its modules and settings
LOAD, NOBITS = 1, 8
MACHINES = {62: "amd64", 183: "arm64"}
_MAGIC = b"\xff Go buildinf:"
_VERSION = re.compile(r"(?:devel )?go(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Section:
    """Where a section lies in memory (before relocation) and in the file."""

    name: str
    kind: int
    address: int
    offset: int
    size: int

    def holds(self, address: int) -> bool:
        """Whether the address is within it."""
        return self.address <= address < self.address + self.size


@dataclass(frozen=True, slots=True)
class BuildInfo:
    """What a Go program says of itself: `go1.26.8`, the path of its main package, and what experiments it was built with.

    `module`: the path of the module that the main package is of, "" where none is known; `settings`: flags and environment of the
    build, such as `-tags` and `CGO_ENABLED`. Source: runtime/debug.BuildInfo.
    """

    version: str
    major: int
    minor: int
    main_path: str
    experiments: frozenset[str]
    module: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_swiss_maps(self) -> bool:
        """Whether its maps are Swiss tables: since Go 1.24, unless built with GOEXPERIMENT=noswissmap (gone in 1.26)."""
        return self.minor >= 24 and "noswissmap" not in self.experiments


class Executable:
    """A 64-bit little-endian ELF file. Raises NotGo, with what is wrong, for anything else; every offset in it is checked.

    Source: System V ABI, ELF-64; Go src/debug/buildinfo/buildinfo.go.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            with open(path, "rb") as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise NotGo(f"cannot read the executable {path}: {getattr(error, 'strerror', None) or error}") from None
        try:
            self._read()
        except (struct.error, IndexError, UnicodeDecodeError, OverflowError) as error:
            raise NotGo(f"{path} is damaged: {error}") from None

    def _read(self) -> None:
        head = self._bytes[:64]
        if head[:4] != b"\x7fELF":
            raise NotGo(f"{self.path} is no ELF executable")
        if head[4:6] != b"\x02\x01":
            raise NotGo(f"{self.path} is not for 64 bits, little-endian: only amd64 and arm64 can be read")
        self.kind, machine = struct.unpack_from("<HH", head, 16)
        self.machine = MACHINES.get(machine, f"machine {machine}")
        program_at, section_at = struct.unpack_from("<QQ", head, 32)
        program_size, programs, section_size, sections, names = struct.unpack_from("<HHHHH", head, 54)
        self.segments: list[tuple[int, int, int, int]] = []  # address, offset, size in the file, size in memory
        for i in range(min(programs, SEGMENTS)):
            kind, _, offset, address, _, file_size, size = struct.unpack_from(
                "<IIQQQQQ", self._bytes, program_at + i * program_size
            )
            if kind == LOAD:
                self.segments.append((address, offset, file_size, size))
        self.sections: dict[str, Section] = {}
        raw = [struct.unpack_from("<IIQQQQ", self._bytes, section_at + i * section_size) for i in range(min(sections, SECTIONS))]
        table = raw[names] if names < len(raw) else (0,) * 6
        for name_at, kind, _, address, offset, size in raw:
            name = self._text(table[4] + name_at)
            self.sections.setdefault(name, Section(name, kind, address, offset, size))

    def close(self) -> None:
        """Lets go of the file."""
        with contextlib.suppress(BufferError):
            self._bytes.close()

    def _text(self, offset: int) -> str:
        if not 0 <= offset < len(self._bytes):
            return ""
        end = self._bytes.find(b"\0", offset, offset + NAME_BYTES)
        return self._bytes[offset:end].decode("utf-8", "replace") if offset <= end else ""

    def data(self, address: int, size: int) -> bytes:
        """Bytes of the file that are loaded at an address (before relocation). Raises MemoryFault when it holds none there."""
        for start, offset, file_size, _ in self.segments:
            if start <= address and address + size <= start + file_size:
                found = self._bytes[offset + address - start : offset + address - start + size]
                if len(found) == size:
                    return found
        raise MemoryFault(f"{size} bytes at {address:#x} of {self.path}")

    def raw(self, offset: int, size: int) -> bytes:
        """Bytes of the file, as many as there are."""
        return self._bytes[offset : offset + size] if offset >= 0 else b""

    def section_data(self, name: str, most: int = 1 << 31) -> bytes:
        """The content of a section; nothing when there is none."""
        section = self.sections.get(name)
        if section is None or section.kind == NOBITS:
            return b""
        if section.offset >= len(self._bytes):
            return b""
        return self._bytes[section.offset : section.offset + min(section.size, most, len(self._bytes))]

    def build_info(self) -> BuildInfo:
        """What Go wrote about the build. Raises NotGo for a program that is not Go's, or older than Go 1.18."""
        found = self.section_data(".go.buildinfo", SETTINGS_BYTES)
        if not found.startswith(_MAGIC):
            raise NotGo(f"{self.path} is no Go program: it has no build info", "ghostkey maps reads programs that Go compiled")
        if len(found) < 34 or not found[15] & 2:
            raise NotGo(f"{self.path} was built by Go 1.17 or older", "Go 1.19 and newer can be read")
        version, place = _counted(found, 32)
        told, _ = _counted(found, place)
        text = told[16:-16].decode("utf-8", "replace") if len(told) >= 33 else ""
        name = version.decode("utf-8", "replace")
        numbers = _VERSION.match(name)
        if numbers is None:
            raise NotGo(f"{self.path} was built by a Go that calls itself {name!r}", "Go 1.19 and newer can be read")
        lines = [line.split("\t") for line in text.splitlines()]
        main = next((parts[1] for parts in lines if parts[0] == "path" and len(parts) > 1), "")
        module = next((parts[1] for parts in lines if parts[0] == "mod" and len(parts) > 1), "")
        settings = {}
        for parts in lines:
            if parts[0] == "build" and len(parts) > 1:
                word, _, value = parts[1].partition("=")
                settings[word.strip('"')] = _unquoted(value)
        _, _, marked = name.partition(" X:")
        said = (settings.get("GOEXPERIMENT", ""), marked)
        experiments = frozenset(word for text in said for word in text.strip().split(",") if word)
        return BuildInfo(name, int(numbers[1]), int(numbers[2]), main, experiments, module, settings)

    def symbols(self, wanted: set[int]) -> dict[int, tuple[str, int, int]]:
        """For each wanted address (before relocation) the object that holds it: its name, how far in, and its size. Stripped: nothing."""
        table, names = self.section_data(".symtab"), self.sections.get(".strtab")
        if not table or names is None or not wanted:
            return {}
        objects = sorted(
            (value, size, name)
            for name, info, _, _, value, size in struct.iter_unpack("<IBBHQQ", table[: len(table) // 24 * 24])
            if info & 15 == 1 and size
        )
        found: dict[int, tuple[str, int, int]] = {}
        place = 0
        for address in sorted(wanted):
            while place < len(objects) and objects[place][0] + objects[place][1] <= address:
                place += 1
            if place < len(objects) and objects[place][0] <= address:
                start, size, name = objects[place]
                found[address] = (self._text(names.offset + name), address - start, size)
        return found


def _counted(content: bytes, place: int) -> tuple[bytes, int]:
    """A text with its length before it, and where it ends."""
    try:
        size, place = unsigned(content, place)
    except IndexError:
        return b"", place
    return content[place : place + size], place + size


def executable_of(pid: int) -> str:
    """The path by which the program of a process can be read, also across mount namespaces and after it was deleted."""
    return f"/proc/{pid}/exe"


def name_of(pid: int) -> str:
    """What the program of a process is called; its number when that cannot be read."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)"))
    except OSError:
        return str(pid)


def _unquoted(value: str) -> str:
    """A setting's value; one with blanks or quotes in it is a Go string. Source: runtime/debug/mod.go, quoteValue."""
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value
