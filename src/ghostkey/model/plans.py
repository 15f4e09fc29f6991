"""What will change, and what did."""

from __future__ import annotations

from dataclasses import dataclass

from ghostkey.model.refs import Kind, ObjectRef

STRATEGIES = ("json-patch", "merge-patch")
# of a receipt; "pending": the write may or may not have been carried out
STATES = ("pending", "applied", "failed", "undone")


@dataclass(frozen=True, slots=True)
class Change:
    """One key to remove. `value_digest` is a keyed hash of the value the plan saw; `subjects` must still be gone."""

    field: str
    key: str
    path: tuple[str, ...]
    value_digest: str
    value_bytes: int
    reason: str
    subjects: tuple[tuple[Kind, str, str], ...] = ()

    def __str__(self) -> str:
        return "/".join((*self.path, self.key))


@dataclass(frozen=True, slots=True)
class Share:
    """How many keys of one mapping go: `path` is empty for the map itself, else leads to a mapping in a document."""

    path: tuple[str, ...]
    removed: int
    total: int

    @property
    def percent(self) -> float:
        """Of the keys there are."""
        return 100 * self.removed / max(1, self.total)


@dataclass(frozen=True, slots=True)
class Plan:
    """Keys of one holder that go together or not at all. `key_count` counts the map's own keys, `shares` what goes where."""

    holder: ObjectRef
    resource_version: str
    strategy: str
    changes: tuple[Change, ...]
    key_count: int
    created_at: str
    digest_key_id: str
    shares: tuple[Share, ...] = ()


@dataclass(frozen=True, slots=True)
class Removed:
    """One removed value: what undo needs. `value` is text for `data` of ConfigMaps and documents, base64 elsewhere."""

    field: str
    key: str
    path: tuple[str, ...]
    value: str


@dataclass(frozen=True, slots=True)
class Ownership:
    """Keys, as (field, key), that a manager owned before the write; `entry` is its entry of managedFields without fieldsV1, as JSON."""

    manager: str
    operation: str
    entry: str
    keys: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of one trim, written before it acted; `state` is one of STATES.

    `is_ours` says that this machine's key has sealed what it says: anything else is a stranger's word.
    """

    id: str
    server: str
    holder: ObjectRef
    strategy: str
    removed: tuple[Removed, ...]
    created_at: str
    state: str = "pending"
    resource_version: str = ""
    owners: tuple[Ownership, ...] = ()
    is_ours: bool = True

    @property
    def keys(self) -> tuple[str, ...]:
        """What was removed, entries of documents with their path."""
        return tuple("/".join((*item.path, item.key)) for item in self.removed if item.path[:1] != ("",))
