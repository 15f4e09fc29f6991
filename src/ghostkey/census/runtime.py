"""The runtime inside a Go process: found without symbols, its modules, and the spans of its heap."""

from __future__ import annotations

import bisect
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ghostkey.census import layouts
from ghostkey.census.elf import BuildInfo, Executable
from ghostkey.census.errors import MemoryFault, NotGo, UnknownRuntime
from ghostkey.census.layouts import PAGE, SPAN_HEAP, SPAN_STACK, Layout, layout_of
from ghostkey.census.memory import Memory, Range, read_near

SPANS_MOST = 1 << 24  # 128 GiB of small spans
MODULES_MOST = 64
MODULE_BYTES = 640
DATA_MOST = 256 << 20  # of one data section
PROBED = 16  # spans that are looked at to tell whether a slice is the list of them
TYPES_MOST = 256 << 20


@dataclass(frozen=True, slots=True)
class Module:
    """One moduledata: where its types, data and functions lie (addresses in the process)."""

    address: int
    header: int
    names: int
    units: int
    files: int
    pctab: int
    functions: int
    table: int
    count: int
    text: int
    etext: int
    types: int
    etypes: int
    gofunc: int
    data: Range
    bss: Range
    noptrdata: Range
    noptrbss: Range
    gcdata: int
    gcbss: int


@dataclass(slots=True)
class Span:
    """A run of pages with objects of one size. `is_noscan`: the objects hold no pointers. `large_type` of single big objects."""

    start: int
    end: int
    state: int
    elemsize: int
    nelems: int
    freeindex: int
    alloc_bits: int
    span_class: int
    large_type: int

    @property
    def is_noscan(self) -> bool:
        """Whether the garbage collector never looks into these objects."""
        return bool(self.span_class & 1)

    @property
    def is_large(self) -> bool:
        """Whether it is one object."""
        return self.span_class >> 1 == 0


