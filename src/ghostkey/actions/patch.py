"""The one request that a trim or an undo sends: which patch it is, measured as it will travel."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ghostkey.actions import documents
from ghostkey.kube.client import JSON_PATCH, MERGE_PATCH
from ghostkey.kube.patches import encode_json_patch
from ghostkey.model.errors import Refused
from ghostkey.model.plans import Change, Plan, Removed
from ghostkey.model.refs import SECRETS, ObjectRef

# Source: k8s.io/apiserver v0.37 pkg/server/config.go MaxRequestBodyBytes and pkg/endpoints/handlers/patch.go maxJSONPatchOperations
BODY_BYTES = 3 << 20
OPERATIONS = 10_000


@dataclass(frozen=True, slots=True)
class Patch:
    """One request body, and what it is."""

    strategy: str
    body: bytes

    @property
    def content_type(self) -> str:
        """For the Content-Type header."""
        return JSON_PATCH if self.strategy == "json-patch" else MERGE_PATCH


@dataclass(frozen=True, slots=True)
class Addition:
    """What an undo puts back: whole keys, and documents to replace ((field, key) → old text, new text)."""

    missing: Sequence[Removed]
    documents: Mapping[tuple[str, str], tuple[str, str]]


def removal(plan: Plan, live: Mapping[str, Any], *, by_test: bool = True) -> Patch:
    """The patch that removes the planned keys from the map as it is.

    By test of each value where that fits into a request (a busy map may be written by others meanwhile), else by version;
    Secrets always by version, for a test would carry their values. Raises Refused when neither fits, KeyError when an entry
    of a document is not there.
    """
    replaced = {
        spot: (live[spot[0]][spot[1]], _document_after(live[spot[0]][spot[1]], changes))
        for spot, changes in inner_changes(plan).items()
    }
    top = [change for change in plan.changes if not change.path]

    def tests() -> list[dict[str, Any]]:
        operations = [_test("/metadata/uid", plan.holder.uid)]
        for change in top:
            pointer = _pointer(change.field, change.key)
            operations += [_test(pointer, live[change.field][change.key]), {"op": "remove", "path": pointer}]
        return operations + _replacements(replaced)

    size = 2 * (len(top) + len(replaced)) + 1
    values: dict[str, dict[str, str | None]] = {}
    for change in top:
        values.setdefault(change.field, {})[change.key] = None
    return _chosen(plan.holder, live, tests if by_test and size <= OPERATIONS else None, values, replaced)


def restoration(holder: ObjectRef, addition: Addition, live: Mapping[str, Any], *, by_test: bool = True) -> Patch:
    """The patch that puts removed keys back into the map as it is; raises Refused when no request can carry it."""

    def tests() -> list[dict[str, Any]]:
        operations = [_test("/metadata/uid", holder.uid)]
        for item in addition.missing:
            pointer = _pointer(item.field, item.key)
            # a test for null holds only while the key is absent: the add cannot overwrite
            operations += [_test(pointer, None), {"op": "add", "path": pointer, "value": item.value}]
        return operations + _replacements(addition.documents)

    size = 2 * (len(addition.missing) + len(addition.documents)) + 1
    # an operation below a field that is not there fails
    fits = size <= OPERATIONS and all(live.get(item.field) for item in addition.missing)
    values: dict[str, dict[str, str | None]] = {}
    for item in addition.missing:
        values.setdefault(item.field, {})[item.key] = item.value
    return _chosen(holder, live, tests if by_test and fits else None, values, addition.documents)


def _chosen(
    holder: ObjectRef,
    live: Mapping[str, Any],
    tests: Any,
    values: Mapping[str, dict[str, str | None]],
    replaced: Mapping[tuple[str, str], tuple[str, str]],
) -> Patch:
    if tests is not None and holder.kind != SECRETS and len(body := encode_json_patch(tests())) <= BODY_BYTES:
        return Patch("json-patch", body)
    merged: dict[str, Any] = {"metadata": {"uid": holder.uid, "resourceVersion": live["metadata"]["resourceVersion"]}}
    for field, entries in values.items():
        merged.setdefault(field, {}).update(entries)
    for (field, key), (_, after) in replaced.items():
        merged.setdefault(field, {})[key] = after
    body = json.dumps(merged, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if len(body) > BODY_BYTES:
        raise Refused(
            f"a request that changes this much of {holder} has {len(body):,} bytes, more than the API server takes ({BODY_BYTES:,}); "
            "nothing was changed",
            "take fewer keys at a time",
        )
    return Patch("merge-patch", body)


def inner_changes(plan: Plan) -> dict[tuple[str, str], list[Change]]:
    """Entries of documents, by field and key of the value that holds the document."""
    inner: dict[tuple[str, str], list[Change]] = {}
    for change in plan.changes:
        if change.path:
            inner.setdefault((change.field, change.path[0]), []).append(change)
    return inner


def documents_around(plan: Plan, live: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """(field, key, text before, text after) of each document that loses entries."""
    found = []
    for (field, key), changes in inner_changes(plan).items():
        before = live[field][key]
        found.append((field, key, before, _document_after(before, changes)))
    return found


def _document_after(before: str, changes: Sequence[Change]) -> str:
    by_path: dict[tuple[str, ...], list[str]] = {}
    for change in changes:
        by_path.setdefault(change.path[1:], []).append(change.key)
    # deeper mappings first, so that a path still leads somewhere when its turn comes
    for path in sorted(by_path, key=len, reverse=True):
        before = documents.without_entries(before, path, by_path[path])
    return before


def _replacements(replaced: Mapping[tuple[str, str], tuple[str, str]]) -> list[dict[str, Any]]:
    operations: list[dict[str, Any]] = []
    for (field, key), (before, after) in replaced.items():
        pointer = _pointer(field, key)
        operations += [_test(pointer, before), {"op": "replace", "path": pointer, "value": after}]
    return operations


def _test(pointer: str, value: object) -> dict[str, Any]:
    return {"op": "test", "path": pointer, "value": value}


def _pointer(field: str, key: str) -> str:
    """Source: RFC 6901, section 3."""
    return f"/{field}/{key.replace('~', '~0').replace('/', '~1')}"
