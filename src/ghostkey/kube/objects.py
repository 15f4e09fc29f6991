"""Typed decoding of what the API server lists: only the fields that are looked at are ever made into Python objects."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec


class OwnerReference(msgspec.Struct, gc=False, rename="camel"):
    """metadata.ownerReferences[]."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class Metadata(msgspec.Struct, rename="camel"):
    """metadata of an object; managedFields stay undecoded bytes until somebody asks."""

    name: str = ""
    namespace: str | None = None
    uid: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None
    managed_fields: msgspec.Raw = msgspec.Raw()


class ListMetadata(msgspec.Struct, rename="camel"):
    """metadata of a list."""

    resource_version: str | None = None


class MapMetadata(Metadata, rename="camel"):
    """metadata of a ConfigMap or a Secret: of those it is also asked when they were made."""

    creation_timestamp: str | None = None


class MapObject(msgspec.Struct, rename="camel"):
    """A ConfigMap or a Secret."""

    metadata: MapMetadata
    data: dict[str, str] | None = None
    binary_data: dict[str, str] | None = None
    type: str | None = None
    immutable: bool | None = None


class MapList(msgspec.Struct):
    """ConfigMapList or SecretList."""

    kind: str = ""
    items: list[MapObject] | msgspec.UnsetType | None = msgspec.UNSET


class RawList(msgspec.Struct):
    """A list whose items are not decoded yet."""

    kind: str = ""
    items: list[msgspec.Raw] | msgspec.UnsetType | None = msgspec.UNSET


class MetadataOnly(msgspec.Struct):
    """PartialObjectMetadata."""

    metadata: Metadata


class MetadataList(msgspec.Struct):
    """PartialObjectMetadataList, or any other list whose items have metadata."""

    kind: str = ""
    items: list[MetadataOnly] | msgspec.UnsetType | None = msgspec.UNSET


class LooseObject(msgspec.Struct):
    """An object of any kind, with all of it decoded."""

    metadata: Metadata
    spec: Any = None


class LooseList(msgspec.Struct):
    """Pods and workloads, for their Pod specs."""

    kind: str = ""
    items: list[LooseObject] | msgspec.UnsetType | None = msgspec.UNSET


class CustomObject(msgspec.Struct):
    """A custom resource, whose fields may hold what keys are made of."""

    metadata: Metadata
    spec: Any = None
    status: Any = None


class CustomList(msgspec.Struct):
    """Custom resources, whole."""

    kind: str = ""
    items: list[CustomObject] | msgspec.UnsetType | None = msgspec.UNSET


class ManagedFieldsEntry(msgspec.Struct, rename={"fields": "fieldsV1"}):
    """metadata.managedFields[]."""

    manager: str = ""
    operation: str = ""
    time: str = ""
    subresource: str = ""
    fields: msgspec.Raw = msgspec.Raw()


decode_maps = msgspec.json.Decoder(MapList).decode
decode_map = msgspec.json.Decoder(MapObject).decode
decode_raw_list = msgspec.json.Decoder(RawList).decode
decode_metadata = msgspec.json.Decoder(MetadataList).decode
decode_loose = msgspec.json.Decoder(LooseList).decode
decode_custom = msgspec.json.Decoder(CustomList).decode
decode_managed_fields = msgspec.json.Decoder(list[ManagedFieldsEntry]).decode


class _LastApplied(msgspec.Struct, rename="camel"):
    data: msgspec.Raw = msgspec.Raw()
    binary_data: msgspec.Raw = msgspec.Raw()
    string_data: msgspec.Raw = msgspec.Raw()


_decode_last_applied = msgspec.json.Decoder(_LastApplied).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def applied_keys(last_applied: str) -> frozenset[str]:
    """The keys in the manifest that `kubectl apply` used last; none where there is none. A field that cannot be read has none."""
    if not last_applied:
        return frozenset()
    keys: frozenset[str] = frozenset()
    with contextlib.suppress(msgspec.DecodeError, UnicodeError, RecursionError):
        manifest = _decode_last_applied(last_applied)
        for field in (manifest.data, manifest.binary_data, manifest.string_data):
            with contextlib.suppress(msgspec.DecodeError, UnicodeError, RecursionError):
                keys |= _decode_fields(field).keys()
    return keys
