"""What an audit event is made of: its types and its patches."""

from __future__ import annotations

from typing import Any

import msgspec

from ghostkey.foreign import UnreadableError, decode_json
from ghostkey.model.history import microseconds
from ghostkey.sources.history.facts import decoded

RECEIVED = b',"requestReceivedTimestamp":"'
STAGE = b'"stageTimestamp":"'


class User(msgspec.Struct):
    username: str = ""


class Reference(msgspec.Struct, rename="camel"):
    resource: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_group: str = ""
    subresource: str = ""

    @property
    def qualified(self) -> str:
        """The resource with its group, where it has one."""
        return f"{self.resource}.{self.api_group}" if self.api_group else self.resource


class Status(msgspec.Struct):
    code: int = 0
    message: str = ""
    reason: str = ""
    status: str = ""

    @property
    def is_failure(self) -> bool:
        """Whether the request failed, also where an export has lost its code."""
        return self.code >= 400 or (not self.code and self.status == "Failure")


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
    stage_timestamp: str = ""
    annotations: dict[str, Any] | None = None

    @property
    def at(self) -> int | None:
        """When it came in, else when it was done, in microseconds."""
        found = microseconds(self.request_received_timestamp)
        return found if found is not None else microseconds(self.stage_timestamp)


class Meta(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    finalizers: list[str] | None = None
    annotations: dict[str, str] | None = None
    managed_fields: msgspec.Raw = msgspec.Raw()


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
    spec: msgspec.Raw = msgspec.Raw()
    immutable: Any = None


class Bare(msgspec.Struct):
    """What is left to look at of an object whose other fields are of other types than a map's."""

    kind: str = ""
    details: Details | None = None
    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: msgspec.Raw = msgspec.Raw()


class _Spec(msgspec.Struct, rename="camel"):
    finalizers: Any = None
    node_name: Any = None


class _Options(msgspec.Struct, rename="camel"):
    """How a deletion is to be done; an eviction has it in a field."""

    dry_run: Any = None
    propagation_policy: Any = None
    delete_options: Any = None


class MergePatch(msgspec.Struct, forbid_unknown_fields=True):
    """The usual patch of a map: some keys of its data, and nothing else."""

    data: dict[str, str | None]


Patched = dict[str, dict[str, bytes | None]]  # field → key → value, None for one that goes
_DELETIONS, _WAITING = {"delete", "deletecollection"}, {"Foreground", "Orphan"}
COPIED = type("Copied", (bytes,), {})()  # the value of a key that a patch copies or moves: what it is the patch does not say
WHOLE: Patched = {}  # the patch replaces or removes a field as a whole: it names every key, and not one by one
# everything that decoding hostile bytes raises
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, UnreadableError)
_decode_spec = msgspec.json.Decoder(_Spec).decode
_decode_options = msgspec.json.Decoder(_Options).decode
decode_event = msgspec.json.Decoder(Event).decode
decode_object = msgspec.json.Decoder(Object).decode
decode_merge_patch = msgspec.json.Decoder(MergePatch).decode
decode_pairs = msgspec.json.Decoder(dict[str, str]).decode


_decode_bare = msgspec.json.Decoder(Bare).decode


def object_of(raw: msgspec.Raw) -> Object | None:
    """The object in a request or response; None when there is none, or it cannot be read."""
    if not bytes(raw):
        return None
    try:
        return decode_object(raw)
    except msgspec.ValidationError:
        pass
    except UNREADABLE:
        return None
    try:
        bare = _decode_bare(raw)
    except UNREADABLE:
        return None
    return Object(kind=bare.kind, details=bare.details, metadata=bare.metadata, spec=bare.spec)


def spec_of(found: Object) -> tuple[bool, bool]:
    """Whether the spec has finalizers, as only namespaces do, and whether it names a node, as a Pod's does that runs."""
    try:
        spec = _decode_spec(found.spec) if bytes(found.spec) else _Spec()
    except UNREADABLE:
        return False, False
    return bool(spec.finalizers), bool(spec.node_name)


def gives_finalizers(event: Event) -> bool:
    """Whether the object has finalizers after a write: as its answer shows, else as its request asks."""
    found = object_of(event.response_object)
    if found is not None and found.kind != "Status":
        return bool(found.metadata.finalizers)
    asked = object_of(event.request_object)
    if asked is not None:
        return bool(asked.metadata.finalizers)
    document = document_in(bytes(event.request_object))
    return isinstance(document, list) and any(
        isinstance(one, dict) and str(one.get("path")).startswith("/metadata/finalizers") and bool(one.get("value"))
        for one in document
    )


def is_dry_run(event: Event) -> bool:
    """Whether a request was only tried: it says so in its address, and a deletion or an eviction may say it in its body."""
    if "dryRun=" in event.request_uri.partition("?")[2]:
        return True
    if event.verb not in _DELETIONS and not (event.object_ref and event.object_ref.subresource == "eviction"):
        return False
    options = _options_of(event)
    inner = options.delete_options
    return bool(options.dry_run) or (isinstance(inner, dict) and bool(inner.get("dryRun")))


def waits_for_dependents(event: Event) -> bool:
    """Whether a deletion makes its object wait for what the garbage collector does to its dependents."""
    return _options_of(event).propagation_policy in _WAITING or any(
        f"propagationPolicy={word}" in event.request_uri for word in _WAITING
    )


