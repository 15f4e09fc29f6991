"""Which maps changed last, and who writes them: what is told beside a panic of their operator."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from ghostkey.model.counts import counted
from ghostkey.watch.maps import Held, Place

KEPT = 500
SHOWN = 3


@dataclass(frozen=True, slots=True)
class _Change:
    at: float
    namespace: str
    label: str
    before: int | None
    after: int | None
    writers: frozenset[str]


class Recent:
    """The last changes of maps, by numbers of keys; no key is named."""

    def __init__(self) -> None:
        self._changes: deque[_Change] = deque(maxlen=KEPT)
        self._keys: dict[Place, int] = {}
        self._lock = threading.Lock()

    def note(self, place: Place, held: Held | None, *, is_new: bool) -> None:
        """Notes a map as it is now; `is_new` is False for those of the first list, which have not changed."""
        meta = held.batches[0].meta if held is not None and held.batches else None
        with self._lock:
            before = self._keys.pop(place, None)
            if meta is not None:
                self._keys[place] = meta.key_count
            if is_new:
                kind, namespace, name = place
                writers = frozenset(meta.writers) if meta is not None else frozenset[str]()
                after = meta.key_count if meta is not None else None
                self._changes.append(_Change(time.time(), namespace, f"{kind.qualified}/{name}", before, after, writers))

    def told(self, namespace: str, names: Collection[str]) -> list[str]:
        """The last changes of the maps that one of these names writes; where there is none, of the namespace's maps."""
        with self._lock:
            changes = list(reversed(self._changes))
        own = [one for one in changes if not one.writers.isdisjoint(names)]
        found: dict[str, str] = {}
        for one in own or [one for one in changes if one.namespace == namespace]:
            if len(found) < SHOWN:
                found.setdefault(f"{one.namespace}/{one.label}", _words(one))
        return [f"{spot} {words}" for spot, words in found.items()]


def _words(one: _Change) -> str:
    ago = f"{max(0, round(time.time() - one.at)):,} s before"
    if one.after is None:
        return f"was deleted {ago}"
    if one.before is None:
        return f"was made with {one.after:,} keys {ago}"
    return f"from {one.before:,} to {counted(one.after, 'key')} {ago}"
