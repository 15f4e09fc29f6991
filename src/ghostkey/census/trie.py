"""sync.Map of Go 1.24 and newer: a tree of nodes with sixteen children each, found by its shape alone.

Before, a sync.Map is made of ordinary maps, and found as those.
Source: Go src/internal/sync/hashtriemap.go: indirect (isEntry@0 dead@4 mu@8 parent@16 children@24), entry (isEntry@0 overflow@8).
"""

from __future__ import annotations

import struct

from ghostkey.census.gomap import GoMap
from ghostkey.census.headers import set_bits
from ghostkey.census.layouts import TRIE_CLASS, TRIE_FANOUT
from ghostkey.census.memory import read_near
from ghostkey.census.runtime import Runtime

DEPTH_MOST = 16  # 64 bits of hash, four at a time
ENTRIES_MOST = 1 << 24
_NODE = struct.Struct("<20Q")
_IS_ENTRY = 1


def tries(runtime: Runtime) -> list[GoMap]:
    """Every tree of the heap with an entry; its address is that of its root node."""
    return [found for root, children in _roots(runtime).items() if (found := _trie(runtime, root, children)) is not None]


def _roots(runtime: Runtime) -> dict[int, tuple[int, ...]]:
    """The children of each object that looks like a root node."""
    spans = list(runtime.scan_spans(TRIE_CLASS))
    alive = runtime.read_alive(spans)
    pages = runtime.memory.read_many([(span.start, span.end - span.start) for span in spans])
    found: dict[int, tuple[int, ...]] = {}
    for span, bits, page in zip(spans, alive, pages, strict=True):
        if page is None:
            continue
        for i in set_bits(bits):
            words = _NODE.unpack_from(page, i * TRIE_CLASS)
            children = _children(runtime, words)
            if children and not words[2]:
                found[span.start + i * TRIE_CLASS] = children
    return found


def _children(runtime: Runtime, words: tuple[int, ...]) -> tuple[int, ...]:
    """The children of a node; none when it is no node: an entry, dead, or something else."""
    if words[0] & 0xFF or words[0] >> 33:
        return ()
    children = tuple(child for child in words[3 : 3 + TRIE_FANOUT] if child)
    return children if all(runtime.heap_span_at(child) is not None for child in children) else ()


def entries_of(runtime: Runtime, root: int) -> list[int]:
    """The entries of a tree, as it is now; those in a list behind one of the same hash are left out."""
    raw = runtime.memory.read_many([(root, TRIE_CLASS)])[0]
    children = _children(runtime, _NODE.unpack(raw)) if raw is not None else ()
    walked = _walk(runtime, root, children)
    return walked[1] if walked is not None else []


def _trie(runtime: Runtime, root: int, children: tuple[int, ...]) -> GoMap | None:
    walked = _walk(runtime, root, children)
    if walked is None or not walked[1]:
        return None
    nodes, entries = walked
    size = TRIE_CLASS * nodes + sum(span.elemsize for entry in entries if (span := runtime.heap_span_at(entry)) is not None)
    length = len(entries) + _overflow(runtime, entries)
    return GoMap(root, "sync", length, TRIE_FANOUT * nodes, 0, size, 0, data=entries[0], type="sync.Map")


def _walk(runtime: Runtime, root: int, children: tuple[int, ...]) -> tuple[int, list[int]] | None:
    """(nodes, entries) below a root: each child is an entry, or a node whose parent is the one above; None when one is neither."""
    nodes = 1
    entries: list[int] = []
    level = [(root, child) for child in children]
    for _ in range(DEPTH_MOST):
        below: list[tuple[int, int]] = []
        raw = read_near(runtime.memory, [(child, TRIE_CLASS if _is_node_sized(runtime, child) else 16) for _, child in level])
        for (parent, child), found in zip(level, raw, strict=True):
            if found is None:
                return None
            if found[0] == _IS_ENTRY:
                entries.append(child)
                continue
            words = _NODE.unpack(found) if len(found) == TRIE_CLASS else ()
            if not words or words[2] != parent or words[0] & 0xFF:
                return None
            nodes += 1
            below += [(child, grandchild) for grandchild in words[3 : 3 + TRIE_FANOUT] if grandchild]
        level = below
        if not level or len(entries) > ENTRIES_MOST:
            break
    return nodes, entries


def _is_node_sized(runtime: Runtime, address: int) -> bool:
    span = runtime.heap_span_at(address)
    return span is not None and span.elemsize == TRIE_CLASS and address + TRIE_CLASS <= span.end


def _overflow(runtime: Runtime, entries: list[int]) -> int:
    """Entries whose whole hash is that of another, in a list behind it."""
    count, level = 0, entries
    for _ in range(DEPTH_MOST):
        raw = read_near(runtime.memory, [(entry, 16) for entry in level])
        level = [int.from_bytes(found[8:16], "little") for found in raw if found is not None]
        level = [entry for entry in level if runtime.heap_span_at(entry) is not None]
        if not level:
            break
        count += len(level)
    return count