def _options_of(event: Event) -> _Options:
    body = bytes(event.request_object)
    try:
        return _decode_options(body) if body else _Options()
    except UNREADABLE:
        return _Options()


def content_of(kind: str, found: Object) -> dict[str, dict[str, bytes]]:
    """The whole map that an object shows, base64 taken off."""
    is_secret = kind == "secrets"
    data = decoded(found.data, is_base64=is_secret)
    if is_secret and found.string_data:
        data |= decoded(found.string_data, is_base64=False)
    return {"data": data, "binaryData": decoded(found.binary_data, is_base64=True)}


def decoded_field(field: str, values: dict[object, object], kind: str) -> dict[str, bytes | None]:
    """The values of one field of a map, as a patch writes them."""
    is_base64 = field == "binaryData" or kind == "secrets"
    held = decoded({str(key): value for key, value in values.items()}, is_base64=is_base64)
    return {str(key): held.get(str(key), b"") for key in values}


def patched(body: bytes, kind: str) -> Patched | None:
    """What a patch of a map sets and removes: merge and strategic patches, JSON patches; None when it cannot be told.

    `WHOLE` itself when fields are replaced as a whole.
    """
    return patched_by(document_in(body), kind)


def document_in(body: bytes) -> Any:
    """What a body holds as JSON; None where it is none."""
    try:
        return decode_json(body) if body else None
    except UNREADABLE:
        return None


def patched_by(document: object, kind: str) -> Patched | None:
    """As `patched`, of a body that is decoded already."""
    if isinstance(document, dict):
        return _merged(document, kind)
    if not isinstance(document, list):
        return None
    found: Patched = {}
    for operation in document:
        if not isinstance(operation, dict) or operation.get("op") == "test":
            continue
        if operation.get("op") == "move" and (spot := _spot(operation.get("from"))) is not None:
            found.setdefault(spot[0], {})[spot[1]] = None
        path = str(operation.get("path", ""))
        spot = _spot(path)
        if spot is None:
            if path == "" or path.split("/")[1:2] in (["data"], ["binaryData"]):
                return WHOLE
            continue
        field, key = spot
        into, op = found.setdefault(field, {}), operation.get("op")
        if op == "remove":
            into[key] = None
        elif op in ("add", "replace"):
            is_base64 = field == "binaryData" or kind == "secrets"
            into[key] = decoded({key: operation.get("value")}, is_base64=is_base64).get(key, b"")
        elif op in ("copy", "move"):
            into[key] = COPIED
        else:
            return None
    return found


def _merged(document: dict[Any, Any], kind: str) -> Patched | None:
    found: Patched = {}
    if document.get("$patch") in ("replace", "delete"):
        return WHOLE
    for field in ("data", "binaryData", "stringData"):
        values = document.get(field)
        if not isinstance(values, dict):
            if field in document:
                return WHOLE if values is None else None  # the whole field goes
            continue
        if "$patch" in values:
            return WHOLE
        into = found.setdefault("data" if field == "stringData" else field, {})
        is_base64 = field == "binaryData" or (kind == "secrets" and field == "data")
        present = decoded(values, is_base64=is_base64)
        into |= {
            str(key): None if value is None else present.get(str(key), b"")
            for key, value in values.items()
            if value is not None or field != "stringData"  # which is never stored: nothing is removed there
        }
    return found


def _spot(pointer: object) -> tuple[str, str] | None:
    """Field and key that a JSON pointer leads to; None when it is none of a map's keys."""
    parts = str(pointer or "").split("/")
    if len(parts) != 3 or parts[1] not in {"data", "binaryData"}:
        return None
    return parts[1], parts[2].replace("~1", "/").replace("~0", "~")


def is_apply(body: bytes) -> bool:
    """Whether a patch is a server-side apply: its body names its kind and itself."""
    if b'"apiVersion"' not in body:
        return False
    try:
        found = decode_object(body)
    except UNREADABLE:
        return False
    return bool(found.kind and found.metadata.name)


def applied_in(body: bytes) -> set[tuple[str, str]] | None:
    """Field and key of all that a server-side apply names; None where a body is none, which names its kind and itself."""
    found = object_of(msgspec.Raw(body))
    if found is None or not found.kind or not found.metadata.name:
        return None
    data = {("data", key) for values in (found.data, found.string_data) for key in values or ()}
    return data | {("binaryData", key) for key in found.binary_data or ()}


def received(line: bytes) -> int | None:
    """When the event of a line came in, in microseconds, without decoding it."""
    found = line.rfind(RECEIVED)
    if found < 0:
        try:
            return decode_event(line).at
        except UNREADABLE:
            return None
    begin = found + len(RECEIVED)
    return microseconds(line[begin : line.find(b'"', begin)].decode("ascii", "replace"))


def done_at(line: bytes) -> int | None:
    """When the event of a line was done, which is when it was written, else when it came in; in microseconds."""
    found = line.rfind(STAGE)
    if found < 0 or found < line.rfind(RECEIVED):
        return received(line)
    begin = found + len(STAGE)
    at = microseconds(line[begin : line.find(b'"', begin)].decode("ascii", "replace"))
    return at if at is not None else received(line)
