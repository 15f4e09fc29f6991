"""The goroutines of a process: which there are, where their stacks lie, and which functions stand on them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from ghostkey.census.errors import MemoryFault
from ghostkey.census.memory import read_near
from ghostkey.census.runtime import Runtime

GOROUTINES_MOST = 1 << 21
PROBED = 8
G_BYTES = 320
IDLE, RUNNABLE, RUNNING, SYSCALL, WAITING, DEAD = 0, 1, 2, 3, 4, 6
STACK_MOST = 1 << 30  # layout: runtime.maxstacksize on 64 bits


@dataclass(slots=True)
class Goroutine:
    """One goroutine that lives. Of one that runs, `sp` and `pc` are those of when it last did not."""

    id: int
    address: int
    status: int
    low: int
    high: int
    sp: int
    pc: int
    start_pc: int

    @property
    def low_used(self) -> int:
        """From where on its stack is in use."""
        return self.sp if self.low <= self.sp < self.high else self.high

    @property
    def state(self) -> str:
        """In words."""
        return {RUNNABLE: "runnable", RUNNING: "running", SYSCALL: "syscall", WAITING: "waiting"}.get(self.status, "other")


def goroutines(runtime: Runtime) -> list[Goroutine]:
    """All that live, in the order of their making; none when the list of them cannot be found."""
    for module in runtime.modules[:1]:
        for start, size in (module.bss, module.noptrbss, module.data):
            try:
                words = memoryview(runtime.memory.read(start, size & ~7)).cast("Q") if size >= 64 else None
            except MemoryFault:
                continue
            if words is not None and (found := _look_for(runtime, words)):
                return found
    return []


def _look_for(runtime: Runtime, words: Sequence[int]) -> list[Goroutine]:
    """runtime.allgs: a slice of pointers to goroutines, each with a stack that its stack pointer is on."""
    for i in range(len(words) - 2):
        pointer, count, capacity = words[i], words[i + 1], words[i + 2]
        if pointer & 7 or not 2 <= count <= capacity < GOROUTINES_MOST or runtime.heap_span_at(pointer) is None:
            continue
        found = _read(runtime, pointer, min(count, PROBED))
        if found is None or len([g for g in found if g is not None]) < min(2, count):
            continue
        whole = _read(runtime, pointer, count)
        return [g for g in whole or () if g is not None]
    return []


def _read(runtime: Runtime, pointer: int, count: int) -> list[Goroutine | None] | None:
    """Goroutines of a slice, those that are dead as None; None altogether when one of them is no goroutine."""
    layout = runtime.layout
    raw = runtime.memory.read_many([(pointer, 8 * count)])[0]
    if raw is None:
        return None
    addresses = struct.unpack(f"<{count}Q", raw)
    found: list[Goroutine | None] = []
    for address, content in zip(addresses, read_near(runtime.memory, [(a, G_BYTES) for a in addresses]), strict=True):
        if content is None or runtime.heap_span_at(address) is None:
            return None
        low, high = struct.unpack_from("<QQ", content, layout.g_stack_low)
        sp, pc = struct.unpack_from("<QQ", content, layout.g_sp)
        status = struct.unpack_from("<I", content, layout.g_status)[0] & 0xFFF
        number, start_pc = (struct.unpack_from("<Q", content, place)[0] for place in (layout.g_id, layout.g_start_pc))
        if status in (IDLE, DEAD) or not high:
            found.append(None)
            continue
        if not (low < high <= low + STACK_MOST and status < 16 and number < 1 << 48):
            return None
        found.append(Goroutine(number, address, status, low, high, sp, pc, start_pc))
    return found
