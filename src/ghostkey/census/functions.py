"""Which function, file and line an address in the code is, inlined calls included: from the tables in every Go binary.

Source: Go src/runtime/symtab.go, src/internal/abi/symtab.go (PCDATA_InlTreeIndex, FUNCDATA_InlTree), src/cmd/internal/obj/pcln.go.
"""

from __future__ import annotations

import bisect
import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from ghostkey.census.errors import MemoryFault, NoSuchProcess
from ghostkey.census.goroutines import RUNNING, Goroutine
from ghostkey.census.leb128 import unsigned
from ghostkey.census.memory import Range
from ghostkey.census.runtime import Module, Runtime

BLOCK = 1 << 16
BLOCKS_MOST = 1024  # 64 MiB of tables
FUNCTIONS_MOST = 1 << 22
TEXT_MOST = 1024  # of a name
STEPS_MOST = 1 << 16  # of a table of one function
INLINED_MOST = 64  # deep
FRAMES_MOST = 128
INL_TREE_INDEX, INL_TREE = 2, 3
NO_DATA = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Frame:
    """One call: the function, and where in which file it stands."""

    function: str
    file: str
    line: int

    @property
    def place(self) -> str:
        """`main.go:51`, with the last folder before it."""
        return f"{'/'.join(self.file.split('/')[-2:])}:{self.line}"


@dataclass(frozen=True, slots=True)
class Function:
    """One function as compiled: what its tables are."""

    name: str
    entry: int
    pcsp: int
    pcfile: int
    pcline: int
    unit: int
    inline_index: int
    inline_tree: int


