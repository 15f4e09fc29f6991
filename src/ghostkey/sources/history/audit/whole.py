"""Patches that give a field of a map anew, or take it away: what the field holds after them, known without an answer."""

from __future__ import annotations

from ghostkey.sources.history.audit.event import Patched, decoded_field
from ghostkey.sources.history.facts import FIELDS


def replaced_by(document: object, kind: str) -> Patched | None:
    """Field → all that it holds afterwards, of a patch that does nothing else to the map's keys; None of any other."""
    if isinstance(document, dict):
        return _merged(document, kind)
    if not isinstance(document, list):
        return None
    found: Patched = {}
    for operation in document:
        if not isinstance(operation, dict):
            return None
        path, op = str(operation.get("path", "")), operation.get("op")
        if op == "test" or (path.split("/")[1:2] and path.split("/")[1] not in FIELDS and op in ("add", "replace", "remove")):
            continue
        field, values = path[1:], {} if op == "remove" else operation.get("value")
        if field not in FIELDS or op not in ("add", "replace", "remove") or not isinstance(values, dict):
            return None
        found[field] = decoded_field(field, values, kind)
    return found


def _merged(document: dict[object, object], kind: str) -> Patched | None:
    if "$patch" in document or "stringData" in document:
        return None
    found: Patched = {}
    for field in FIELDS:
        if field not in document:
            continue
        values = document[field]
        if values is None:
            found[field] = {}
        elif isinstance(values, dict) and values.get("$patch") in ("replace", "delete"):
            kept = {} if values["$patch"] == "delete" else {key: held for key, held in values.items() if key != "$patch"}
            found[field] = decoded_field(field, kept, kind)
        else:
            return None
    return found
