"""Audit events whose fields are written in another way than the API server's: columns of a table, pairs of a name and a value,
names with dots in them, objects as text.

What it reads
    Azure's AKSAudit (names in another case), Alibaba's log service and other tables (objects as text), answers of query services as
    columns and rows (Log Analytics, Data Explorer), pairs (log services' own `contents`), flattened records (Elastic, Kibana).
When it is wrong
    Names that lead into a request or a response (`requestObject.data.a`) are left out, since a key may have dots, too: the event is
    of level Metadata then.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ghostkey.foreign import UnreadableError, decode_json

Node = dict[Any, Any]
_OBJECTS = {"request", "response", "requestobject", "responseobject"}
_FIELDS = {
    "level": "level", "auditid": "auditID", "stage": "stage", "requesturi": "requestURI", "verb": "verb", "user": "user",
    "impersonateduser": "impersonatedUser", "sourceips": "sourceIPs", "useragent": "userAgent", "objectref": "objectRef",
    "responsestatus": "responseStatus", "requestobject": "requestObject", "responseobject": "responseObject",
    "requestreceivedtime": "requestReceivedTimestamp", "requestreceivedtimestamp": "requestReceivedTimestamp",
    "stagereceivedtime": "stageTimestamp", "stagetimestamp": "stageTimestamp", "annotations": "annotations",
}  # fmt: skip
_LISTS = {"sourceips", "groups"}
_ID = "auditid"
# how the two fields of a pair are called
_PAIRS = ({"key", "value"}, {"Key", "Value"}, {"field", "value"}, {"name", "value"})
_COLUMNS, _ROWS = ("columns", "Columns", "fields"), ("rows", "Rows")
_NAMES = ("name", "ColumnName")


def is_event(node: Node) -> bool:
    """Whether a decoded object is an audit event as the API server writes it."""
    return (
        isinstance(node.get("auditID"), str)
        and ("verb" in node or "requestURI" in node)
        and "stage" in node
        and not isinstance(node.get("objectRef"), str)
        and "objectRef.resource" not in node
    )


def event_of_fields(node: Node) -> dict[str, Any] | None:
    """The event whose fields these are, in another case, with objects as text or taken apart; None when it is none."""
    names = {name.lower() for name in node if isinstance(name, str)}
    if _ID not in names or "objectref" not in names:
        found = _put_together(node, names)
        if found is None:
            return None
        node, names = found, {name.lower() for name in found}
    if not {_ID, "verb", "stage", "objectref"} <= names:
        return None
    event: dict[str, Any] = {"kind": "Event", "apiVersion": "audit.k8s.io/v1"}
    for name, value in node.items():
        known = _FIELDS.get(str(name).lower())
        if known is None or value in ("", None):
            continue
        if isinstance(value, str) and value[:1] in ("{", "["):
            try:
                event[known] = decode_json(value)
            except UnreadableError:
                return None
        else:
            event[known] = value
    return event


def _put_together(node: Node, names: set[str]) -> dict[str, Any] | None:
    """An event whose objects were taken apart, each field of theirs under its whole name (`kubernetes.audit.objectRef.name`)."""
    mark = next((name for name in names if name.endswith("objectref.resource")), None)
    if mark is None:
        return None
    before = len(mark) - len("objectref.resource")
    prefix = mark[:before]
    if prefix and not prefix.endswith("."):
        return None
    event: dict[str, Any] = {}
    for name, value in node.items():
        text = str(name)
        if not text.lower().startswith(prefix):
            continue
        # Elastic shows each field in a list
        is_listed = isinstance(value, list) and len(value) == 1 and text.rpartition(".")[2].lower() not in _LISTS
        put(event, text[before:], value[0] if is_listed else value)
    return event


def put(node: dict[str, Any], name: str, value: Any) -> None:
    """Puts a value where its name leads: `protoPayload.status.code` lies in two others."""
    parts = name.split(".")
    below = next((n for n, part in enumerate(parts[:-1]) if part.lower() in _OBJECTS), None)
    if below is not None:
        parts, value = [*parts[:below], "level"], "Metadata"  # a key may have dots, too
    for part in parts[:-1]:
        inner = node.setdefault(part, {})
        if not isinstance(inner, dict):
            return
        node = inner
    is_number = parts[-1] == "code" and len(parts) > 1 and isinstance(value, str) and value.isdecimal() and len(value) < 6
    node[parts[-1]] = int(value) if is_number else value


def rows_of(node: Node) -> Iterator[dict[str, Any]]:
    """Each row of an answer that names its columns once, as a record of its own."""
    columns = next((node[name] for name in _COLUMNS if isinstance(node.get(name), list)), None)
    rows = next((node[name] for name in _ROWS if isinstance(node.get(name), list)), None)
    if not columns or not rows:
        return
    names = [
        next((column[name] for name in _NAMES if name in column), "") if isinstance(column, dict) else column
        for column in columns
    ]
    for row in rows:
        if isinstance(row, list) and len(row) == len(names):
            yield {str(name): value for name, value in zip(names, row, strict=True)}


def record_of_pairs(pairs: list[Any]) -> dict[str, Any] | None:
    """The record that a list of names and values stands for; None when it is none of an event."""
    if not isinstance(pairs[0], dict):
        return None
    names = next((names for names in _PAIRS if names <= pairs[0].keys()), None)
    if names is None or not all(isinstance(pair, dict) and names <= pair.keys() for pair in pairs):
        return None
    value = next(name for name in names if name.lower() == "value")
    (name,) = names - {value}
    record = {str(pair[name]): pair[value] for pair in pairs}
    return record if is_event(record) or event_of_fields(record) is not None else None
