"""Numbers in base 128, the least digit first, each byte but the last with its highest bit set.

Source: DWARF 5, 7.6 "Variable Length Data"; Go's encoding/binary.Uvarint and protobuf write numbers so too
"""

from __future__ import annotations

BYTES_MOST = 10  # of a number of 64 bits
_MASK = (1 << 64) - 1


def unsigned(content: bytes, place: int) -> tuple[int, int]:
    """The number that begins at a place, and where it ends. Raises IndexError where it is cut off, or has no end."""
    value = 0
    for shift in range(0, 7 * BYTES_MOST, 7):
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _MASK, place
    raise IndexError("a number without an end")
