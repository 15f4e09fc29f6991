"""Who writes a word of another process: hardware breakpoints of the kernel's perf events, each hit with its whole stack.

Nobody is stopped and nothing is traced; when we end, however that is, the kernel takes the breakpoints away.
Source: perf_event_open(2); Linux include/uapi/linux/perf_event.h, struct perf_event_attr of 136 bytes (PERF_ATTR_SIZE_VER8).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import platform
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ghostkey.census.errors import CannotWatch, NoSuchProcess

SYSCALLS = {"x86_64": 298, "aarch64": 241}
BREAKPOINT, WRITE, WORD = 5, 2, 8  # PERF_TYPE_BREAKPOINT, HW_BREAKPOINT_W, HW_BREAKPOINT_LEN_8
SAMPLE = 1 | 2 | 4 | 8 | 32  # IP, TID, TIME, ADDR, CALLCHAIN
DISABLED, NO_KERNEL, NO_HYPERVISOR, CLOCK = 1, 1 << 5, 1 << 6, 1 << 25
CLOEXEC = 8
ENABLE, DISABLE, OUTPUT = 0x2400, 0x2401, 0x2405  # PERF_EVENT_IOC_…
RECORD_LOST, RECORD_THROTTLE, RECORD_SAMPLE = 2, 5, 9
USER = 1 << 63  # addresses from here on mark a context, and are no code
STACK_MOST = 127  # frames: /proc/sys/kernel/perf_event_max_stack allows as many by default
RING_PAGES = (64, 16, 4, 1)  # the most that the locked-memory limit allows: 64 pages held 11,000 hits a second
MAPS_MOST = 4  # debug registers of a processor
THREADS_MOST = 4096


@dataclass(frozen=True, slots=True)
class Hit:
    """One write: to which address, by which thread, when it was told (CLOCK_MONOTONIC, nanoseconds), and from where, innermost first.

    `value` is what the word held after it, where the thread stood still meanwhile.
    """

    address: int
    thread: int
    at: int
    stack: tuple[int, ...]
    value: int | None = None


class _Ring:
    """What the kernel tells of one thread: one buffer for all addresses that are watched."""

    def __init__(self, pid: int, thread: int, addresses: Sequence[int]) -> None:
        self.files: list[int] = []
        self.lost = self.throttled = 0
        try:
            for address in addresses:
                self.files.append(_open(pid, thread, address))
            self._map(pid)
            for other in self.files[1:]:
                fcntl.ioctl(other, OUTPUT, self.files[0])
        except BaseException:
            self.close()
            raise

    def _map(self, pid: int) -> None:
        for pages in RING_PAGES:
            try:
                self._size = pages * mmap.PAGESIZE
                self._buffer = mmap.mmap(self.files[0], self._size + mmap.PAGESIZE)
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.ENOMEM) or pages == RING_PAGES[-1]:
                    raise _refused(error.errno or 0, pid) from None
            else:
                return

    def switch(self, request: int) -> None:
        """Arms or disarms all."""
        for file in self.files:
            with contextlib.suppress(OSError):
                fcntl.ioctl(file, request, 0)

    def drain(self) -> Iterator[Hit]:
        """What happened since it was drained last."""
        head, tail = struct.unpack_from("<QQ", self._buffer, 1024)
        while tail < head:
            place = tail % self._size
            kind, _, size = struct.unpack("<IHH", self._bytes(place, 8))
            if not 8 <= size <= head - tail:
                break  # not as the kernel writes it
            record = self._bytes(place, size)
            tail += size
            if kind == RECORD_SAMPLE:
                code, _, thread, at, address, count = struct.unpack_from("<QIIQQQ", record, 8)
                chain = struct.unpack_from(f"<{count}Q", record, 48)
                yield Hit(address, thread, at, tuple(pc for pc in chain if pc < USER) or (code,))
            elif kind == RECORD_LOST:
                self.lost += struct.unpack_from("<Q", record, 16)[0]
            elif kind == RECORD_THROTTLE:
                self.throttled += 1
        struct.pack_into("<Q", self._buffer, 1032, head)

    def _bytes(self, place: int, size: int) -> bytes:
        start = mmap.PAGESIZE + place
        first = min(size, self._size - place)
        found = self._buffer[start : start + first]
        return found if first == size else found + self._buffer[mmap.PAGESIZE : mmap.PAGESIZE + size - first]

    def close(self) -> None:
        """Takes the breakpoints away."""
        if hasattr(self, "_buffer"):
            self._buffer.close()
        for file in self.files:
            os.close(file)
        self.files = []


class Watchpoints:
    """Breakpoints on words of a process, in all of its threads. Raises CannotWatch, with what would work, and NoSuchProcess."""

    def __init__(self, pid: int, addresses: Sequence[int]) -> None:
        self.pid, self._addresses = pid, list(addresses)
        self._rings: dict[int, _Ring] = {}
        self._lost = self._throttled = 0
        self.is_armed = False
        try:
            self.follow()
        except BaseException:
            self.close()
            raise

    @property
    def threads(self) -> int:
        """How many threads are watched."""
        return len(self._rings)

    @property
    def lost(self) -> int:
        """Hits that the kernel had no room for."""
        return self._lost + sum(ring.lost for ring in self._rings.values())

    @property
    def throttled(self) -> int:
        """How often the kernel found them too many, and held back."""
        return self._throttled + sum(ring.throttled for ring in self._rings.values())

    def follow(self) -> int:
        """Watches threads that are new, and forgets those that ended; how many are new."""
        try:
            threads = {int(name) for name in os.listdir(f"/proc/{self.pid}/task")}
        except OSError:
            raise NoSuchProcess(f"process {self.pid} ended while it was watched") from None
        for gone in self._rings.keys() - threads:
            ring = self._rings[gone]
            self._lost, self._throttled = self._lost + ring.lost, self._throttled + ring.throttled
        new = sorted(threads - self._rings.keys())[: THREADS_MOST - len(self._rings)]
        for thread in new:
            try:
                ring = _Ring(self.pid, thread, self._addresses)
            except ProcessLookupError:
                continue  # it ended meanwhile
            self._rings[thread] = ring
            if self.is_armed:
                ring.switch(ENABLE)
        return len(new)

    def arm(self) -> None:
        """Begins to see writes."""
        self.is_armed = True
        for ring in self._rings.values():
            ring.switch(ENABLE)

    def disarm(self) -> None:
        """Sees no more."""
        self.is_armed = False
        for ring in self._rings.values():
            ring.switch(DISABLE)

    def hits(self) -> Iterator[Hit]:
        """What happened since they were asked for last, thread by thread."""
        for ring in self._rings.values():
            yield from ring.drain()

    def close(self) -> None:
        """Takes all breakpoints away; harmless when there are none."""
        for ring in self._rings.values():
            ring.close()
        self._rings = {}


def now() -> int:
    """The clock of hits."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def _open(pid: int, thread: int, address: int) -> int:
    number = SYSCALLS.get(platform.machine())
    if number is None:
        raise CannotWatch(f"hardware breakpoints of {platform.machine()} are not known here", other_ways(pid))
    attributes = struct.pack(
        "<IIQQQQQIIQQQQIiQIHHIIQQ", BREAKPOINT, 136, 0, 1, SAMPLE, 0, DISABLED | NO_KERNEL | NO_HYPERVISOR | CLOCK, 1, WRITE,
        address, WORD, 0, 0, 0, time.CLOCK_MONOTONIC, 0, 0, STACK_MOST, 0, 0, 0, 0, 0,
    )  # fmt: skip
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    file = int(libc.syscall(number, buffer, thread, -1, -1, ctypes.c_ulong(CLOEXEC)))
    if file >= 0:
        return file
    code = ctypes.get_errno()
    if code == errno.ESRCH:
        raise ProcessLookupError(code, os.strerror(code))
    raise _refused(code, pid)