class Runtime:
    """What is known of one Go process. `bias` is what relocation added to every address of the executable.

    Raises NotGo, UnknownRuntime. Spans are as they were when they were read; `read_spans` reads them anew.
    """

    def __init__(self, memory: Memory, executable: Executable) -> None:
        self.memory, self.executable = memory, executable
        self.build: BuildInfo = executable.build_info()
        if executable.machine not in {"amd64", "arm64"}:
            raise NotGo(f"{executable.path} is for {executable.machine}: only amd64 and arm64 can be read")
        if self.build.major != 1 or self.build.minor < layouts.OLDEST:
            raise UnknownRuntime(f"{self.build.version} is older than Go 1.{layouts.OLDEST}, the oldest that can be read")
        self.layout: Layout = layout_of(self.build.minor)
        self.bias = self._bias()
        self.modules = self._modules()
        self.spans: list[Span] = []
        self._starts: list[int] = []
        self._allspans = self._find_allspans()
        self._inline_marks: bool | None = None
        self._arenas: dict[int, int] = {}
        self.read_spans()

    @property
    def is_swiss(self) -> bool:
        """Whether maps are Swiss tables."""
        return self.build.has_swiss_maps

    @property
    def is_newer(self) -> bool:
        """Whether the program was built by a Go that no table of ours is of."""
        return self.build.minor > layouts.NEWEST

    def word(self, address: int) -> int:
        """The 8 bytes at an address, as a number. Raises MemoryFault."""
        return int.from_bytes(self.memory.read(address, 8), "little")

    # finding it

    def _bias(self) -> int:
        if self.executable.kind == 2 or not self.executable.segments:  # ET_EXEC: where it says
            return 0
        address, offset = min((segment[0], segment[1]) for segment in self.executable.segments)
        path = os.path.realpath(self.executable.path)
        shown = [m for m in self.memory.mappings if m.offset == offset & ~0xFFF and m.path]
        named = [m for m in shown if m.path.removesuffix(" (deleted)") in {path, path.removesuffix(" (deleted)")}]
        for mapping in [*named, *shown]:
            try:
                if self.memory.read(mapping.start, 4) == b"\x7fELF":
                    return mapping.start - (address & ~0xFFF)
            except MemoryFault:
                continue
        raise UnknownRuntime(f"cannot see where {self.executable.path} was loaded")

    def _modules(self) -> list[Module]:
        first = self._find_moduledata()
        found: list[Module] = []
        address = first
        while address and len(found) < MODULES_MOST and all(address != module.address for module in found):
            try:
                content = self.memory.read(address, MODULE_BYTES)
            except MemoryFault:
                break
            found.append(self._module(address, content))
            address = _word(content, self.layout.next_module)
            if address % 8:
                break
        if not found:
            raise UnknownRuntime("the runtime's table of modules cannot be read")
        return found

    def _module(self, address: int, content: bytes) -> Module:
        layout = self.layout

        def between(place: int) -> Range:
            start, end = _word(content, place), _word(content, place + 8)
            return (start, min(end - start, DATA_MOST)) if 0 < start <= end else (start, 0)

        types, etypes = _word(content, layout.types), _word(content, layout.etypes)
        if not types <= etypes < types + TYPES_MOST:
            raise UnknownRuntime(
                f"{self.build.version} does not keep its types where Go 1.{min(self.build.minor, layouts.NEWEST)} does",
                "a newer ghostkey may know this version; ghostkey pprof reads its heap profiles",
            )
        return Module(
            address, _word(content, 0), _word(content, 8), _word(content, 32), _word(content, 56), _word(content, 80),
            _word(content, 104), _word(content, 128), _word(content, 136), _word(content, layout.text),
            _word(content, layout.text + 8), types, etypes, _word(content, layout.gofunc), between(layout.data),
            between(layout.bss), between(layout.noptrdata), between(layout.noptrbss), _word(content, layout.gcdata),
            _word(content, layout.gcbss),
        )  # fmt: skip

    def _find_moduledata(self) -> int:
        sections = self.executable.sections
        if own := sections.get(".go.module"):  # since Go 1.26
            return own.address + self.bias
        tables = [sections[name] for name in (".gopclntab", ".data.rel.ro.gopclntab") if name in sections]
        for table in tables:
            wanted = struct.pack("<Q", table.address + self.bias)
            for name in (".noptrdata", ".data", ".data.rel.ro"):
                section = sections.get(name)
                if section is None:
                    continue
                try:
                    content = self.memory.read(section.address + self.bias, min(section.size, DATA_MOST))
                except MemoryFault:
                    continue
                place = content.find(wanted)
                while place >= 0:
                    # its first function begins where its text does
                    if (
                        place % 8 == 0
                        and place + 192 <= len(content)
                        and _word(content, place + 160) == _word(content, place + 176)
                    ):
                        return section.address + self.bias + place
                    place = content.find(wanted, place + 1)
        raise UnknownRuntime(
            f"{self.executable.path}: the runtime's table of modules was not found",
            "is it packed or obfuscated? ghostkey pprof reads its heap profiles",
        )

    def _find_allspans(self) -> int:
        """The address of the slice with all spans: it looks like one, and what it points to looks like spans."""
        for module in self.modules[:1]:
            for start, size in (module.noptrbss, module.bss):
                try:
                    content = self.memory.read(start, size & ~7) if size >= 64 else b""
                except MemoryFault:
                    continue
                if content and (found := self._look_for_spans(start, content)):
                    return found
        raise UnknownRuntime(
            f"{self.build.version}: the list of the heap's spans was not found",
            "a newer ghostkey may know this version; ghostkey pprof reads its heap profiles",
        )

    def _look_for_spans(self, start: int, content: bytes) -> int:
        words = memoryview(content).cast("Q")
        for i in _page_pointers(content):
            if i + 2 >= len(words):
                break
            pointer, count, capacity = words[i], words[i + 1], words[i + 2]
            if pointer & 0xFFF or not 4 <= count <= capacity < SPANS_MOST or pointer < 1 << 16:
                continue
            try:
                probed = struct.unpack(f"<{min(count, PROBED)}Q", self.memory.read(pointer, 8 * min(count, PROBED)))
                found = [self._span(bytes(self.memory.read(p, self.layout.span_size))) for p in probed]
            except MemoryFault:
                continue
            if all(self._is_span(span) for span in found) and 2 * len({span.start for span in found}) > len(found):
                return start + 8 * i
        return 0

    @staticmethod
    def _is_span(span: Span) -> bool:
        size = span.end - span.start
        is_sound = span.start > 0 and span.start % PAGE == 0 and 0 < size < PAGE << 22
        return is_sound and span.state <= SPAN_STACK and span.elemsize <= size and span.nelems * span.elemsize <= size

    # spans

    def read_spans(self) -> None:
        """Reads the list of spans anew. Raises MemoryFault when the process is gone."""
        pointer, count, _ = struct.unpack("<3Q", self.memory.read(self._allspans, 24))
        if count > SPANS_MOST:
            raise UnknownRuntime(f"a heap of {count} spans: the list of them is damaged")
        addresses = struct.unpack(f"<{count}Q", self.memory.read(pointer, 8 * count))
        size = self.layout.span_size
        # spans are allocated in chunks, side by side
        raw = read_near(self.memory, [(address, size) for address in addresses], near=4096)
        state, parse = self.layout.span_state, self._span
        spans = [parse(found) for found in raw if found is not None and found[state] in (SPAN_HEAP, SPAN_STACK)]
        self.spans = sorted((span for span in spans if span.elemsize and self._is_span(span)), key=lambda span: span.start)
        self._starts = [span.start for span in self.spans]

    def _span(self, content: bytes | memoryview) -> Span:
        layout = self.layout
        width = 2 if layout.has_short_counts else 8
        start, pages = struct.unpack_from("<QQ", content, layout.span_start)

        def number(place: int, size: int) -> int:
            return int.from_bytes(content[place : place + size], "little")

        elemsize = number(layout.span_elemsize, 8)
        if content[layout.span_state] == SPAN_STACK:
            elemsize = elemsize or pages * PAGE
        return Span(
            start, start + pages * PAGE, content[layout.span_state], elemsize, number(layout.span_nelems, width),
            number(layout.span_freeindex, width), number(layout.span_alloc_bits, 8), content[layout.span_class],
            number(layout.span_large_type, 8) if layout.span_large_type else 0,
        )  # fmt: skip

    def span_at(self, address: int) -> Span | None:
        """The span that holds an address; None outside the heap."""
        place = bisect.bisect_right(self._starts, address) - 1
        if place < 0:
            return None
        span = self.spans[place]
        return span if address < span.end else None

    def heap_span_at(self, address: int) -> Span | None:
        """The same, for objects of the heap alone: stacks are spans too."""
        span = self.span_at(address)
        return span if span is not None and span.state == SPAN_HEAP else None

    def object_at(self, address: int) -> tuple[int, int] | None:
        """(address, size) of the heap object that holds an address; None where no object can be."""
        span = self.heap_span_at(address)
        if span is None:
            return None
        index = (address - span.start) // span.elemsize
        return (span.start + index * span.elemsize, span.elemsize) if index < span.nelems else None

    def scan_spans(self, elemsize: int) -> Iterator[Span]:
        """Spans of small objects of this size that may hold pointers."""
        return (span for span in self.spans if span.state == SPAN_HEAP and span.elemsize == elemsize and not span.is_noscan)

    def read_alive(self, spans: Sequence[Span]) -> list[int]:
        """For each span a number whose bit i says that object i is allocated, as of the last sweep."""
        sizes = [(span.nelems + 7) // 8 for span in spans]
        raw = read_near(self.memory, [(span.alloc_bits, size) for span, size in zip(spans, sizes, strict=True)], near=1024)
        alive = []
        for span, bits in zip(spans, raw, strict=True):
            taken = (1 << min(span.freeindex, span.nelems)) - 1
            alive.append((taken | int.from_bytes(bits or b"", "little")) & ((1 << span.nelems) - 1))
        return alive

    # pointer bitmaps, since Go 1.22

    def bitmap_range(self, span: Span) -> Range:
        """Where the pointer bitmap of a span of small objects is: one bit a word, at its end."""
        bits = (span.end - span.start) // 64
        has_marks = span.elemsize >= layouts.INLINE_MARKS_LEAST and self.has_inline_marks
        return span.end - bits - (layouts.INLINE_MARKS if has_marks else 0), bits

    def pointer_bits(self, address: int, words: int) -> int | None:
        """Which of some words of the heap the collector takes for pointers, a bit each, by the bitmaps of Go 1.21 and older.

        None where they are not to be had. Source: Go 1.21 src/runtime/mbitmap.go; Go 1.19 has a second bit, "scan", for each word.
        """
        arena = self._arena(address)
        if not arena:
            return None
        first = address % layouts.ARENA_BYTES // 8
        width = self.layout.arena_bits
        start = first * width // 8
        raw = self.memory.read_many([(arena + start, (first + words) * width // 8 - start + 1)])[0]
        if raw is None:
            return None
        found = int.from_bytes(raw, "little")
        if width == 1:
            return found >> (first - 8 * start) & ((1 << words) - 1)
        # four words a byte: their pointer bits, and above them their scan bits
        both = "".join(f"{byte & byte >> 4 & 0x0F:04b}"[::-1] for byte in raw)[first % 4 : first % 4 + words]
        return int(both[::-1] or "0", 2)

    def _arena(self, address: int) -> int:
        """The address of the heapArena of an address; 0 where it is not known."""
        number = (address - layouts.ARENA_BASE.get(self.executable.machine, 0)) % (1 << 64) // layouts.ARENA_BYTES
        if not self.layout.arenas or number >= 1 << 22:
            return 0
        if number not in self._arenas:
            try:
                table = self.word(self._allspans - self.layout.allspans + self.layout.arenas)
                self._arenas[number] = self.word(table + 8 * number)
            except MemoryFault:
                self._arenas[number] = 0
        return self._arenas[number]

    @property
    def has_bitmaps(self) -> bool:
        """Whether it can be told where objects have pointers: in their spans, or in the arenas of older versions."""
        if self.layout.has_malloc_headers:
            return True
        return any(self._arena(span.start) for span in self.spans[:1])

    @property
    def has_inline_marks(self) -> bool:
        """Whether the Green Tea collector keeps its marks behind the bitmap: fewer objects fit into a span then."""
        if self._inline_marks is None:
            self._inline_marks = False
            for span in self.spans:
                is_small = (
                    span.state == SPAN_HEAP
                    and not span.is_noscan
                    and layouts.INLINE_MARKS_LEAST <= span.elemsize <= layouts.BITMAP_MOST
                )
                if is_small and span.end - span.start == PAGE:
                    room = PAGE - PAGE // 64
                    with_marks = (room - layouts.INLINE_MARKS) // span.elemsize
                    if with_marks != room // span.elemsize:
                        self._inline_marks = span.nelems == with_marks
                        break
        return self._inline_marks


_ZERO, _LOW_ZERO = bytes([1]) + bytes(255), bytes(int(not value & 0x0F) for value in range(256))
_SOME = bytes([0]) + bytes([1]) * 255


def _page_pointers(content: bytes) -> Iterator[int]:
    """The words that may point to the beginning of a page, by their places: all words at once, a byte of each at a time."""

    def plane(place: int, table: bytes) -> int:
        return int.from_bytes(content[place::8].translate(table), "little")

    high = plane(3, _SOME) | plane(4, _SOME) | plane(5, _SOME)
    marks = plane(0, _ZERO) & plane(1, _LOW_ZERO) & plane(6, _ZERO) & plane(7, _ZERO) & high
    found = marks.to_bytes(len(content) // 8, "little")
    place = found.find(1)
    while place >= 0:
        yield place
        place = found.find(1, place + 1)


def _word(content: bytes, place: int) -> int:
    return int.from_bytes(content[place : place + 8], "little")
