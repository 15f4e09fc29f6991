"""Where the fields of Go's runtime lie, by version: data, and nothing else.

Offsets are in bytes; each names its upstream field. `tests/census/test_layouts.py` compares them with the DWARF of each Go
toolchain at hand. A Go newer than the newest table is read by that, and then has to prove itself (see `maps`).
Source: DWARF of Go 1.19.13, 1.20.14, 1.21.13, 1.22.12, 1.23.12, 1.24.11, 1.25.5, 1.26.8 and 1.27.3 for linux/amd64.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

OLDEST, NEWEST = 19, 27


@dataclass(frozen=True, slots=True)
class Layout:
    """The offsets of one Go version; the defaults are those of Go 1.22 to 1.25."""

    # layout: runtime.moduledata, the same in all versions
    text: int = 176
    noptrdata: int = 192
    data: int = 208
    bss: int = 224
    noptrbss: int = 240
    gcdata: int = 280
    gcbss: int = 288
    # layout: runtime.moduledata
    types: int = 296
    etypes: int = 304
    gofunc: int = 320
    next_module: int = 576
    # layout: runtime.mheap.allspans
    allspans: int = 65864
    # layout: runtime.mspan
    span_size: int = 160
    span_start: int = 24
    span_pages: int = 32
    span_freeindex: int = 48
    span_nelems: int = 50
    has_short_counts: bool = True  # freeindex and nelems are uint16 since Go 1.22; before, uintptr
    span_alloc_bits: int = 64
    span_class: int = 98
    span_state: int = 99
    span_elemsize: int = 104
    span_large_type: int = 152  # 0: Go has none
    # layout: runtime.g
    g_stack_low: int = 0
    g_stack_high: int = 8
    g_sp: int = 56
    g_pc: int = 64
    g_status: int = 144
    g_id: int = 152
    g_start_pc: int = 296
    # layout: runtime.mheap.arenas, and how many bits runtime.heapArena.bitmap has a word: 1, or 2 until Go 1.19
    arenas: int = 0
    arena_bits: int = 1
    # Go 1.22 moved pointer bitmaps and types of big objects into the spans; before, they are in heapArena
    has_malloc_headers: bool = True
    # layout: internal/abi.MapType (Swiss), keys and elems of a group; 0 for the classic one
    slot_size: int = 88
    elem_offset: int = 96
    has_split_groups: bool = False  # Go 1.27: KeysOff, KeyStride, ElemsOff, ElemStride
    map_flags: int = 104

    @property
    def map_type_size(self) -> int:
        """Bytes of a map's type descriptor that are of use."""
        return max(self.map_flags + 4, 88)


_COMMON = Layout()
LAYOUTS: dict[int, Layout] = {
    19: dataclasses.replace(
        _COMMON, arenas=65936, arena_bits=2, gcdata=264, gcbss=272, types=280, etypes=288, gofunc=304, next_module=544, allspans=65856, span_size=144, span_nelems=56,
        has_short_counts=False, span_alloc_bits=72, span_large_type=0, has_malloc_headers=False, g_start_pc=312,
    ),
    20: dataclasses.replace(
        _COMMON, arenas=65904, next_module=560, allspans=65824, span_nelems=56, has_short_counts=False, span_alloc_bits=72,
        span_large_type=0, has_malloc_headers=False, g_start_pc=312,
    ),
    21: dataclasses.replace(
        _COMMON, arenas=65944, next_module=584, span_size=168, span_nelems=56, has_short_counts=False, span_alloc_bits=72,
        span_class=106, span_state=107, span_elemsize=112, span_large_type=0, has_malloc_headers=False,
    ),
    22: dataclasses.replace(_COMMON, next_module=584),
    23: dataclasses.replace(_COMMON, g_status=152, g_id=160, g_start_pc=304),
    24: dataclasses.replace(_COMMON, g_status=152, g_id=160, g_start_pc=304),
    25: _COMMON,
    26: dataclasses.replace(_COMMON, next_module=584, g_start_pc=304),
    27: dataclasses.replace(
        _COMMON, etypes=312, gofunc=344, next_module=560, g_start_pc=304, has_split_groups=True, slot_size=96,
        elem_offset=104, map_flags=128,
    ),
}  # fmt: skip


def layout_of(minor: int) -> Layout:
    """The layout of Go 1.`minor`; the newest for newer ones, the oldest for older ones."""
    return LAYOUTS[min(max(minor, OLDEST), NEWEST)]


# layout: internal/abi.Type, the same in all versions (before Go 1.21 runtime._type)
TYPE_SIZE, TYPE_PTRBYTES, TYPE_TFLAG, TYPE_ALIGN, TYPE_KIND, TYPE_GCDATA, TYPE_STR = 0, 8, 20, 21, 23, 32, 40
TYPE_BYTES = 48
TFLAG_UNCOMMON, TFLAG_EXTRA_STAR, TFLAG_NAMED = 1, 2, 4
TFLAG_GC_MASK_ON_DEMAND = 16  # layout: internal/abi.TFlagGCMaskOnDemand, since Go 1.24
KIND_GC_PROG = 64  # layout: internal/abi.KindGCProg, until Go 1.23
KIND_MASK = 31

# layout: runtime.hmap (classic); extra moves up by 8 where Go 1.24 or 1.25 was built without Swiss maps (clearSeq)
CLASSIC_WORDS = 6
CLASSIC_MASK, CLASSIC_MASK_24 = 0b101100, 0b1001100
CLASSIC_BUCKETS, CLASSIC_OLDBUCKETS = 2, 3
TOPHASH_ONE, TOPHASH_LIVE = 1, 5  # layout: runtime.emptyOne, runtime.minTopHash
TOPHASH_MOVED = (2, 3, 4)  # layout: runtime.evacuatedX, evacuatedY, evacuatedEmpty

# layout: internal/runtime/maps.Map (Swiss)
SWISS_MASK = 0b000100
GROUP_SLOTS = 8
CTRL_EMPTY, CTRL_DELETED = 0x80, 0xFE
TABLE_BYTES = 32  # layout: internal/runtime/maps.table
TABLE_MOST = 1024  # layout: internal/runtime/maps.maxTableCapacity
KEY_INDIRECT, ELEM_INDIRECT = 4, 8  # layout: internal/abi.SwissMapIndirectKey, SwissMapIndirectElem
OLD_KEY_INDIRECT, OLD_ELEM_INDIRECT = 1, 2  # layout: internal/abi.OldMapType.IndirectKey, IndirectElem

# layout: internal/sync.indirect, the node of a sync.Map since Go 1.24: 152 bytes in a class of 160
TRIE_CLASS, TRIE_PARENT, TRIE_CHILDREN, TRIE_FANOUT = 160, 16, 24, 16

PAGE = 8192  # layout: runtime.pageSize
HEADER_BYTES = 48
SPAN_HEAP, SPAN_STACK = 1, 2  # layout: runtime.mSpanInUse, mSpanManual
BITMAP_MOST = 512  # bytes of objects whose pointer bitmap is at the end of their span: runtime.heapBitsInSpan
INLINE_MARKS = 128  # layout: runtime.spanInlineMarkBits, behind that bitmap with the Green Tea collector
INLINE_MARKS_LEAST = 16  # bytes of objects that have them: runtime.gcUsesSpanInlineMarkBits
MALLOC_HEADER = 8  # layout: runtime.mallocHeaderSize
ARENA_BYTES = 64 << 20  # layout: runtime.heapArenaBytes of linux on 64 bits
ARENA_BASE = {"amd64": 0xFFFF_8000_0000_0000}  # layout: runtime.arenaBaseOffset; 0 elsewhere
