"""How full a map is, against each limit that can stop it."""

from __future__ import annotations

from dataclasses import dataclass

from ghostkey.kube.sizes import ANNOTATIONS_LIMIT, OBJECT_LIMIT, VALUES_LIMIT, entry_bytes, managed_fields_bytes
from ghostkey.model.events import KeysSeen

COPY = "annotations with kubectl apply's copy of the manifest"


@dataclass(frozen=True, slots=True)
class Gauge:
    """One limit: bytes used and allowed, and how many more average keys fit below it; None where keys do not count."""

    limit: str
    used_bytes: int
    allowed_bytes: int
    keys_left: int | None

    @property
    def share(self) -> float:
        """Used of allowed; above 1 the limit has been passed."""
        return self.used_bytes / self.allowed_bytes

    @property
    def room(self) -> str:
        """How much more fits, in keys of the present average size; in bytes where that says nothing."""
        if self.used_bytes >= self.allowed_bytes:
            return "it has been passed"
        if self.keys_left is None:
            return f"{self.allowed_bytes - self.used_bytes:,} bytes are left"
        return (
            "no more key fits"
            if not self.keys_left
            else f"about {self.keys_left:,} more {'key fits' if self.keys_left == 1 else 'keys fit'}"
        )


def is_roomy(seen: KeysSeen) -> bool:
    """Whether a map is plainly far from every limit; spares reckoning the gauges of thousands."""
    meta = seen.meta
    if meta is None or seen.path:
        return True
    # keys weigh about as much in managedFields as in the object
    return (
        2 * meta.stored_bytes + max(0, meta.managed_fields_bytes) < OBJECT_LIMIT // 2
        and max(meta.annotations_bytes, meta.applied_bytes) < ANNOTATIONS_LIMIT // 2
    )


def gauges(seen: KeysSeen) -> list[Gauge]:
    """The gauges of a whole map, fullest first; [] for anything but ConfigMaps and Secrets."""
    meta = seen.meta
    if meta is None or not meta.stored_bytes or seen.path:
        return []
    count = max(1, meta.key_count)
    value = meta.values_bytes / count
    key = sum(map(len, seen.keys)) / max(1, len(seen.keys))
    entry = entry_bytes("k" * round(key), round(value))
    # hidden managedFields (a dump) or dropped ones are reckoned as one manager that owns every key
    managed = meta.managed_fields_bytes if meta.managed_fields_bytes > 0 else managed_fields_bytes(seen.keys)
    per_managed = max(8.0, managed / count)

    def gauge(limit: str, used: int, allowed: int, per_key: float) -> Gauge:
        # values of nothing, and annotations that nobody counts by keys
        return Gauge(limit, used, allowed, max(0, int((allowed - used) / per_key)) if per_key >= 1 else None)

    found = [
        gauge("values", meta.values_bytes, VALUES_LIMIT, value),
        gauge("stored object", meta.stored_bytes, OBJECT_LIMIT, entry),
        gauge("stored object with managedFields (apply)", meta.stored_bytes + managed, OBJECT_LIMIT, entry + per_managed),
        gauge("annotations", meta.annotations_bytes, ANNOTATIONS_LIMIT, 0),
    ]
    if meta.applied_bytes:
        copied = gauge(COPY, meta.applied_bytes, ANNOTATIONS_LIMIT, meta.applied_bytes / count)
        found.append(copied)
    return sorted(found, key=lambda gauge: -gauge.share)


def are_managed_fields_dropped(seen: KeysSeen) -> bool:
    """Whether the API server gave managedFields up: it shows none, and one manager of all keys would not fit."""
    meta = seen.meta
    if meta is None or seen.path or meta.managed_fields_bytes > 2 or not meta.stored_bytes:
        return False
    return meta.stored_bytes + managed_fields_bytes(seen.keys) > OBJECT_LIMIT
