"""Reading the memory of a live process: many places in one call, without stopping it."""

from __future__ import annotations

import ctypes
import errno
import os
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ghostkey.census.errors import MemoryFault, NoSuchProcess, NotReadable

IOVECS = 1024  # IOV_MAX of Linux: more in one call are refused
CALL_BYTES = 16 << 20  # of one call; beyond it nothing gets faster, and the buffer would be ours to hold
NEAR_BYTES = 256  # two places so near are read as one: an iovec costs as much as copying some kilobytes
READ_MOST = 1 << 30  # of one place: whatever a damaged length says
MAPPINGS = 1 << 20  # lines of /proc/PID/maps; the kernel's own limit is 65,530


@dataclass(frozen=True, slots=True)
class Mapping:
    """One range of addresses: where it begins and ends, its rights (`r-xp`), and which offset of which file it shows."""

    start: int
    end: int
    rights: str
    offset: int
    path: str


Range = tuple[int, int]
"""(address, size in bytes)."""


class Memory(Protocol):
    """Memory that can be read: of a live process, or of a core dump."""

    mappings: list[Mapping]
    bytes_read: int

    def read(self, address: int, size: int) -> bytes:
        """The bytes at an address. Raises MemoryFault when not all of them are there."""
        ...

    def read_many(self, ranges: Sequence[Range]) -> list[memoryview | None]:
        """The bytes of each range, in order; None for one that is not there (any more). The others do not suffer."""
        ...


def _libc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.process_vm_readv.restype = ctypes.c_ssize_t
        pointer, number = ctypes.c_void_p, ctypes.c_ulong
        libc.process_vm_readv.argtypes = [ctypes.c_int, pointer, number, pointer, number, number]
    except (OSError, AttributeError):
        return None  # a C library without it: /proc/PID/mem says the same, one place at a time
    return libc


