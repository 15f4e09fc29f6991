"""What sources yield. A census sees maps and subjects whole, so the events come as columns, one batch for each map or page.

One object for each of a million keys would cost ten times the memory of the keys themselves; a `KeysSeen` is the
KeyEvents of one map at one moment, with `op` "seen". Values never enter: only size, shape and the identifiers in them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ghostkey.model.refs import SECRETS, Kind, ObjectRef


@dataclass(frozen=True, slots=True)
class Shape:
    """What sort of value a key has, without the value: `word`, `number`, `json:plan,uid`, `empty` …

    Equal shapes are one object. `doubled` names a second encoding inside (`base64` or `json`).
    """

    name: str
    doubled: str = ""


WORD = Shape("word")
"""One word of text, as most settings are; one object for all, so that it can be counted by identity."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Identifiers that a value carries, each empty when it carries none."""

    uid: str = ""
    namespace: str = ""
    name: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class FieldOwner:
    """One entry of managedFields: who, by which operation, when (RFC 3339). `keys` is None when not looked into."""

    manager: str
    operation: str
    time: str
    keys: frozenset[str] | None = None


@dataclass(slots=True)
class KeysSeen:
    """All keys of one map: `keys`, `sizes` (bytes of each value) and `shapes` run in parallel, in the source's order.

    `identities` has the index of each key whose value carries identifiers. `stored_bytes` is the size of the whole
    object in etcd without managedFields, `managed_fields_bytes` that of managedFields (-1: the source hides them).
    """

    holder: ObjectRef
    field: str
    path: tuple[str, ...]
    keys: list[str]
    sizes: list[int]
    shapes: list[Shape]
    identities: dict[int, Identity] = dataclasses.field(default_factory=dict)
    meta: HolderMeta | None = None
    _key_set: frozenset[str] | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def is_veiled(self) -> bool:
        """Whether the keys are entries of a document in a Secret's value: their names are part of the secret."""
        return bool(self.path) and self.holder.kind == SECRETS

    @property
    def key_set(self) -> frozenset[str]:
        """The keys as a set, made when first asked for."""
        if self._key_set is None:
            self._key_set = frozenset(self.keys)
        return self._key_set

    def forget_key_set(self) -> None:
        """Lets go of the set, for who keeps the keys for long."""
        self._key_set = None


@dataclass(slots=True)
class HolderMeta:
    """What is true of a holder as a whole, shared by the batches of its fields and nested documents.

    `declared` are the keys that the manifest which `kubectl apply` used last holds; `owner_kinds` those of ownerReferences;
    `writers` are the managers that own keys of its values, where managedFields tell;
    `origin` is the file it was read from, and the member of an archive after a colon; `applied_bytes` what the annotations of a
    large manifest take once `kubectl apply` has copied it there, 0 for what is in a cluster already.
    """

    labels: dict[str, str]
    annotations: dict[str, str]
    type: str = ""
    immutable: bool = False
    values_bytes: int = 0
    stored_bytes: int = 0
    managed_fields_bytes: int = -1
    annotations_bytes: int = 0
    key_count: int = 0
    owned: bool = False
    owner_kinds: tuple[str, ...] = ()
    declared: frozenset[str] = frozenset()
    writers: tuple[str, ...] = ()
    field_owners: tuple[FieldOwner, ...] = ()
    created_at: str = ""
    origin: str = ""
    applied_bytes: int = 0


@dataclass(slots=True)
class SubjectsSeen:
    """Objects of one kind, as parallel columns. `owners` has the index of each object with ownerReferences.

    `carried` are the words that stand in labels, annotations and fields of any of them, other than their names, and the
    namespace of who has them: ANYWHERE where there are several.
    """

    kind: Kind
    namespaces: list[str]
    names: list[str]
    uids: list[str]
    owners: dict[int, tuple[Owner, ...]] = dataclasses.field(default_factory=dict)
    details: dict[int, SubjectDetail] = dataclasses.field(default_factory=dict)
    carried: dict[str, str] = dataclasses.field(default_factory=dict)

    def carry(self, words: Iterable[str], namespace: str) -> None:
        """Notes words of one object."""
        merge_carried(self.carried, dict.fromkeys(words, namespace))


ANYWHERE = "*"


def merge_carried(into: dict[str, str], more: Mapping[str, str]) -> None:
    """Words with the namespace of who has them, added to others."""
    for word, namespace in more.items():
        if into.setdefault(word, namespace) != namespace:
            into[word] = ANYWHERE


@dataclass(frozen=True, slots=True)
class SubjectDetail:
    """What is kept of a possible dependent: its labels, and who made it."""

    labels: tuple[tuple[str, str], ...]
    manager: str
    deleting: bool


@dataclass(frozen=True, slots=True)
class Owner:
    """One ownerReference."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A Pod (or the Pod template of a workload) uses a map: the named key, or all of it when `key` is None."""

    user: str
    holder_kind: str
    namespace: str
    name: str
    key: str | None
    how: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """Where a source would have noticed objects of a kind: everywhere but in `unseen`, or in `namespaces` alone.

    `unseen` are namespaces that live and of which nothing at all was seen; `why` says what hides the rest. Coverage of
    Namespaces says whether the list of them is whole. `is_listed`: a server's list was seen, not only a tree of manifests.
    """

    kind: Kind
    namespaces: frozenset[str] | None = None
    unseen: frozenset[str] = frozenset()
    why: str = ""
    is_listed: bool = True

    def covers(self, namespace: str) -> bool:
        """Whether an object of the kind in this namespace would have been seen."""
        return namespace not in self.unseen if self.namespaces is None else namespace in self.namespaces

    @property
    def is_whole(self) -> bool:
        """Whether every object of the kind would have been seen."""
        return self.namespaces is None and not self.unseen


@dataclass(frozen=True, slots=True)
class Gap:
    """What a source could not see, in words, with the kind when one is concerned."""

    what: str
    why: str
    kind: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class KindsKnown:
    """The kinds the cluster serves (or the dump holds), before any object of them."""

    kinds: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """Something about the source that a reader should know and that hides nothing."""

    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """What follows is of one of several clusters, or folders, in a dump; `is_shared`: it lives there as well as elsewhere."""

    name: str
    is_shared: bool = False


Event = KeysSeen | SubjectsSeen | KeyUse | Coverage | Gap | KindsKnown | Note | Part
