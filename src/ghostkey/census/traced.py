"""Who writes a word of another process, by ptrace and debug registers: where the kernel's perf events are not to be had.

Each hit stops the thread that wrote, for some 50 to 100 microseconds, and no other. A process of its own traces (`supervisor`), so
that whatever becomes of us, the registers are cleared and the program goes on.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import platform
import select
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from ghostkey.census.errors import CannotWatch, NoSuchProcess
from ghostkey.census.supervisor import ARM, DISARM, supervise
from ghostkey.census.watchpoints import Hit, is_filtered, other_ways, owner_of, setting

ANSWER_SECONDS = 15.0  # a thread that waits for a disk cannot be stopped until it has it
END_SECONDS = 30.0
PIPE_BYTES = 1 << 20


class Traced:
    """The same as `Watchpoints`, by a supervisor. Raises CannotWatch, with what would work, and NoSuchProcess."""

    def __init__(self, pid: int, addresses: Sequence[int]) -> None:
        self.pid, self.is_armed, self.threads, self.lost, self.throttled = pid, False, 0, 0, 0
        if platform.machine() != "x86_64":
            raise CannotWatch(f"debug registers of {platform.machine()} are not known here", other_ways(pid))
        self._hits: deque[Hit] = deque()
        self._pending = b""
        self._has_ended = False
        theirs, self._orders = os.pipe()
        self._told, said = os.pipe()
        with contextlib.suppress(OSError):
            fcntl.fcntl(said, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._child = os.fork()
        if not self._child:
            code = 1
            try:
                supervise(pid, addresses, theirs, said)
                code = 0
            finally:
                os._exit(code)
        os.close(theirs)
        os.close(said)
        os.set_blocking(self._told, False)
        try:
            self._await("ready")
        except BaseException:
            self.close()
            raise

    def arm(self) -> None:
        """Begins to see writes."""
        self._order(ARM, "armed")
        self.is_armed = True

    def disarm(self) -> None:
        """Sees no more."""
        self._order(DISARM, "disarmed")
        self.is_armed = False

    def follow(self) -> int:
        """Nothing: new threads are traced from their beginning. Raises NoSuchProcess when the process ended."""
        self._listen()
        if self._has_ended:
            raise NoSuchProcess(f"process {self.pid} ended while it was watched")
        return 0

    def hits(self) -> Iterator[Hit]:
        """What happened since they were asked for last."""
        self._listen()
        while self._hits:
            yield self._hits.popleft()

    def close(self) -> None:
        """Has the registers be cleared, and waits until they are."""
        if self._orders < 0:
            return
        os.close(self._orders)
        self._orders = -1
        deadline = time.monotonic() + END_SECONDS
        while os.waitpid(self._child, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
            select.select([self._told], [], [], 0.05)
            self._listen()
        os.close(self._told)

    # the supervisor

    def _order(self, word: bytes, answer: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._orders, word)
        self._await(answer)

    def _await(self, answer: str) -> None:
        deadline = time.monotonic() + ANSWER_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            select.select([self._told], [], [], min(left, 0.1))
            said = self._listen()
            if answer in said:
                self.threads = int(said[answer])
                return
            if self._has_ended:
                raise NoSuchProcess(f"process {self.pid} ended while it was watched")
        raise CannotWatch(
            f"not every thread of process {self.pid} could be reached within {ANSWER_SECONDS:.0f} s", other_ways(self.pid)
        )

    def _listen(self) -> dict[str, Any]:
        """Takes in what was told; hits are kept, the rest is given back."""
        said: dict[str, Any] = {}
        is_gone = False
        while True:
            try:
                content = os.read(self._told, PIPE_BYTES)
            except BlockingIOError:
                break
            if not content:
                is_gone = self._orders >= 0
                break
            *lines, self._pending = (self._pending + content).split(b"\n")
            for line in lines:
                record = json.loads(line)
                if "hit" in record:
                    address, thread, at, stack, value = record["hit"]
                    self._hits.append(Hit(address, thread, at, tuple(stack), value))
                    self.lost = record["lost"]
                else:
                    said |= record
                    self._has_ended |= "ended" in record
        if "refused" in said:
            raise _refused(int(said["refused"]), self.pid)
        if is_gone and not self._has_ended:
            raise CannotWatch(f"the supervisor that traces process {self.pid} was ended", other_ways(self.pid))
        return said


def _refused(code: int, pid: int) -> CannotWatch | NoSuchProcess:
    """Why the kernel lets nobody trace, and what works instead: each reason has its own words."""
    said, ways = os.strerror(code), other_ways(pid)
    if code == errno.ESRCH:
        return NoSuchProcess(f"there is no process {pid}")
    if code == errno.ENOSPC:
        return CannotWatch(f"no debug register is left in process {pid}: something else watches it", ways)
    tracer, owner, mine = setting(f"/proc/{pid}/status", "TracerPid:"), owner_of(pid), os.geteuid()
    if tracer > 0:
        return CannotWatch(
            f"process {pid} is traced by process {tracer} already, a debugger or strace: {said}",
            f"end that, or ghostkey stacks {pid} --map … --by perf, which traces nobody",
        )
    if owner not in (-1, mine) and mine:
        return CannotWatch(
            f"process {pid} runs as uid {owner}, this is uid {mine}: {said}",
            f"sudo -u '#{owner}' ghostkey stacks {pid} --map … --by ptrace",
        )
    if is_filtered():
        return CannotWatch(f"a seccomp filter forbids ptrace here: {said}", f"run with seccomp Unconfined; {ways}")
    scope = setting("/proc/sys/kernel/yama/ptrace_scope")
    if scope > 0:
        return CannotWatch(
            f"this kernel lets a process trace its children alone (kernel.yama.ptrace_scope is {scope}): {said}",
            f"sysctl kernel.yama.ptrace_scope=0 as root, or CAP_SYS_PTRACE; {ways}",
        )
    return CannotWatch(f"the kernel does not let us trace process {pid}: {said}", ways)
