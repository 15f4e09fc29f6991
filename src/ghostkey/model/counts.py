"""Counts as people say them."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """`1 key`, `1,200 keys`; `many` where it is not `one` with an s: `counted(n, "entry", "entries")`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def outlive(number: int) -> str:
    """What that many keys do: `outlives its subject`, `outlive their subject`."""
    return "outlives its subject" if number == 1 else "outlive their subject"
