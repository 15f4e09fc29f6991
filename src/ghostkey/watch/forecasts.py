"""When large maps will be full, by a store of history, where one is named: asked for now and then, since it is a query each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ghostkey.model.errors import GhostkeyError
from ghostkey.watch.look import map_label
from ghostkey.watch.maps import Held

EVERY_SECONDS = 600.0
MAPS = 20
ENGINE_MEMORY = "128MB"  # beside a watcher that takes 200; beyond, it uses the disk


class Forecasts:
    """Remembers when it asked last."""

    def __init__(self, store: str | None, every_seconds: float = EVERY_SECONDS) -> None:
        self._store, self._every_seconds = store, every_seconds
        self._asked_at = 0.0

    def of(self, large: Sequence[Held]) -> Iterator[tuple[str, str, float | None]]:
        """(namespace, label, seconds until full, or None where the history does not tell) of the largest maps; nothing between."""
        now = time.monotonic()
        if self._store is None or (self._asked_at and now - self._asked_at < self._every_seconds):
            return
        self._asked_at = now
        from ghostkey.store.engines import DuckEngine
        from ghostkey.store.history import History
        from ghostkey.story import growth_of

        history = History(Path(self._store))
        for held in sorted(large, key=lambda one: -sum(one.batches[0].sizes))[:MAPS]:
            holder = held.batches[0].holder
            try:
                law = growth_of(DuckEngine(history, ENGINE_MEMORY, 1), (holder.kind.qualified, holder.namespace, holder.name))
            except (GhostkeyError, OSError):
                law = None
            full_at = law.full_at if law else None
            left = None if full_at is None else max(0.0, full_at / 1e6 - time.time())
            yield holder.namespace, map_label(holder), left