class LiveMemory:
    """Memory of a running process, by process_vm_readv, or by /proc/PID/mem where that is refused.

    Raises NoSuchProcess and NotReadable, with the user who could read it.
    Source: process_vm_readv(2): a short count ends at the first range that is not there.
    """

    def __init__(self, pid: int) -> None:
        self.pid, self.bytes_read = pid, 0
        self.mappings = _mappings(pid)
        self._libc = _libc()
        self._file = -1
        self._try()

    def _try(self) -> None:
        """Reads one byte by either way, and keeps to the way that works."""
        spot = next((m.start for m in self.mappings if m.rights.startswith("r") and m.path.startswith("/")), None)
        if spot is None:
            raise NotReadable(f"process {self.pid} has no memory: a kernel thread, or a zombie")
        try:
            self.read(spot, 1)
        except MemoryFault:
            self._libc = None
            try:
                self._file = os.open(f"/proc/{self.pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
                self.read(spot, 1)
            except (OSError, MemoryFault) as error:
                raise _refused(self.pid, getattr(error, "strerror", None) or str(error)) from None

    def close(self) -> None:
        """Closes what is open."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def read(self, address: int, size: int) -> bytes:
        """The bytes at an address. Raises MemoryFault when not all of them are there."""
        found = self.read_many([(address, size)])[0]
        if found is None:
            raise MemoryFault(f"{size} bytes at {address:#x} of process {self.pid}")
        return bytes(found)

    def read_many(self, ranges: Sequence[Range]) -> list[memoryview | None]:
        """The bytes of each range, in order; None for one that is not there (any more)."""
        found: list[memoryview | None] = [None] * len(ranges)
        for first, last in _calls(ranges):
            self._read_some(ranges, first, last, found)
        return found

    def _read_some(self, ranges: Sequence[Range], first: int, last: int, found: list[memoryview | None]) -> None:
        """Reads ranges first … last-1; after one that is not there it goes on behind it."""
        while first < last:
            sizes = [ranges[i][1] for i in range(first, last)]
            total = sum(sizes)
            buffer = bytearray(total)
            got = self._transfer(ranges, first, last, buffer) if total else 0
            self.bytes_read += got
            view, place = memoryview(buffer), 0
            while first < last and place + sizes[first - last] <= got:
                size = sizes[first - last]
                found[first] = view[place : place + size]
                place += size
                first += 1
            first += 1  # the one that was not there

    def _transfer(self, ranges: Sequence[Range], first: int, last: int, buffer: bytearray) -> int:
        """Bytes that arrived in the buffer, from its beginning, whole ranges only."""
        target = (ctypes.c_char * len(buffer)).from_buffer(buffer)
        if self._libc is None:
            return self._transfer_by_file(ranges, first, last, memoryview(buffer))
        local = (ctypes.c_uint64 * 2)(ctypes.addressof(target), len(buffer))
        remote = array("Q", [word for i in range(first, last) for word in ranges[i]])
        start, _ = remote.buffer_info()
        got = int(self._libc.process_vm_readv(self.pid, local, 1, start, last - first, 0))
        if got >= 0:
            return got
        if ctypes.get_errno() == errno.ESRCH:
            raise NoSuchProcess(f"process {self.pid} ended while it was read")
        return 0

    def _transfer_by_file(self, ranges: Sequence[Range], first: int, last: int, view: memoryview) -> int:
        if self._file < 0:
            return 0
        place = 0
        for i in range(first, last):
            address, size = ranges[i]
            try:
                if os.preadv(self._file, [view[place : place + size]], address) != size:
                    return place
            except (OSError, OverflowError):
                return place
            place += size
        return place


def _calls(ranges: Sequence[Range]) -> list[tuple[int, int]]:
    """How the ranges are shared out to calls, each within the limits; a range that no process has is left out."""
    calls, first, size = [], 0, 0
    for i, (address, length) in enumerate(ranges):
        if not 0 < length <= READ_MOST or address <= 0 or address + length >= 1 << 63:
            if first < i:
                calls.append((first, i))
            first, size = i + 1, 0
        elif i - first >= IOVECS or (size and size + length > CALL_BYTES):
            calls.append((first, i))
            first, size = i, length
        else:
            size += length
    if first < len(ranges):
        calls.append((first, len(ranges)))
    return calls


def read_near(memory: Memory, ranges: Sequence[Range], near: int = NEAR_BYTES) -> list[memoryview | None]:
    """The same as `read_many`, in any order of addresses, with near ones read as one: for many small things side by side."""
    order = sorted(range(len(ranges)), key=ranges.__getitem__)
    merged: list[list[int]] = []
    member = [0] * len(ranges)
    for i in order:
        address, size = ranges[i]
        if merged and address <= merged[-1][1] + near and address + size - merged[-1][0] <= CALL_BYTES:
            merged[-1][1] = max(merged[-1][1], address + size)
        else:
            merged.append([address, address + size])
        member[i] = len(merged) - 1
    blocks = memory.read_many([(start, end - start) for start, end in merged])
    lost = [i for i in order if blocks[member[i]] is None]
    # what lay between two near ones may have been the hole
    alone = dict(zip(lost, memory.read_many([ranges[i] for i in lost]), strict=True)) if lost else {}
    found: list[memoryview | None] = []
    for i, (address, size) in enumerate(ranges):
        block = blocks[member[i]]
        start = address - merged[member[i]][0]
        found.append(alone[i] if block is None else block[start : start + size])
    return found


def _mappings(pid: int) -> list[Mapping]:
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as lines:
            found = [_mapping(line) for _, line in zip(range(MAPPINGS), lines, strict=False)]
    except (FileNotFoundError, ProcessLookupError):
        hint = "pgrep -a NAME lists processes by name" if os.path.isdir("/proc/self") else "there is no /proc on this system"
        raise NoSuchProcess(f"there is no process {pid}", hint) from None
    except OSError as error:
        raise _refused(pid, error.strerror or str(error)) from None
    if not found and not _owner(pid):
        raise NoSuchProcess(f"there is no process {pid}")
    return found


def _mapping(line: str) -> Mapping:
    parts = line.rstrip("\n").split(None, 5)
    start, _, end = parts[0].partition("-")
    return Mapping(int(start, 16), int(end, 16), parts[1], int(parts[2], 16), parts[5] if len(parts) > 5 else "")


def _owner(pid: int) -> str:
    try:
        return str(os.stat(f"/proc/{pid}").st_uid)
    except OSError:
        return ""


def _refused(pid: int, why: str) -> NotReadable:
    owner = _owner(pid)
    mine = str(os.geteuid())
    said = f"cannot read the memory of process {pid}: {why}"
    if owner and owner != mine:
        return NotReadable(f"{said}; it runs as uid {owner}, this is uid {mine}", f"sudo -u '#{owner}' ghostkey maps {pid}")
    hint = "root, or CAP_SYS_PTRACE, may read it; so does kernel.yama.ptrace_scope=0 for the same user; or gcore PID and --core"
    return NotReadable(said, hint)
