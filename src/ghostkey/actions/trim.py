"""Plans and applies the removal of keys of one map: all of them, or none."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import json
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ghostkey.actions import documents
from ghostkey.actions.receipts import Receipts, new_id
from ghostkey.kube.client import JSON, JSON_PATCH, MERGE_PATCH, METADATA_LIST, ApiClient
from ghostkey.kube.objects import decode_loose, decode_metadata
from ghostkey.kube.patches import encode_json_patch
from ghostkey.kube.pods import POD_SPECS, key_uses
from ghostkey.model.errors import AccessDenied, ApiFailed, PlanOutdated, Refused, UsageError
from ghostkey.model.events import KeyUse
from ghostkey.model.plans import Change, Plan, Receipt, Removed
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, Kind, ObjectRef
from ghostkey.store.state import DigestKey

# The API server takes 10,000 operations in a JSON patch, and removing a key costs two: test and remove.
JSON_PATCH_KEYS = 4_900
JSON_PATCH_BYTES = 2 << 20  # request bodies may be 3 MiB; values travel in the tests
CONFLICT_TRIES = 40
CONFLICT_PAUSE_SECONDS = 0.02
FIELDS = ("data", "binaryData")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One key to remove, and why. `subjects` are (kind, namespace, name or uid) that must still be gone on apply."""

    field: str
    key: str
    path: tuple[str, ...] = ()
    reason: str = "named by the user"
    subjects: tuple[tuple[Kind, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trim did: the receipt, where it is kept, and how many keys the map has now."""

    receipt: Receipt
    kept_at: str
    keys_left: int


def read_map(client: ApiClient, kind: Kind, namespace: str, name: str) -> dict[str, Any]:
    """The live object. Raises ApiFailed when it is gone."""
    if kind not in (CONFIG_MAPS, SECRETS):
        raise UsageError(f"{kind.qualified} are not trimmed", "trim takes cm/NAME or secret/NAME")
    found = client.get_object(kind.path(namespace, name))
    if found is None:
        raise ApiFailed(
            f"{kind.kind} {name} not found in namespace {namespace!r}",
            f"kubectl get {kind.resource} -A | grep {name}",
            status=HTTPStatus.NOT_FOUND,
        )
    return found


def check_mutable(kind: Kind, live: Mapping[str, Any]) -> None:
    """Raises Refused for an immutable map."""
    if live.get("immutable"):
        name = live["metadata"]["name"]
        raise Refused(
            f"{kind.kind} {name} is immutable: the API server lets nobody remove a key from it",
            f"make a new one without these keys, point its users there, then kubectl delete {kind.resource} {name}",
        )


def plan_trim(
    live: Mapping[str, Any], kind: Kind, wanted: Iterable[Wanted], key: DigestKey, cluster: str = "", now: str = ""
) -> Plan:
    """The plan to remove these keys from the map as it was read.

    Raises UsageError for a key the map does not have, Refused for an immutable map and for entries of a Secret's
    documents (the rest of the document would travel in the patch, and into audit logs).
    """
    check_mutable(kind, live)
    metadata = live["metadata"]
    holder = ObjectRef(kind, metadata.get("namespace", ""), metadata["name"], metadata["uid"], cluster)
    changes: dict[tuple[str, tuple[str, ...], str], Change] = {}
    for item in wanted:
        if item.path and kind == SECRETS:
            raise Refused(
                f"{item.path[0]} of {holder} holds a document: its entries are not trimmed, since the rest of the Secret "
                "would travel in the patch and stay in audit logs",
                "let the operator rewrite the document",
            )
        value = _value_of(live, item)
        if value is None:
            raise UsageError(
                f"{holder} has no key {'/'.join((*item.path, item.key))!r} in {item.field}",
                f"kubectl get {kind.resource} {holder.name} -n {holder.namespace} -o yaml shows its keys",
            )
        changes[item.field, item.path, item.key] = Change(
            item.field, item.key, item.path, key.digest(value), _size(kind, item, value), item.reason, item.subjects
        )
    ordered = tuple(changes[spot] for spot in sorted(changes))
    count = sum(len(live.get(field) or ()) for field in FIELDS)
    return Plan(
        holder=holder,
        resource_version=str(metadata["resourceVersion"]),
        strategy=_strategy(kind, live, ordered),
        changes=ordered,
        key_count=count,
        created_at=now or utc_now(),
        digest_key_id=key.id,
    )


def check_limits(plan: Plan, max_keys: int | None, max_percent: float | None) -> None:
    """Raises Refused when a plan takes more than it may."""
    top = [change for change in plan.changes if not change.path]
    percent = 100 * len(top) / max(1, plan.key_count)
    if max_keys is not None and len(plan.changes) > max_keys:
        raise Refused(
            f"the plan removes {len(plan.changes):,} keys of {plan.holder}, more than --max-keys {max_keys:,}",
            "look at the plan without --apply; raise --max-keys if it is right",
        )
    if max_percent is not None and percent > max_percent:
        raise Refused(
            f"the plan removes {percent:.0f}% of the keys of {plan.holder}, more than --max-percent {max_percent:g}",
            "look at the plan without --apply; raise --max-percent if it is right",
        )


def apply_trim(
    client: ApiClient,
    plan: Plan,
    receipts: Receipts,
    key: DigestKey,
    *,
    check_pods: bool = True,
    sleep: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Removes the planned keys, or changes nothing.

    Raises PlanOutdated naming each key that changed, went, is used by a Pod, or whose subject came back; Refused for an
    immutable map. The receipt is kept before the write; when the write fails it says so.
    """
    live = read_map(client, plan.holder.kind, plan.holder.namespace, plan.holder.name)
    _check_plan(client, plan, live, key, check_pods=check_pods)
    for _ in range(CONFLICT_TRIES):
        created_at = utc_now()
        receipt = Receipt(new_id(created_at), client.config.server, plan.holder, plan.strategy, _removed(live, plan), created_at)
        kept_at = receipts.save(receipt)
        try:
            answer = _write(client, plan, live, key, sleep)
        except _DocumentChangedError as changed:
            # other entries of the document were written: the receipt has to hold what it was before this write
            receipts.note(receipt, "failed")
            live = changed.live
        except Exception:
            receipts.note(receipt, "failed")
            raise
        else:
            break
    else:
        raise _too_busy(plan)
    version = str(answer["metadata"]["resourceVersion"])
    receipts.note(receipt, "applied", version)
    left = sum(len(answer.get(field) or ()) for field in FIELDS)
    return Outcome(dataclasses.replace(receipt, state="applied", resource_version=version), kept_at, left)


def dry_run(client: ApiClient, plan: Plan, key: DigestKey, *, check_pods: bool = True) -> int:
    """Checks what `apply_trim` would and has the API server try the plan without storing it; how many keys would be left.

    Raises what `apply_trim` would.
    """
    live = read_map(client, plan.holder.kind, plan.holder.namespace, plan.holder.name)
    _check_plan(client, plan, live, key, check_pods=check_pods)
    for strategy in (plan.strategy, "merge-patch"):
        try:
            answer = client.write("PATCH", _path(plan), *_patch(plan, live, strategy), dry_run=True)
        except ApiFailed as error:
            # a server that spells a value otherwise than the test does; see _write
            if error.status != HTTPStatus.UNPROCESSABLE_ENTITY or strategy == "merge-patch":
                raise
        else:
            break
    return sum(len(answer.get(field) or ()) for field in FIELDS)


# checking


def _check_plan(client: ApiClient, plan: Plan, live: Mapping[str, Any], key: DigestKey, *, check_pods: bool) -> None:
    _check_values(plan, live, key)
    faults: dict[str, str] = {}
    if check_pods:
        faults |= _used_keys(client, plan)
    faults |= _returned_subjects(client, plan)
    _raise_faults(plan, faults)


def _check_values(plan: Plan, live: Mapping[str, Any], key: DigestKey) -> None:
    check_mutable(plan.holder.kind, live)
    if live["metadata"]["uid"] != plan.holder.uid:
        raise PlanOutdated(
            f"{plan.holder} was deleted and made again since the plan; nothing was changed", "make a new plan: ghostkey trim"
        )
    if key.id != plan.digest_key_id:
        # digests of another machine cannot be compared, but an unchanged map has unchanged values
        if live["metadata"]["resourceVersion"] != plan.resource_version:
            raise PlanOutdated(
                f"{plan.holder} changed since the plan, which was made on another machine; nothing was changed",
                "make a new plan here: ghostkey trim",
            )
        return
    faults: dict[str, str] = {}
    for change in plan.changes:
        value = _value_of(live, change)
        if value is None:
            faults[str(change)] = "is gone already"
        elif key.digest(value) != change.value_digest:
            faults[str(change)] = "has another value than when the plan was made"
    _raise_faults(plan, faults)


def _raise_faults(plan: Plan, faults: dict[str, str]) -> None:
    if not faults:
        return
    shown = "; ".join(f"{key} {why}" for key, why in list(faults.items())[:5])
    more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
    raise PlanOutdated(
        f"plan for {plan.holder} is outdated, nothing was changed: {shown}{more}", "make a new plan: ghostkey trim", faults
    )


def _used_keys(client: ApiClient, plan: Plan) -> dict[str, str]:
    top = {change.key for change in plan.changes if not change.path} | {c.path[0] for c in plan.changes if c.path}
    faults: dict[str, str] = {}
    for use in pod_uses(client, plan.holder.namespace):
        same = use.holder_kind == plan.holder.kind.kind and use.name == plan.holder.name
        if same and use.key in top and use.key is not None and not _is_document(plan, use.key):
            faults[use.key] = f"is used by {use.user} ({use.how})"
    return faults


def _is_document(plan: Plan, key: str) -> bool:
    return any(change.path and change.path[0] == key for change in plan.changes)


def pod_uses(client: ApiClient, namespace: str) -> Iterable[KeyUse]:
    """What Pods and workloads of a namespace use. Raises AccessDenied with the way out when they cannot be listed."""
    for (group, resource), _ in POD_SPECS.items():
        version = "v1"
        kind = Kind(group, version, _POD_KINDS[resource], resource, True)
        try:
            for body in client.list_pages(kind.path(namespace), accept=JSON):
                for item in decode_loose(body).items or ():
                    yield from key_uses(kind, item.metadata.namespace or "", item.metadata.name, item.spec)
        except AccessDenied as error:
            raise AccessDenied(
                f"cannot see which keys Pods use: {error}",
                "ghostkey rbac --for trim prints the Role; --no-pod-check goes without",
                error.status,
            ) from None
        except ApiFailed as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise


_POD_KINDS = {
    "pods": "Pod", "replicationcontrollers": "ReplicationController", "deployments": "Deployment", "jobs": "Job",
    "replicasets": "ReplicaSet", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet", "cronjobs": "CronJob",
}  # fmt: skip


def _returned_subjects(client: ApiClient, plan: Plan) -> dict[str, str]:
    """Keys whose subject lives again."""
    kinds = {kind for change in plan.changes for kind, _, _ in change.subjects}
    if not kinds:
        return {}
    live: dict[Kind, set[str]] = {kind: set() for kind in kinds}
    for kind in kinds:
        for body in client.list_pages(kind.path(), accept=METADATA_LIST):
            for item in decode_metadata(body).items or ():
                metadata = item.metadata
                live[kind] |= {f"{metadata.namespace or ''}/{metadata.name}", f"/{metadata.name}", metadata.uid or ""}
    faults: dict[str, str] = {}
    for change in plan.changes:
        for kind, namespace, name in change.subjects:
            if f"{namespace}/{name}" in live[kind] or name in live[kind]:
                faults[str(change)] = f"has its subject back: {kind.kind} {namespace + '/' if namespace else ''}{name}"
    return faults


# writing


def _write(
    client: ApiClient, plan: Plan, live: Mapping[str, Any], key: DigestKey, sleep: Callable[[float], None]
) -> dict[str, Any]:
    """Sends the patch; on a conflict reads the map again and, when the planned keys are as they were, tries once more."""
    strategy = plan.strategy
    for attempt in range(CONFLICT_TRIES):
        try:
            return client.write("PATCH", _path(plan), *_patch(plan, live, strategy))
        except ApiFailed as error:
            # 409: another version. 422: a test of a JSON patch failed, which never says which one.
            if error.status not in {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}:
                raise
            last = error
        # pause first, then read and write without delay: the shorter the way between them, the fewer conflicts
        sleep(CONFLICT_PAUSE_SECONDS * random.random() * min(attempt + 1, 5))
        now = read_map(client, plan.holder.kind, plan.holder.namespace, plan.holder.name)
        _check_values(plan, now, key)
        if any(now[field][top] != live[field][top] for field, top in _inner_changes(plan)):
            raise _DocumentChangedError(now)
        live = now
        if last.status == HTTPStatus.UNPROCESSABLE_ENTITY:
            if strategy == "merge-patch":
                raise last
            # The values are as planned, so this server spells them otherwise than the test does: go by version instead.
            strategy = "merge-patch"
    raise _too_busy(plan)


class _DocumentChangedError(Exception):
    """Somebody wrote other entries of a document between reading and writing it; `live` is the map now."""

    def __init__(self, live: dict[str, Any]) -> None:
        super().__init__()
        self.live = live


def _too_busy(plan: Plan) -> PlanOutdated:
    return PlanOutdated(
        f"{plan.holder} was written by somebody else {CONFLICT_TRIES} times in a row; nothing was changed",
        "try again when the map is less busy",
    )


def _path(plan: Plan) -> str:
    return plan.holder.kind.path(plan.holder.namespace, plan.holder.name)


def _patch(plan: Plan, live: Mapping[str, Any], strategy: str) -> tuple[bytes, str]:
    if strategy == "json-patch":
        return encode_json_patch(_json_patch(plan, live)), JSON_PATCH
    metadata = {"uid": plan.holder.uid, "resourceVersion": live["metadata"]["resourceVersion"]}
    body: dict[str, Any] = {"metadata": metadata}
    for change in plan.changes:
        if not change.path:
            body.setdefault(change.field, {})[change.key] = None
    for (field, top), changes in _inner_changes(plan).items():
        body.setdefault(field, {})[top] = _document_after(live[field][top], changes)
    return json.dumps(body).encode(), MERGE_PATCH


def _json_patch(plan: Plan, live: Mapping[str, Any]) -> list[dict[str, Any]]:
    operations: list[dict[str, Any]] = [{"op": "test", "path": "/metadata/uid", "value": plan.holder.uid}]
    for change in plan.changes:
        if not change.path:
            pointer = f"/{change.field}/{_escaped(change.key)}"
            operations.append({"op": "test", "path": pointer, "value": live[change.field][change.key]})
            operations.append({"op": "remove", "path": pointer})
    for (field, top), changes in _inner_changes(plan).items():
        pointer, before = f"/{field}/{_escaped(top)}", live[field][top]
        operations.append({"op": "test", "path": pointer, "value": before})
        operations.append({"op": "replace", "path": pointer, "value": _document_after(before, changes)})
    return operations


def _inner_changes(plan: Plan) -> dict[tuple[str, str], list[Change]]:
    """Entries of documents, by the key that holds the document."""
    inner: dict[tuple[str, str], list[Change]] = {}
    for change in plan.changes:
        if change.path:
            inner.setdefault((change.field, change.path[0]), []).append(change)
    return inner


def _document_after(before: str, changes: Sequence[Change]) -> str:
    by_path: dict[tuple[str, ...], list[str]] = {}
    for change in changes:
        by_path.setdefault(change.path[1:], []).append(change.key)
    # deeper mappings first, so that a path still leads somewhere when its turn comes
    for path in sorted(by_path, key=len, reverse=True):
        before = documents.without_entries(before, path, by_path[path])
    return before


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _strategy(kind: Kind, live: Mapping[str, Any], changes: Sequence[Change]) -> str:
    if kind == SECRETS:
        return "merge-patch"  # a test would carry the Secret's value
    if any(change.path for change in changes):
        return "json-patch"
    # values travel escaped; two bytes for one is the worst that ordinary text does
    size = sum(2 * len(str(live[change.field][change.key])) + 2 * len(change.key) + 80 for change in changes)
    return "json-patch" if len(changes) <= JSON_PATCH_KEYS and size <= JSON_PATCH_BYTES else "merge-patch"


# values


def _value_of(live: Mapping[str, Any], item: Wanted | Change) -> str | None:
    """The live value of a key or entry as text; None when it is not there."""
    content = live.get(item.field) or {}
    if not item.path:
        value = content.get(item.key)
        return value if isinstance(value, str) else None
    document = content.get(item.path[0])
    if not isinstance(document, str):
        return None
    try:
        return documents.entry_text(document, item.path[1:], item.key)
    except KeyError:
        return None


def _size(kind: Kind, item: Wanted, value: str) -> int:
    if not item.path and (kind == SECRETS or item.field == "binaryData"):
        return len(base64.b64decode(value))
    return len(value.encode("utf-8", "surrogatepass"))


def _removed(live: Mapping[str, Any], plan: Plan) -> tuple[Removed, ...]:
    """What the receipt has to hold. For entries of a document: each entry, and the document before and after."""
    removed = []
    for change in plan.changes:
        value = _value_of(live, change)
        assert value is not None
        removed.append(Removed(change.field, change.key, change.path, value))
    for (field, top), changes in _inner_changes(plan).items():
        before = live[field][top]
        removed.append(Removed(field, top, ("", "before"), before))
        removed.append(Removed(field, top, ("", "after"), _document_after(before, changes)))
    return tuple(removed)


def utc_now() -> str:
    """Now, as RFC 3339 in UTC with microseconds."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
