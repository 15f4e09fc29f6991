"""Numbers and times as people write them."""

from __future__ import annotations

from collections.abc import Iterable

from ghostkey.model.counts import counted
from ghostkey.model.plans import Share


def seconds(number: float) -> str:
    """`12 s`, and never `0 s` for what took its time."""
    return f"{number:.0f} s" if number >= 1 else "less than a second"


def shares(found: Iterable[Share], *, of_total: bool = True) -> str:
    """`2 of 5 keys and 10 of 50 entries of shards.yaml`, or without the totals."""
    parts = []
    for share in found:
        one, many = (
            ("key", "keys") if not share.path else (f"entry of {'/'.join(share.path)}", f"entries of {'/'.join(share.path)}")
        )
        of = share.total if of_total else share.removed
        parts.append((f"{share.removed:,} of " if of_total else "") + counted(of, one, many))
    return " and ".join(parts)


def left(found: Iterable[Share], keys_left: int) -> str:
    """How many of what a trim took from are left: `it has 3 keys left`, `40 entries of shards.yaml are left`."""
    parts = []
    for share in found:
        if share.path:
            rest = share.total - share.removed
            one, many = f"entry of {'/'.join(share.path)} is left", f"entries of {'/'.join(share.path)} are left"
            parts.append(counted(rest, one, many))
        else:
            parts.append(f"it has {counted(keys_left, 'key')} left")
    return ", ".join(parts)
