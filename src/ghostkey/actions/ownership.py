"""Gives keys back to the managers that owned them before ghostkey wrote them.

A key that is put back belongs, in managedFields, to who wrote it last: to us. The next server-side apply of its former
owner would then meet a conflict, or leave the key behind for good once it is gone from the manifest.
Source: structured-merge-diff v6 (merge/update.go): what an update says in managedFields is taken as it is where no value changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from ghostkey.kube.client import FIELD_MANAGER, MERGE_PATCH, ApiClient
from ghostkey.model.errors import GhostkeyError
from ghostkey.model.plans import Ownership
from ghostkey.model.refs import ObjectRef

TRIES = 5
_STAMPED = ("manager", "operation", "apiVersion", "fieldsType", "time", "subresource")

Spots = Iterable[tuple[str, str]]


def owners_of(live: Mapping[str, Any], spots: Spots) -> tuple[Ownership, ...]:
    """Who owns these (field, key) pairs, by the map's managedFields; nobody where it has none."""
    wanted = sorted(set(spots))
    found = []
    for entry in _entries(live):
        keys = tuple(spot for spot in wanted if _owns(entry, spot))
        if keys:
            stamp = {name: entry[name] for name in _STAMPED if name in entry}
            found.append(Ownership(str(entry.get("manager", "")), str(entry.get("operation", "")), json.dumps(stamp), keys))
    return tuple(found)


def give_back(client: ApiClient, holder: ObjectRef, live: Mapping[str, Any], owners: Iterable[Ownership], spots: Spots) -> str:
    """Makes the former owners of these keys their owners again; empty when they are, else what is so now, in words.

    Writes managedFields alone, bound to the version that was read: no value can change by it.
    """
    wanted = set(spots)
    former = [(owner, [spot for spot in owner.keys if spot in wanted]) for owner in owners if owner.manager != FIELD_MANAGER]
    if not any(keys for _, keys in former):
        return ""
    path = holder.kind.path(holder.namespace, holder.name)
    why = "the map was written by somebody else meanwhile"
    for _ in range(TRIES):
        managed = _restored(live, former, wanted)
        if managed is None:
            return ""
        metadata = {"uid": holder.uid, "resourceVersion": live["metadata"]["resourceVersion"], "managedFields": managed}
        try:
            answer = client.write("PATCH", path, json.dumps({"metadata": metadata}).encode(), MERGE_PATCH)
            if _restored(answer, former, wanted) is None:
                return ""
            why = "the API server kept it so"
            break
        except GhostkeyError as error:
            if getattr(error, "status", 0) != HTTPStatus.CONFLICT:
                why = str(error)
                break
        try:
            live = client.get_object(path) or {}
        except GhostkeyError as error:
            why = str(error)
            break
        if (live.get("metadata") or {}).get("uid") != holder.uid:
            break
    names = ", ".join(sorted({f"{owner.manager} ({owner.operation})" for owner, keys in former if keys}))
    count = len({spot for _, keys in former for spot in keys})
    return (
        f"{count} {'key is' if count == 1 else 'keys are'} now owned by {FIELD_MANAGER} instead of {names}: {why}. "
        "A later server-side apply of another value meets a conflict (--force-conflicts takes it over), "
        "and an apply that leaves the key out no longer removes it"
    )


def _restored(live: Mapping[str, Any], former: list[tuple[Ownership, list[tuple[str, str]]]], ours: set[tuple[str, str]]) -> Any:
    """managedFields with the former owners in place of us; None when it is so already, or there are no managedFields."""
    entries = json.loads(json.dumps(_entries(live)))
    if not entries:
        return None
    changed = False
    given = {spot for _, keys in former for spot in keys}
    for entry in entries:
        if entry.get("manager") == FIELD_MANAGER:
            for spot in ours & given:
                changed |= _take(entry, spot)
    for owner, keys in former:
        mine = next((entry for entry in entries if _is(entry, owner)), None)
        if mine is None and keys:
            mine = {**json.loads(owner.entry), "fieldsV1": {}}
            entries.append(mine)
        for field, key in keys:
            fields = mine.setdefault("fieldsV1", {}) if mine is not None else {}
            level = fields.setdefault(f"f:{field}", {})
            if f"f:{key}" not in level:
                level[f"f:{key}"] = {}
                changed = True
    return [entry for entry in entries if entry.get("fieldsV1")] if changed else None


def _is(entry: Mapping[str, Any], owner: Ownership) -> bool:
    stamp = json.loads(owner.entry)
    return all(entry.get(name) == stamp.get(name) for name in ("manager", "operation", "apiVersion", "subresource"))


def _owns(entry: Mapping[str, Any], spot: tuple[str, str]) -> bool:
    fields = entry.get("fieldsV1")
    level = fields.get(f"f:{spot[0]}") if isinstance(fields, dict) else None
    return isinstance(level, dict) and f"f:{spot[1]}" in level


def _take(entry: dict[str, Any], spot: tuple[str, str]) -> bool:
    if not _owns(entry, spot):
        return False
    level = entry["fieldsV1"][f"f:{spot[0]}"]
    del level[f"f:{spot[1]}"]
    if not set(level) - {"."}:
        del entry["fieldsV1"][f"f:{spot[0]}"]
    return True


def _entries(live: Mapping[str, Any]) -> list[dict[str, Any]]:
    managed = (live.get("metadata") or {}).get("managedFields")
    return [entry for entry in managed if isinstance(entry, dict)] if isinstance(managed, list) else []
