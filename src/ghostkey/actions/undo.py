"""Puts back what a trim removed, and touches no other key."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ghostkey.actions import documents
from ghostkey.actions.receipts import Receipts
from ghostkey.actions.trim import CONFLICT_PAUSE_SECONDS, CONFLICT_TRIES, JSON_PATCH_BYTES, JSON_PATCH_KEYS, check_mutable
from ghostkey.kube.client import JSON_PATCH, MERGE_PATCH, ApiClient
from ghostkey.kube.patches import encode_json_patch
from ghostkey.model.errors import ApiFailed, PlanOutdated
from ghostkey.model.plans import Receipt, Removed
from ghostkey.model.refs import SECRETS


@dataclass(frozen=True, slots=True)
class Restored:
    """What an undo did: how many keys it put back, and how many were there already."""

    receipt: Receipt
    restored: int
    present: int


@dataclass(slots=True)
class _Restoration:
    """What is missing from the live map: whole keys, and documents to replace (key → old text, new text)."""

    missing: list[Removed]
    present: int
    documents: dict[tuple[str, str], tuple[str, str]]


def apply_undo(
    client: ApiClient, receipt: Receipt, receipts: Receipts, *, sleep: Callable[[float], None] = time.sleep
) -> Restored:
    """Restores every byte the receipt holds; harmless when it has been done already.

    Raises PlanOutdated naming the keys that were written again with another value, or when the map itself is gone or
    another one of the same name; nothing is changed then.
    """
    holder = receipt.holder
    by_test = holder.kind != SECRETS  # a test would carry a Secret's values once more
    path = holder.kind.path(holder.namespace, holder.name)
    for attempt in range(CONFLICT_TRIES):
        live = client.get_object(path)
        if live is None or live["metadata"]["uid"] != holder.uid:
            fate = "is gone" if live is None else "was deleted and made again"
            raise PlanOutdated(
                f"{holder} {fate} since the trim; nothing was changed", f"its values are in the receipt: {receipt.id}"
            )
        todo = _missing(receipt, live)
        if not todo.missing and not todo.documents:
            receipts.note(receipt, "undone")
            return Restored(receipt, 0, todo.present)
        check_mutable(holder.kind, live)
        try:
            answer = client.write("PATCH", path, *_patch(receipt, todo, live, by_test=by_test))
        except ApiFailed as error:
            if error.status not in {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}:
                raise
            if error.status == HTTPStatus.UNPROCESSABLE_ENTITY:
                if not by_test:
                    raise
                # a key came back meanwhile, which the next look tells; or the server spells a document otherwise
                by_test = False
            sleep(CONFLICT_PAUSE_SECONDS * random.random() * min(attempt + 1, 5))
            continue
        receipts.note(receipt, "undone", str(answer["metadata"]["resourceVersion"]))
        return Restored(receipt, len(todo.missing) + len(todo.documents), todo.present)
    raise PlanOutdated(
        f"{holder} was written by somebody else {CONFLICT_TRIES} times in a row; nothing was changed",
        "try again when the map is less busy",
    )


def _missing(receipt: Receipt, live: Mapping[str, Any]) -> _Restoration:
    missing: list[Removed] = []
    present = 0
    changed: dict[str, str] = {}
    for item in receipt.removed:
        if item.path:
            continue
        now = (live.get(item.field) or {}).get(item.key)
        if now is None:
            missing.append(item)
        elif now == item.value:
            present += 1
        else:
            changed[item.key] = "was written again with another value"
    texts: dict[tuple[str, str], tuple[str, str]] = {}
    for (field, key), group in _documents(receipt).items():
        now = (live.get(field) or {}).get(key)
        before, after = group["before"], group["after"]
        entries = [item for item in receipt.removed if item.field == field and item.path[:1] == (key,)]
        if now == before:
            present += len(entries)
        elif now == after:
            texts[field, key] = (now, before)
        elif now is None:
            changed[key] = "is gone, and its entries with it"
        else:
            again, restored = _merged(now, entries, changed)
            present += again
            if restored != now:
                texts[field, key] = (now, restored)
    if changed:
        shown = "; ".join(f"{key} {why}" for key, why in list(changed.items())[:5])
        more = f" (and {len(changed) - 5} more)" if len(changed) > 5 else ""
        raise PlanOutdated(
            f"cannot undo {receipt.id} on {receipt.holder}, nothing was changed: {shown}{more}",
            "decide by hand which value is right; the old ones are in the receipt",
            changed,
        )
    return _Restoration(missing, present, texts)


def _documents(receipt: Receipt) -> dict[tuple[str, str], dict[str, str]]:
    found: dict[tuple[str, str], dict[str, str]] = {}
    for item in receipt.removed:
        if item.path[:1] == ("",):
            found.setdefault((item.field, item.key), {})[item.path[1]] = item.value
    return found


def _merged(now: str, entries: list[Removed], changed: dict[str, str]) -> tuple[int, str]:
    """A document that was written since the trim, with the removed entries added; counts those that are there."""
    present = 0
    additions: dict[tuple[str, ...], dict[str, str]] = {}
    for item in entries:
        try:
            value = documents.entry_text(now, item.path[1:], item.key)
        except KeyError:
            additions.setdefault(item.path[1:], {})[item.key] = item.value
            continue
        if json.loads(value) == json.loads(item.value):
            present += 1
        else:
            changed["/".join((*item.path, item.key))] = "was written again with another value"
    for path, added in additions.items():
        try:
            now = documents.with_entries(now, path, added)
        except KeyError:
            changed["/".join(path)] = "is no mapping any more"
    return present, now


def _patch(receipt: Receipt, todo: _Restoration, live: Mapping[str, Any], *, by_test: bool) -> tuple[bytes, str]:
    fields = {item.field for item in todo.missing}
    size = sum(2 * len(item.value) + len(item.key) + 120 for item in todo.missing)
    fits = len(todo.missing) <= JSON_PATCH_KEYS and size <= JSON_PATCH_BYTES and all(live.get(field) for field in fields)
    if by_test and fits:
        operations: list[dict[str, Any]] = [{"op": "test", "path": "/metadata/uid", "value": receipt.holder.uid}]
        for item in todo.missing:
            pointer = f"/{item.field}/{item.key}"
            # a test for null holds only while the key is absent: the add cannot overwrite
            operations.append({"op": "test", "path": pointer, "value": None})
            operations.append({"op": "add", "path": pointer, "value": item.value})
        for (field, key), (old, new) in todo.documents.items():
            operations.append({"op": "test", "path": f"/{field}/{key}", "value": old})
            operations.append({"op": "replace", "path": f"/{field}/{key}", "value": new})
        return encode_json_patch(operations), JSON_PATCH
    body: dict[str, Any] = {"metadata": {"uid": receipt.holder.uid, "resourceVersion": live["metadata"]["resourceVersion"]}}
    for item in todo.missing:
        body.setdefault(item.field, {})[item.key] = item.value
    for (field, key), (_, new) in todo.documents.items():
        body.setdefault(field, {})[key] = new
    return json.dumps(body).encode(), MERGE_PATCH
