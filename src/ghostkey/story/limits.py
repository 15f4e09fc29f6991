"""How much of a map its limits leave: values, the object as stored, its managedFields, the annotation of kubectl apply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ghostkey.kube.sizes import ANNOTATIONS_LIMIT, FIELD_ENTRY_BYTES, OBJECT_LIMIT, VALUES_LIMIT, stored_bytes

REQUEST_BYTES = 512  # around the object in etcd's request
COPIED = 0.6  # of its bytes a map has in kubectl's copy, if that is how it grows


@dataclass(frozen=True, slots=True)
class Size:
    """What responses showed of a map beside its data: bytes of managedFields and annotations, of kubectl's copy among these, and
    how many managers own keys, and of these how many by server-side apply. -1: not shown."""

    managed: int = -1
    annotations: int = 0
    applied: int = 0
    managers: int = 1
    applies: int = 0
    keys: int = 0  # bytes of the names and values at that time
    names: int = 0


def size_of(row: Mapping[str, Any] | None) -> Size:
    """The Size that an event `sized` tells."""
    if row is None:
        return Size()
    words = dict(word.split("=") for word in str(row["shape"]).split() if "=" in word)
    numbers = {name: int(value) for name, value in words.items() if value.lstrip("-").isdigit()}
    return Size(
        row["value_bytes"], row["bytes_delta"], numbers.get("applied", 0), numbers.get("managers", 1), numbers.get("applies", 0),
        numbers.get("bytes", 0), numbers.get("names", 0),
    )  # fmt: skip


def limits(keys: Sequence[str], sizes: Sequence[int], shown: Size) -> dict[str, float]:
    """Limit → how many bytes of names and values the map has when it meets it, if it grows by keys like those that it has.

    A limit is the writers' own: managedFields are dropped when an update does not fit with them, and an apply fails; the copy of
    kubectl apply is an annotation.
    """
    names, values = sum(len(key.encode("utf-8", "surrogatepass")) for key in keys), sum(sizes)
    grown = max(1, names + values)
    per_key = len(keys)
    stored = stored_bytes(keys, sizes, 0)
    own = names + FIELD_ENTRY_BYTES * per_key  # what one manager of all keys costs
    if shown.managed >= 0 and shown.names > 0:
        # as many managers as were shown own the keys that came since
        managed = shown.managed * own / max(1, shown.names)
    else:
        managed = float(own * max(1, shown.managers))
    # an annotation that holds but some of the keys belongs to somebody who does not write the others: it does not grow with them
    is_copied = shown.applied > COPIED * max(1, shown.keys)
    copy = int(shown.applied * grown / max(1, shown.keys)) if is_copied else 0
    found: dict[str, float] = {}
    if values:
        found["values/1 MiB"] = grown * VALUES_LIMIT / values
    others = max(0, shown.annotations - (shown.applied if is_copied else 0))
    room = OBJECT_LIMIT - REQUEST_BYTES - others
    found["stored object/1.5 MiB"] = grown * room / (stored + copy)
    if shown.applies:
        found["stored object with managedFields/1.5 MiB"] = grown * room / (stored + copy + managed)
    if copy:
        found["annotation of kubectl apply/256 KiB"] = grown * (ANNOTATIONS_LIMIT - others) / copy
    return found
