"""How many keys a map may have, and why: what it has, what it has had, the rate it grows at, and the limits it must not meet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ghostkey.kube.sizes import VALUES_LIMIT, entry_bytes
from ghostkey.model.counts import counted, outlive
from ghostkey.model.refs import Kind

HEADROOM = 0.2
LEAST_ROOM = 10  # keys: of a small map a fifth is nothing
LIMIT_SHARE = 0.9  # of the keys at which the API server's limit is met: the last write must not be the one that fails
USUAL_ENTRY_BYTES = 256  # of a map that is empty: nobody knows how large its entries will be


@dataclass(frozen=True, slots=True)
class Growth:
    """What a history says of a map: the most keys it had at once whose subject lived, the keys a day that came of late, and its ghosts.

    `ghosts` are their names: what is gone since does not count.
    """

    peak: int
    keys_per_day: float = 0.0
    ghosts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Cap:
    """A map's cap with its reason; `keys` is what it has now."""

    kind: Kind
    namespace: str
    name: str
    keys: int
    cap: int
    reason: str

    @property
    def map(self) -> str:
        """As caps name it: `configmaps/NAME`."""
        return f"{self.kind.resource}/{self.name}"


def cap_of(
    kind: Kind, live: Mapping[str, Any], growth: Growth | None = None, *, headroom: float = HEADROOM, wanted: int | None = None
) -> Cap:
    """The cap of a map as it is; `live` is the object as the API server gives it, `wanted` what somebody asks for instead.

    Of a map that is yet to be made, `live` has nothing but its name and namespace.
    The same limits that refuse a write bound every cap: 1 MiB of values, by the size of the entries there are.
    """
    fields = [live.get(name) or {} for name in ("data", "binaryData")]
    keys = sum(map(len, fields))
    size = sum(entry_bytes(key, _bytes(value)) for held in fields for key, value in held.items())
    limit_keys = int(LIMIT_SHARE * VALUES_LIMIT / (size / keys if keys else USUAL_ENTRY_BYTES))
    peak = max(keys, growth.peak if growth else 0)
    words = f"{counted(keys, 'key')} now" if "uid" in live["metadata"] else "it is not there yet"
    # a cap below what is there would refuse the keys of new subjects, as long as the ghosts are there
    ghosts = sum(key in growth.ghosts for held in fields for key in held) if growth else 0
    words += f", {ghosts:,} of them {outlive(ghosts)}: trim them and plan again" if ghosts else ""
    words += f", {peak:,} at most in its history" if growth and peak > keys else ""
    if wanted is not None:
        cap, words = wanted, f"{words}; {wanted:,} was asked for"
    else:
        room = max(LEAST_ROOM, math.ceil(peak * headroom))
        cap, words = peak + room, f"{words}; {room:,} more as headroom"
    if cap > limit_keys:
        cap = max(limit_keys, 0)
        words += f", cut to {LIMIT_SHARE:.0%} of the keys at which 1 MiB is full"
    else:
        words += f"; 1 MiB is full at about {int(limit_keys / LIMIT_SHARE):,} such keys"
    if growth and growth.keys_per_day > 0:
        days = max(0.0, (cap - keys) / growth.keys_per_day)
        words += f"; it grows by {growth.keys_per_day:,.1f} keys a day, and meets the cap in {days:,.0f} days"
    metadata = live["metadata"]
    return Cap(kind, str(metadata["namespace"]), str(metadata["name"]), keys, cap, words)


def _bytes(value: object) -> int:
    return len(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else 0
