"""What an audit event is made of: its types and its patches."""

from __future__ import annotations

from typing import Any

import msgspec

from ghostkey.foreign import UnreadableError, decode_json
from ghostkey.model.history import microseconds
from ghostkey.sources.history.states import decoded

RECEIVED = b',"requestReceivedTimestamp":"'


class User(msgspec.Struct):
    username: str = ""


class Reference(msgspec.Struct, rename="camel"):
    resource: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_group: str = ""
    subresource: str = ""


class Status(msgspec.Struct):
    code: int = 0
    message: str = ""
    reason: str = ""


class Event(msgspec.Struct, rename="camel"):
    """One audit event; the two objects stay bytes until they are needed."""

    level: str = ""
    audit_id: str = msgspec.field(name="auditID", default="")
    stage: str = ""
    request_uri: str = msgspec.field(name="requestURI", default="")
    verb: str = ""
    user: User = msgspec.field(default_factory=User)
    impersonated_user: User | None = None
    source_ips: list[str] | None = msgspec.field(name="sourceIPs", default=None)
    user_agent: str = ""
    object_ref: Reference | None = None
    response_status: Status | None = None
    request_object: msgspec.Raw = msgspec.Raw()
    response_object: msgspec.Raw = msgspec.Raw()
    request_received_timestamp: str = ""


class Meta(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    deletion_timestamp: str | None = None
    finalizers: list[str] | None = None


class Details(msgspec.Struct):
    """Of a Status: which object it is about."""

    uid: str = ""


class Object(msgspec.Struct, rename="camel"):
    """What is looked at of an object in a response."""

    kind: str = ""
    details: Details | None = None
    metadata: Meta = msgspec.field(default_factory=Meta)
    data: dict[str, Any] | None = None
    binary_data: dict[str, Any] | None = None
    string_data: dict[str, Any] | None = None
    items: list[Any] | None = None


class MergePatch(msgspec.Struct, forbid_unknown_fields=True):
    """The usual patch of a map: some keys of its data, and nothing else."""

    data: dict[str, str | None]


Patched = dict[str, dict[str, bytes | None]]  # field → key → value, None for one that goes
# everything that decoding hostile bytes raises
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, UnreadableError)
decode_event = msgspec.json.Decoder(Event).decode
decode_object = msgspec.json.Decoder(Object).decode
decode_merge_patch = msgspec.json.Decoder(MergePatch).decode
decode_pairs = msgspec.json.Decoder(dict[str, str]).decode


def content_of(kind: str, found: Object) -> dict[str, dict[str, bytes]]:
    """The whole map that an object shows, base64 taken off."""
    is_secret = kind == "secrets"
    data = decoded(found.data, is_base64=is_secret)
    if is_secret and found.string_data:
        data |= decoded(found.string_data, is_base64=False)
    return {"data": data, "binaryData": decoded(found.binary_data, is_base64=True)}


def patched(body: bytes, kind: str) -> Patched | None:
    """What a patch of a map sets and removes: merge and strategic patches, JSON patches; None when it cannot be told."""
    try:
        return patched_by(decode_json(body), kind)
    except UNREADABLE:
        return None


def patched_by(document: object, kind: str) -> Patched | None:
    """As `patched`, of a body that is decoded already."""
    found: Patched = {}
    if isinstance(document, dict):
        for field in ("data", "binaryData", "stringData"):
            values = document.get(field)
            if not isinstance(values, dict):
                if field in document:
                    return None  # the whole field goes
                continue
            into = found.setdefault("data" if field == "stringData" else field, {})
            is_base64 = field == "binaryData" or (kind == "secrets" and field == "data")
            present = decoded(values, is_base64=is_base64)
            into |= {str(key): present.get(str(key)) for key in values}
        return found
    if not isinstance(document, list):
        return None
    for operation in document:
        if not isinstance(operation, dict) or operation.get("op") == "test":
            continue
        parts = str(operation.get("path", "")).split("/")
        if len(parts) < 2 or parts[1] not in {"data", "binaryData"}:
            continue
        if len(parts) != 3 or operation.get("op") not in {"add", "replace", "remove"}:
            return None
        key = parts[2].replace("~1", "/").replace("~0", "~")
        value = operation.get("value")
        is_base64 = parts[1] == "binaryData" or kind == "secrets"
        into = found.setdefault(parts[1], {})
        into[key] = None if operation["op"] == "remove" else decoded({key: value}, is_base64=is_base64).get(key)
    return found


def received(line: bytes) -> int | None:
    """When the event of a line came in, in microseconds, without decoding it."""
    found = line.rfind(RECEIVED)
    if found < 0:
        return None
    begin = found + len(RECEIVED)
    return microseconds(line[begin : line.find(b'"', begin)].decode("ascii", "replace"))