class Functions:
    """The functions of a process, read as they are asked for."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._blocks: dict[int, bytes] = {}
        self._tables: dict[int, tuple[array[int], array[int]]] = {}
        self._frames: dict[int, tuple[Frame, ...]] = {}
        self._functions: dict[int, Function | None] = {}

    def frames(self, pc: int) -> tuple[Frame, ...]:
        """The calls that stand at an address, innermost first: more than one where calls were inlined; none outside of code."""
        if pc not in self._frames:
            try:
                self._frames[pc] = self._frames_at(pc)
            except (MemoryFault, struct.error, IndexError):
                self._frames[pc] = ()
        return self._frames[pc]

    def function_at(self, pc: int) -> Function | None:
        """The compiled function that holds an address."""
        module = self._module_of(pc)
        if module is None:
            return None
        entries, offsets = self._table(module)
        place = bisect.bisect_right(entries, pc - module.text) - 1
        if not 0 <= place < len(entries) - 1:
            return None
        address = module.table + offsets[place]
        if address not in self._functions:
            try:
                self._functions[address] = self._function(module, address)
            except (MemoryFault, struct.error):
                self._functions[address] = None
        return self._functions[address]

    def _module_of(self, pc: int) -> Module | None:
        return next((module for module in self._runtime.modules if module.text <= pc < module.etext), None)

    def _table(self, module: Module) -> tuple[array[int], array[int]]:
        """Where functions begin (from the beginning of the text), and where each is described."""
        found = self._tables.get(module.address)
        if found is None:
            words = array("I")
            count = min(module.count, FUNCTIONS_MOST)
            try:
                words.frombytes(self._kept([(module.functions, 8 * count)])[0] or b"")
            except ValueError:
                words = array("I")
            found = self._tables[module.address] = (words[::2], words[1::2])
        return found

    def _function(self, module: Module, address: int) -> Function:
        # layout: runtime._func; startLine came with Go 1.20
        head = 44 if self._runtime.build.minor >= 20 else 40
        raw = self._read(address, head)
        entry, name = struct.unpack_from("<Ii", raw)
        pcsp, pcfile, pcline, pcdata, unit = struct.unpack_from("<IIIII", raw, 16)
        funcdata = raw[head - 1]
        inline_index = inline_tree = 0
        if INL_TREE_INDEX < pcdata < 64 and funcdata > INL_TREE:
            tail = self._read(address + head, 4 * (pcdata + funcdata))
            words = struct.unpack(f"<{pcdata + funcdata}I", tail)
            inline_index, tree = words[INL_TREE_INDEX], words[pcdata + INL_TREE]
            inline_tree = module.gofunc + tree if tree != NO_DATA else 0
        return Function(
            self._text(module.names + name), module.text + entry, pcsp, pcfile, pcline, unit, inline_index, inline_tree
        )

    def _frames_at(self, pc: int) -> tuple[Frame, ...]:
        module, function = self._module_of(pc), self.function_at(pc)
        if module is None or function is None:
            return ()
        frames: list[Frame] = []
        index = self._value(module, function.inline_index, function, pc) if function.inline_tree else -1
        for _ in range(INLINED_MOST):
            if index < 0:
                break
            name, parent = self._inlined(module, function.inline_tree, index)
            frames.append(self._frame(module, function, name, pc))
            pc = function.entry + parent
            index = self._value(module, function.inline_index, function, pc)
        return (*frames, self._frame(module, function, function.name, pc))

    def _inlined(self, module: Module, tree: int, index: int) -> tuple[str, int]:
        """(name of the inlined function, where in the function around it it was called)."""
        # layout: runtime.inlinedCall: 16 bytes since Go 1.20, 20 before
        if self._runtime.build.minor >= 20:
            name, parent = struct.unpack_from("<ii", self._read(tree + 16 * index, 16), 4)
        else:
            name, parent = struct.unpack_from("<ii", self._read(tree + 20 * index, 20), 12)
        return self._text(module.names + name), parent

    def _frame(self, module: Module, function: Function, name: str, pc: int) -> Frame:
        number = self._value(module, function.pcfile, function, pc)
        line = self._value(module, function.pcline, function, pc)
        file = "?"
        if number >= 0:
            offset = struct.unpack("<I", self._read(module.units + 4 * (function.unit + number), 4))[0]
            file = self._text(module.files + offset) if offset != NO_DATA else "?"
        return Frame(name, file, line)

    def _value(self, module: Module, table: int, function: Function, pc: int) -> int:
        """What a table of the function says of an address; -1 when nothing. Source: runtime.pcvalue."""
        if not table:
            return -1
        address, value, at = module.pctab + table, -1, function.entry
        block, place = self._read(address, 512, is_short=True), 0
        for step in range(STEPS_MOST):
            if place + 20 > len(block):
                address += place
                block, place = self._read(address, 4096, is_short=True), 0
            change, place = unsigned(block, place)
            if change == 0 and step:
                return -1
            value += (change >> 1) ^ -(change & 1)
            distance, place = unsigned(block, place)
            at += distance
            if pc < at:
                return value
        return -1

    def stack(self, routine: Goroutine) -> list[tuple[int, int, int]]:
        """(address in the code, where its frame begins, where it ends) of each call of a goroutine that does not run.

        For amd64, where a return address stands at the end of each frame; elsewhere the innermost call alone.
        """
        found: list[tuple[int, int, int]] = []
        if routine.status == RUNNING or not routine.low <= routine.sp < routine.high:
            return found
        try:
            stack = self._runtime.memory.read(routine.sp, routine.high - routine.sp)
        except MemoryFault:
            return found
        pc, place = routine.pc, 0
        for _ in range(FRAMES_MOST):
            function = self.function_at(pc - bool(found))
            module = self._module_of(pc)
            if function is None or module is None:
                break
            try:
                size = self._value(module, function.pcsp, function, pc - bool(found))
            except (MemoryFault, IndexError):
                break
            end = place + size + 8
            if size < 0 or end > len(stack):
                break
            found.append((pc, routine.sp + place, routine.sp + end))
            if self._runtime.executable.machine != "amd64":
                break
            pc, place = int.from_bytes(stack[end - 8 : end], "little"), end
        return found

    def names(self, pcs: Sequence[int]) -> list[str]:
        """The functions of a stack, innermost first, inlined ones too; return addresses stand behind their calls."""
        return [frame.function for i, pc in enumerate(pcs) for frame in self.frames(pc - bool(i))]

    def _text(self, address: int) -> str:
        raw = self._read(address, TEXT_MOST, is_short=True)
        return raw.partition(b"\0")[0].decode("utf-8", "replace")

    def _read(self, address: int, size: int, *, is_short: bool = False) -> bytes:
        """Bytes of tables that never change, by the block; fewer at their end when `is_short`. Raises MemoryFault."""
        found = bytearray()
        while len(found) < size:
            block, offset = divmod(address + len(found), BLOCK)
            content = self._block(block)
            piece = content[offset : offset + size - len(found)]
            if not piece:
                break
            found += piece
        if len(found) < size and not (is_short and found):
            raise MemoryFault(f"{size} bytes at {address:#x}")
        return bytes(found)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            if len(self._blocks) >= BLOCKS_MOST:
                self._blocks.clear()
            pages = self._kept([(number * BLOCK + page, 4096) for page in range(0, BLOCK, 4096)])
            # the table may begin or end within the block: what is not there reads as nothing
            self._blocks[number] = b"".join(bytes(page) if page is not None else bytes(4096) for page in pages)
        return self._blocks[number]

    def _kept(self, ranges: Sequence[Range]) -> list[memoryview | bytes | None]:
        """Memory that no program writes: of one that ended meanwhile, what its executable has there."""
        try:
            return list(self._runtime.memory.read_many(ranges))
        except NoSuchProcess:
            return [self._in_file(address - self._runtime.bias, size) for address, size in ranges]

    def _in_file(self, address: int, size: int) -> bytes | None:
        try:
            return self._runtime.executable.data(address, size)
        except MemoryFault:
            return None
