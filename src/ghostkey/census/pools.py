"""What a sync.Pool keeps: nobody's, until somebody takes it out again. The collector drops it within two cycles.

A path that leads through a pool says nothing of who holds a map, so it is told apart from all others. A pool is known by its words,
in stripped programs too: a pointer to an array of poolLocals (`local` or `victim`), how many they are, and what comes after.
"""

from __future__ import annotations

import struct

from ghostkey.census import layouts
from ghostkey.census.errors import MemoryFault
from ghostkey.census.map_types import rounded
from ghostkey.census.memory import Range
from ghostkey.census.runtime import Runtime

LOCAL_BYTES = 128  # layout: sync.poolLocal, padded so that no two are in one line of a processor's cache
USED_BYTES = 32  # layout: sync.poolLocalInternal: private (an interface), shared.head, shared.tail
LOCALS_MOST = 1 << 14  # one for each P
POINTER_LEAST = 1 << 16
_PAD = bytes(LOCAL_BYTES - USED_BYTES)


def is_of_pool(runtime: Runtime, location: int, target: Range) -> bool:
    """Whether the word at a location is `local` or `victim` of a sync.Pool, and the object it points to its array."""
    start, size = target
    if size < LOCAL_BYTES:
        return False
    try:
        # layout: sync.Pool: local, localSize, victim, victimSize, New: what follows a count is a pointer, where a slice has its capacity
        value, count, after = struct.unpack("<3Q", runtime.memory.read(location, 24))
        if not 0 < count <= LOCALS_MOST or 0 < after < POINTER_LEAST or value < start:
            return False
        header = value - start
        if header not in (0, layouts.MALLOC_HEADER) or rounded(count * LOCAL_BYTES + header) != size:
            return False
        raw = runtime.memory.read(value, count * LOCAL_BYTES)
    except MemoryFault:
        return False
    return all(raw[place + USED_BYTES : place + LOCAL_BYTES] == _PAD for place in range(0, len(raw), LOCAL_BYTES))
