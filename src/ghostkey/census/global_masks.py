"""Which words of a program's globals are pointers, as the collector knows it.

Between the pointers of a global lie numbers, and a pair of two small ones looks like a pointer into the heap: the two counters of
a list of spans in runtime.mheap_ do, and so led to maps that nothing held. The linker leaves a program of bits for the collector.
Source: Go runtime/mbitmap.go, the format of GC programs, and runtime/symtab.go, moduledata.gcdata and gcbss.
"""

from __future__ import annotations

from ghostkey.census.leb128 import unsigned
from ghostkey.census.memory import Memory, Range
from ghostkey.census.runtime import Module

WORD = 8
PAGE = 4096
PROGRAM_MOST = 1 << 20  # bytes; that of the globals of a kube-apiserver has 7 KB


class GlobalMasks:
    """The pointer masks of modules, each unrolled when a word of its globals is asked for first."""

    def __init__(self, memory: Memory, modules: list[Module]) -> None:
        self._memory = memory
        self._parts = [part for one in modules for part in ((one.data, one.gcdata), (one.bss, one.gcbss))]
        self._masks: dict[int, bytearray | None] = {}

    def is_pointer(self, location: int) -> bool:
        """Whether a word of a global may hold a pointer; so where the linker's program cannot be read."""
        for (start, size), program in self._parts:
            if start <= location < start + size:
                if start not in self._masks:
                    self._masks[start] = self._unrolled((start, size), program)
                mask = self._masks[start]
                place = (location - start) // WORD
                return mask is None or (place < len(mask) and bool(mask[place]))
        return True

    def _unrolled(self, part: Range, program: int) -> bytearray | None:
        try:
            return unrolled(self._program(program), -(-part[1] // WORD))
        except ValueError:
            return None

    def _program(self, address: int) -> bytes:
        """What is there from an address on: how long a program is it says itself."""
        places = [address, *range(address - address % PAGE + PAGE, address + PROGRAM_MOST, PAGE)]
        content = bytearray()
        for piece in self._memory.read_many([(place, PAGE - place % PAGE) for place in places]):
            if piece is None:
                break
            content += piece
        return bytes(content)


def unrolled(program: bytes, most: int) -> bytearray:
    """One byte a word, 1 where it is a pointer. Raises ValueError where a program is cut off, or tells of more words than `most`."""
    mask = bytearray()
    place = 0
    try:
        while code := program[place]:
            place, count = place + 1, code & 0x7F
            if code < 0x80:
                end = place + -(-count // 8)
                literal = int.from_bytes(program[place:end], "little")
                if end > len(program):
                    raise IndexError
                mask += bytes(literal >> bit & 1 for bit in range(count))
                place = end
            else:
                length, place = (count, place) if count else unsigned(program, place)
                times, place = unsigned(program, place)
                if not 0 < length <= len(mask) or len(mask) + length * times > most:
                    raise ValueError("a GC program repeats what is not there")
                mask += mask[-length:] * times
            if len(mask) > most + WORD:
                raise ValueError("a GC program is longer than its globals")
    except IndexError:
        raise ValueError("a GC program is cut off") from None
    return mask
