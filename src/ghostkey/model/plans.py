"""What will change, and what did."""

from __future__ import annotations

from dataclasses import dataclass

from ghostkey.model.refs import Kind, ObjectRef


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
class Plan:
    """Keys of one holder that go together or not at all."""

    holder: ObjectRef
    resource_version: str
    strategy: str
    changes: tuple[Change, ...]
    key_count: int
    created_at: str
    digest_key_id: str


@dataclass(frozen=True, slots=True)
class Removed:
    """One removed value: what undo needs. `value` is text for `data` of ConfigMaps and documents, base64 elsewhere."""

    field: str
    key: str
    path: tuple[str, ...]
    value: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of one trim, written before it acted; `state` is pending, applied, failed or undone."""

    id: str
    server: str
    holder: ObjectRef
    strategy: str
    removed: tuple[Removed, ...]
    created_at: str
    state: str = "pending"
    resource_version: str = ""
