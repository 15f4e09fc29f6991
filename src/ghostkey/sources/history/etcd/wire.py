"""Protobuf as it lies in bytes: fields, numbers, texts; what does not fit in is damage.

Source: protobuf.dev, encoding
"""

from __future__ import annotations

from collections.abc import Iterator


class DamagedValueError(ValueError):
    """A value that is not what its first bytes promise."""


def fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(number, wire type, begin, end) of each field of a protobuf message; for varints `begin` is the number itself.

    Raises DamagedValueError for anything that does not fit in.
    """
    while start < end:
        # nearly all tags and lengths are one byte; a call for each costs more than all the rest
        tag = data[start]
        if tag < 0x80:
            start += 1
        else:
            tag, start = varint(data, start, end)
        kind = tag & 7
        if kind == 2:
            if start < end and (length := data[start]) < 0x80:
                start += 1
            else:
                length, start = varint(data, start, end)
            stop = start + length
            if stop > end:
                raise DamagedValueError("a field is longer than its message")
            yield tag >> 3, kind, start, stop
            start = stop
        elif kind == 0:
            number, start = varint(data, start, end)
            yield tag >> 3, kind, number, start
        elif kind in (1, 5):
            width = 8 if kind == 1 else 4
            if start + width > end:
                raise DamagedValueError("a number is cut short")
            yield tag >> 3, kind, start, start + width
            start += width
        else:
            raise DamagedValueError(f"wire type {kind}")


def last_fields(data: bytes, begin: int, end: int) -> dict[tuple[int, int], tuple[int, int]]:
    """(number, wire type) → (begin, end) of the last field of each number, which is the one that counts."""
    return {(number, kind): (a, b) for number, kind, a, b in fields(data, begin, end)}


NOTHING = (0, 0)


def varint(data: bytes, start: int, end: int) -> tuple[int, int]:
    """The number that begins at `start`, and where the next thing begins."""
    number = shift = 0
    while True:
        if start >= end or shift > 63:
            raise DamagedValueError("a number is cut short")
        byte = data[start]
        start += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, start
        shift += 7


def text(data: bytes, begin: int, end: int) -> str:
    return data[begin:end].decode("utf-8", "replace")
