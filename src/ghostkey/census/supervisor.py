"""The process that traces for us: it arms debug registers, tells of each hit, and clears them when nobody listens any more.

Registers that are left armed when a tracer ends kill the program at its next write. So the one who traces is no command that
a person may end: it has a session of its own, hears nothing but its pipe, and the end of the pipe has it disarm and let go.
Source: ptrace(2); Linux arch/x86/kernel/ptrace.c (registers stay after a detach); Intel SDM vol. 3B, 18.2 (DR6, DR7).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import signal
import struct
import time
from collections.abc import Sequence

from ghostkey.census.errors import MemoryFault, NoSuchProcess
from ghostkey.census.memory import LiveMemory

PEEKUSER, POKEUSER, CONT, GETREGS, DETACH, SEIZE, INTERRUPT, LISTEN = 3, 6, 7, 12, 17, 0x4206, 0x4207, 0x4208
TRACE_CLONE = 8  # PTRACE_O_TRACECLONE; not EXITKILL (1 << 20): our end is to be no one else's
EVENT_STOP = 128
ALL_THREADS = 0x40000000  # __WALL
DEBUG_REGISTERS = 848  # layout: struct user.u_debugreg on amd64
STATUS, CONTROL = DEBUG_REGISTERS + 6 * 8, DEBUG_REGISTERS + 7 * 8
REGISTERS = 27 * 8  # layout: struct user_regs_struct on amd64: rbp 4, rip 16, rsp 19
RBP, RIP, RSP = 4, 16, 19
JOB_STOPS = frozenset({signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
STACK_BYTES, STACK_MOST = 4096, 127
LISTEN_SECONDS = 0.05  # between two looks at the pipe
LINE_MOST = 4096  # PIPE_BUF: a line arrives whole or not at all
ARM, DISARM = b"a", b"d"


class Supervisor:
    """Traces all threads of a process. `orders` and `told` are ends of pipes: one byte an order, one line of JSON an answer."""

    def __init__(self, pid: int, addresses: Sequence[int], orders: int, told: int) -> None:
        self._pid, self._addresses, self._orders, self._told = pid, list(addresses), orders, told
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self._libc.ptrace.restype = ctypes.c_long
        self._registers = ctypes.create_string_buffer(REGISTERS)
        self._threads: dict[int, int] = {}  # what DR7 is in each
        self._placed: set[int] = set()  # threads whose DR0 … DR3 have the addresses
        self._wanted = self._lost = 0  # DR7
        self._answer = ""  # that is owed once all threads are as wanted
        self._is_leaving = False
        self._memory = LiveMemory(pid)

    def run(self) -> None:
        """Until told to end, or nobody listens, or the process ended; then no register is armed, and nothing traced."""
        try:
            if self._attach():
                self._serve()
        finally:
            self._leave()

    # what is asked

    def _serve(self) -> None:
        looked = 0.0
        while True:
            if (stop := self._wait()) is not None:
                self._stopped(*stop)
            if not self._threads:
                self._tell({"ended": True})
                return
            if time.monotonic() - looked >= LISTEN_SECONDS:
                looked = time.monotonic()
                if not self._obey():
                    return
            if self._answer and all(control == self._wanted for control in self._threads.values()):
                self._tell({self._answer: len(self._threads)})
                self._answer = ""

    def _obey(self) -> bool:
        """Does what is asked; whether to go on."""
        try:
            words = os.read(self._orders, 64)
        except BlockingIOError:
            return True
        if not words:
            return False
        self._wanted = self._control() if words[-1:] == ARM else 0
        self._answer = "armed" if self._wanted else "disarmed"
        self._interrupt()
        return True

    def _control(self) -> int:
        """DR7: each address by itself (L0 … L3), when it is written (01), 8 bytes of it (10)."""
        return sum(1 << 2 * i | 0b1001 << 16 + 4 * i for i in range(len(self._addresses)))

    def _tell(self, record: object) -> None:
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        try:
            if len(line) > LINE_MOST:
                raise BlockingIOError
            os.write(self._told, line)
        except BlockingIOError:
            self._lost += 1  # the program is not made to wait for who listens
        except OSError:
            pass  # nobody listens: the orders have ended too

    # threads

    def _attach(self) -> bool:
        """Takes up all threads, and those that they start; tells why not."""
        while True:
            new = [thread for thread in map(int, self._listed()) if thread not in self._threads]
            if not new:
                break
            for thread in new:
                code = self._ptrace(SEIZE, thread, 0, TRACE_CLONE)
                if code in (0, errno.ESRCH) or self._threads:
                    self._threads[thread] = 0  # also one that came with a thread that we have: its first stop is near
                else:
                    self._tell({"refused": code})
                    return False
        self._tell({"ready": len(self._threads)})
        return True

    def _listed(self) -> list[str]:
        try:
            return os.listdir(f"/proc/{self._pid}/task")
        except OSError:
            return []

    def _interrupt(self) -> None:
        for thread in self._threads:
            self._ptrace(INTERRUPT, thread)

    def _wait(self) -> tuple[int, int] | None:
        """(thread, status) of what stopped or ended; None when it is time to look at the pipe, or nothing is traced."""
        status = ctypes.c_int(0)
        thread = int(self._libc.waitpid(-1, ctypes.byref(status), ALL_THREADS))
        if thread > 0:
            return thread, status.value
        if ctypes.get_errno() == errno.ECHILD:
            self._threads.clear()
        return None

    def _stopped(self, thread: int, status: int) -> None:
        if not os.WIFSTOPPED(status):
            self._threads.pop(thread, None)
            return
        self._threads.setdefault(thread, 0)
        number, event = status >> 8 & 0xFF, status >> 16
        delivered = 0
        if not event:
            hit = self._peek(thread, STATUS) & 15 if number == signal.SIGTRAP else 0
            if hit:
                self._hit(thread, hit)
            else:
                delivered = number  # somebody else's signal: the program gets it
        self._set(thread)
        if self._is_leaving and not self._has_trap_pending(thread):
            self._ptrace(DETACH, thread, 0, delivered)
            self._threads.pop(thread, None)
            return
        # a job that was stopped stays stopped
        is_job_stop = event == EVENT_STOP and number in JOB_STOPS
        self._ptrace(LISTEN if is_job_stop else CONT, thread, 0, 0 if is_job_stop else delivered)
        if self._is_leaving:
            self._ptrace(INTERRUPT, thread)

    def _set(self, thread: int) -> None:
        """Gives a thread that stands the registers that are wanted."""
        if self._threads[thread] == self._wanted:
            return
        if self._wanted and thread not in self._placed:
            for i, address in enumerate(self._addresses):
                self._ptrace(POKEUSER, thread, DEBUG_REGISTERS + 8 * i, address)
            self._placed.add(thread)
        code = self._ptrace(POKEUSER, thread, CONTROL, self._wanted)
        if code and self._wanted:
            self._tell({"refused": code})
        if not code or code == errno.ESRCH:
            self._threads[thread] = self._wanted

    def _has_trap_pending(self, thread: int) -> bool:
        """Whether a hit of this thread was not told yet: its signal, delivered with nobody tracing, would be the program's end."""
        try:
            with open(f"/proc/{self._pid}/task/{thread}/status") as lines:
                pending = next(line.split()[1] for line in lines if line.startswith("SigPnd:"))
        except (OSError, StopIteration):
            return False
        return bool(int(pending, 16) & 1 << signal.SIGTRAP - 1)

    def _hit(self, thread: int, which: int) -> None:
        at = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        self._ptrace(POKEUSER, thread, STATUS, 0)
        self._ptrace(GETREGS, thread, 0, ctypes.addressof(self._registers))
        registers = struct.unpack("<27Q", self._registers.raw)
        stack = self._walk(registers[RIP], registers[RBP], registers[RSP])
        for i, address in enumerate(self._addresses):
            if which >> i & 1:
                self._tell({"hit": [address, thread, at, stack, self._word(address)], "lost": self._lost})

    def _word(self, address: int) -> int | None:
        with contextlib.suppress(MemoryFault, NoSuchProcess):
            return int.from_bytes(self._memory.read(address, 8), "little")
        return None

    def _walk(self, code: int, base: int, top: int) -> list[int]:
        """Return addresses, innermost first, along the frame pointers that Go keeps."""
        stack = [code]
        start, content = top, self._read(top)
        while len(stack) < STACK_MOST and base >= top:
            if not start <= base <= start + len(content) - 16:
                start, content = base, self._read(base)
                if len(content) < 16:
                    break
            following, back = struct.unpack_from("<QQ", content, base - start)
            if not back:
                break
            stack.append(back)
            if following <= base:
                break
            base = following
        return stack

    def _read(self, address: int) -> bytes:
        for size in (STACK_BYTES, STACK_BYTES - address % STACK_BYTES):
            with contextlib.suppress(MemoryFault, NoSuchProcess):
                return self._memory.read(address, size)
        return b""

    # the end

    def _leave(self) -> None:
        """Clears all registers, and lets go of each thread once no hit of it is on its way; takes as long as it takes."""
        self._is_leaving, self._wanted = True, 0
        self._interrupt()
        while self._threads:
            if (stop := self._wait()) is not None:
                self._stopped(*stop)

    def _ptrace(self, request: int, thread: int, address: int = 0, data: int = 0) -> int:
        """0, or why not: ESRCH of a thread that ended meanwhile, or was killed, is nobody's fault."""
        return 0 if self._libc.ptrace(request, thread, address, data) >= 0 else ctypes.get_errno()

    def _peek(self, thread: int, offset: int) -> int:
        return int(self._libc.ptrace(PEEKUSER, thread, offset, 0))


def supervise(pid: int, addresses: Sequence[int], orders: int, told: int) -> None:
    """What a process that was forked for it does; it comes back when all is as it was before."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    low, high = sorted((orders, told))
    os.closerange(3, low)
    os.closerange(low + 1, high)
    os.closerange(high + 1, os.sysconf("SC_OPEN_MAX") if high > 1 << 16 else 1 << 16)
    os.set_blocking(orders, False)
    os.set_blocking(told, False)
    signal.signal(signal.SIGALRM, lambda *_: None)  # ends a wait, so that the pipe is looked at
    signal.setitimer(signal.ITIMER_REAL, LISTEN_SECONDS, LISTEN_SECONDS)
    Supervisor(pid, addresses, orders, told).run()