def _refused(code: int, pid: int) -> CannotWatch:
    """Why the kernel says no, and what works instead: each reason has its own words."""
    said = os.strerror(code)
    if code in (errno.EACCES, errno.EPERM):
        owner, mine = owner_of(pid), os.geteuid()
        if owner not in (-1, mine) and mine:
            return CannotWatch(
                f"process {pid} runs as uid {owner}, this is uid {mine}: {said}", f"sudo -u '#{owner}' ghostkey stacks {pid} …"
            )
        paranoid = setting("/proc/sys/kernel/perf_event_paranoid")
        if paranoid > 2 and mine:
            return CannotWatch(
                f"this kernel lets no user watch (kernel.perf_event_paranoid is {paranoid}): {said}",
                f"sysctl kernel.perf_event_paranoid=2 as root, or CAP_PERFMON; {other_ways(pid)}",
            )
        if is_filtered():
            return CannotWatch(
                f"a seccomp filter forbids perf_event_open here: {said}",
                f"--by ptrace, where the filter allows that; or seccomp Unconfined, or CAP_PERFMON where the profile knows it; {other_ways(pid)}",
            )
        return CannotWatch(f"the kernel does not let us watch process {pid}: {said}", other_ways(pid))
    if code == errno.ENOSPC:
        return CannotWatch(
            f"no hardware breakpoint is left in process {pid}: a debugger has them, or had",
            f"end the debugger, and start the process again if it was there before (its threads keep them); {other_ways(pid)}",
        )
    if code in (errno.ENOENT, errno.EOPNOTSUPP, errno.ENODEV, errno.ENOSYS):
        return CannotWatch(
            f"this machine offers no hardware breakpoints (some virtual machines and gVisor do not): {said}", other_ways(pid)
        )
    if code in (errno.EMFILE, errno.ENFILE):
        return CannotWatch(f"too many open files for the threads of process {pid}: {said}", f"ulimit -n 65536; {other_ways(pid)}")
    return CannotWatch(f"cannot watch process {pid}: {said}", other_ways(pid))


def other_ways(pid: int) -> str:
    """What sees less, and needs nobody's leave."""
    return f"ghostkey stacks {pid} --map … --by poll works everywhere, and sees less"


def owner_of(pid: int) -> int:
    """The user of a process; -1 where that cannot be told."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return -1


def setting(path: str, name: str = "") -> int:
    """The number that a file of /proc holds, or says of a name; -1 where it does not."""
    try:
        with open(path) as lines:
            words = next((line.split() for line in lines if line.startswith(name)), [])
            return int(words[1 if name else 0])
    except (OSError, ValueError, IndexError):
        return -1


def is_filtered() -> bool:
    """Whether a seccomp filter is on this process."""
    return setting("/proc/self/status", "Seccomp:") == 2
