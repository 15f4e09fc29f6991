"""From one decoded ConfigMap, Secret or map-valued field to KeysSeen batches; shared by all sources."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

from ghostkey.foreign import TooMuchError, UnreadableError, load_yaml
from ghostkey.kube.fields import data_writers, field_owners
from ghostkey.kube.objects import MapObject, Metadata, applied_keys
from ghostkey.kube.sizes import stored_bytes
from ghostkey.model.counts import counted
from ghostkey.model.errors import place_of
from ghostkey.model.events import WORD, FieldOwner, Gap, HolderMeta, Identity, KeysSeen, Shape, SubjectDetail
from ghostkey.model.managers import LAST_APPLIED, may_be_moved
from ghostkey.model.refs import SECRETS, Kind, ObjectRef
from ghostkey.sources import _values

YAML_BYTES = 4 << 20  # all YAML documents of one scan: about 3 s of parsing
TOLD_VALUES = 5  # values that could not be read are named so often, and then counted
PLAIN_NAMES = 10_000  # values kept because they could be names, all maps together: about 2 MB


class MapReader:
    """Reads maps one after the other; holds the limits that count over a whole scan."""

    def __init__(
        self, cluster: str = "", *, keep_writers: bool = False, names: int = PLAIN_NAMES, yaml_bytes: int = YAML_BYTES
    ) -> None:
        """`names` and `yaml_bytes` are what is left of the limits, for who reads one map at a time."""
        self._cluster = cluster
        self._keep_writers = keep_writers
        self._yaml_left = yaml_bytes
        self._yaml_skipped = 0
        self._opaque = 0
        self._gaps: list[Gap] = []
        self._names_left = names
        self._word_lists: dict[int, list[Shape]] = {}

    def read(self, kind: Kind, item: MapObject) -> list[KeysSeen]:
        """The batches of one ConfigMap or Secret: its fields, then the documents in its values.

        A map on which this fails, for whatever reason, is a gap and gives none: it must not take the other maps along.
        """
        holder = object_ref(kind, item.metadata, self._cluster)
        try:
            return self._batches(kind, holder, item)
        except Exception as error:  # noqa: BLE001 (a stranger's values are behind it, and all other maps wait)
            self._gaps.append(Gap(f"{holder} was not looked into", f"this is a bug in ghostkey: {place_of(error)}"))
            return []

    def _batches(self, kind: Kind, holder: ObjectRef, item: MapObject) -> list[KeysSeen]:
        encoded = kind == SECRETS
        batches: list[KeysSeen] = []
        documents: list[tuple[str, str, Any]] = []
        for field, content in (("data", item.data), ("binaryData", item.binary_data)):
            if content:
                seen, found = self._read_field(holder, field, content, encoded=encoded or field == "binaryData")
                batches.append(seen)
                documents += [(field, key, document) for key, document in found]
        meta = self._meta(kind, item, batches)
        if not batches:
            batches.append(KeysSeen(holder, "data", (), [], [], []))
        for field, key, document in documents:
            least = _values.NESTED_ENTRIES if len(documents) <= 16 else _values.NESTED_ENTRIES_AMONG_MANY
            for path, nested in _values.nested_maps(document, least):
                batches.append(read_entries(holder, field, (key, *path), nested))
        for seen in batches:
            seen.meta = meta
        return batches

    def _read_field(
        self, holder: ObjectRef, field: str, content: dict[str, str], *, encoded: bool
    ) -> tuple[KeysSeen, list[tuple[str, Any]]]:
        if not encoded and self._names_left <= 0 and (plain := _values.all_words(content.values())) is not None:
            return KeysSeen(holder, field, (), list(content), plain, self._words(len(content)), _NO_IDENTITIES), []
        sizes: list[int] = []
        shapes: list[Shape] = []
        identities: dict[int, Identity] = {}
        documents: list[tuple[str, Any]] = []
        add_size, add_shape = sizes.append, shapes.append
        for key, value in content.items():
            if encoded:
                raw = _values.unwrap(value)
                shape, identity, document = (_values.BINARY, None, None) if raw is None else _values.look_at_bytes(raw)
                add_size(len(value) if raw is None else len(raw))
                text = "" if raw is None or shape is not _values.TEXT else raw.decode(errors="replace")
            else:
                shape, identity, document = _values.look(value)
                add_size(len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass")))
                text = value
            if shape is _values.TEXT and document is None:
                document = self._yaml(text, holder, key)
            elif shape is _values.OPAQUE:
                self._note_opaque(holder, key, "it is no document of a size and depth that is worth reading")
            elif shape is WORD and self._names_left > 0 and not encoded and (name := _values.plain_name(value)):
                identity = Identity(name=name)
                self._names_left -= 1
            add_shape(shape)
            if identity is not None:
                identities[len(shapes) - 1] = identity
            if document:
                documents.append((key, document))
        return KeysSeen(holder, field, (), list(content), sizes, shapes, identities), documents

    def _words(self, count: int) -> list[Shape]:
        """A list of WORD that all maps of this size share."""
        found = self._word_lists.get(count)
        if found is None:
            found = self._word_lists[count] = [WORD] * count
        return found

    def _note_opaque(self, holder: ObjectRef, key: str, why: str) -> None:
        self._opaque += 1
        if self._opaque <= TOLD_VALUES:
            self._gaps.append(Gap(f"value {key} of {holder} was not looked into", why))

    def _yaml(self, text: str, holder: ObjectRef, key: str) -> Any:
        """The mapping that a text holds as YAML, when it looks like one with siblings; None otherwise."""
        if not _values.looks_like_yaml(text):
            return None
        if len(text) > self._yaml_left:
            self._yaml_skipped += 1
            return None
        self._yaml_left -= len(text)
        try:
            return load_yaml(text)
        except TooMuchError as error:
            self._note_opaque(holder, key, str(error))
        except UnreadableError:
            pass
        return None

    def _meta(self, kind: Kind, item: MapObject, batches: list[KeysSeen]) -> HolderMeta:
        metadata = item.metadata
        managed = metadata.managed_fields
        managed_bytes = len(bytes(managed))
        annotations = metadata.annotations or _NONE
        labels = metadata.labels or _NONE
        annotations_bytes = _pairs_bytes(annotations) if annotations else 0
        extra = annotations_bytes + (_pairs_bytes(labels) if labels else 0)
        owners: tuple[FieldOwner, ...] = ()
        if managed_bytes and (self._keep_writers or may_be_moved(bytes(managed))):
            owners = field_owners(bytes(managed))
        values = stored = keys = 0
        for seen in batches:
            values += sum(seen.sizes)
            stored += stored_bytes(seen.keys, seen.sizes, 0)
            keys += len(seen.keys)
        return HolderMeta(
            labels=labels,
            annotations={k: (v if len(v) <= 1024 or k.startswith(_OURS) else "") for k, v in annotations.items()}
            if annotations
            else annotations,
            type=item.type or "",
            immutable=bool(item.immutable),
            values_bytes=values,
            stored_bytes=extra + stored,
            managed_fields_bytes=managed_bytes or -1,
            annotations_bytes=annotations_bytes,
            key_count=keys,
            owned=bool(metadata.owner_references),
            owner_kinds=tuple(ref.kind for ref in metadata.owner_references or ()),
            declared=applied_keys(annotations.get(LAST_APPLIED, "")),
            writers=data_writers(bytes(managed)) if managed_bytes > len("[]") else (),
            field_owners=owners,
            created_at=metadata.creation_timestamp or "",
        )

    @property
    def yaml_left(self) -> int:
        """Bytes of YAML that may still be parsed."""
        return self._yaml_left

    def taken_gaps(self) -> tuple[Gap, ...]:
        """What could not be read since this was last asked; `gaps` does not tell it again."""
        taken = tuple(self._gaps)
        self._gaps.clear()
        return taken

    def gaps(self) -> Iterator[Gap]:
        """What the limits of the scan kept from being looked into, and what could not be read."""
        yield from self._gaps
        if self._opaque > TOLD_VALUES:
            yield Gap(
                f"{counted(self._opaque - TOLD_VALUES, 'more value was', 'more values were')} not looked into",
                "like those that are named",
            )
        if self._yaml_skipped:
            yield Gap(
                f"{counted(self._yaml_skipped, 'YAML document in a value was', 'YAML documents in values were')} not looked into",
                f"they are more than {YAML_BYTES >> 20} MiB in all",
                hint="scan one map: ghostkey scan cm/NAME -n NS",
            )


def _pairs_bytes(pairs: dict[str, str]) -> int:
    return sum(len(k) + len(v) for k, v in pairs.items())


_OURS = "ghostkey.dev/"

_NONE: dict[str, str] = {}
_NO_IDENTITIES: dict[int, Identity] = {}
_FIRST_MANAGER = re.compile(rb'"manager":"([^"]*)"')


def read_entries(holder: ObjectRef, field: str, path: tuple[str, ...], entries: dict[str, Any]) -> KeysSeen:
    """KeysSeen of a map that is already decoded: a nested document, or a map-valued field."""
    sizes: list[int] = []
    shapes: list[Shape] = []
    identities: dict[int, Identity] = {}
    for entry in entries.values():
        shape, identity, size = _values.look_at_entry(entry)
        if identity is not None:
            identities[len(shapes)] = identity
        shapes.append(shape)
        sizes.append(size)
    return KeysSeen(holder, field, path, list(entries), sizes, shapes, identities)


def read_map_field(kind: Kind, item: dict[str, Any], field: str, cluster: str = "") -> Iterator[KeysSeen]:
    """KeysSeen of a map-valued field such as `status.shards` of an object of any kind; nothing when it has none."""
    level: Any = item
    for part in field.split("."):
        level = level.get(part) if isinstance(level, dict) else None
    if not isinstance(level, dict):
        return
    metadata = item.get("metadata") or {}
    holder = ObjectRef(
        kind, str(metadata.get("namespace") or ""), str(metadata.get("name")), str(metadata.get("uid") or ""), cluster
    )
    seen = read_entries(holder, field, (), {str(key): value for key, value in level.items()})
    if kind == SECRETS:
        seen.identities = _NO_IDENTITIES  # `stringData` of a manifest: what its values say stays in them
    seen.meta = HolderMeta(
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        values_bytes=sum(seen.sizes),
        key_count=len(seen.keys),
    )
    yield seen


def object_ref(kind: Kind, metadata: Metadata, cluster: str) -> ObjectRef:
    """The reference of a decoded object."""
    return ObjectRef(kind, metadata.namespace or "", metadata.name, metadata.uid or "", cluster)


def subject_detail(metadata: Metadata) -> SubjectDetail:
    """What is kept of an object that may be somebody's dependent."""
    labels = tuple(sorted(metadata.labels.items())) if metadata.labels else ()
    found = _FIRST_MANAGER.search(metadata.managed_fields)
    manager = found[1].decode(errors="replace") if found else ""
    return _detail(labels, manager, metadata.deletion_timestamp is not None)


@functools.lru_cache(maxsize=4096)
def _detail(labels: tuple[tuple[str, str], ...], manager: str, deleting: bool) -> SubjectDetail:
    # objects of one maker are alike: thousands share one
    return SubjectDetail(labels, manager, deleting)
