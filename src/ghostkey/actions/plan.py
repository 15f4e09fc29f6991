"""Plans the removal of keys of one map."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ghostkey.actions import documents
from ghostkey.actions.patch import removal
from ghostkey.kube.absent import no_such_map
from ghostkey.kube.client import ApiClient
from ghostkey.model.counts import counted
from ghostkey.model.errors import Refused, UsageError
from ghostkey.model.findings import Finding
from ghostkey.model.history import rfc3339_now
from ghostkey.model.plans import Change, Plan, Share
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, Kind, ObjectRef
from ghostkey.store.state import DigestKey

FIELDS = ("data", "binaryData")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One key to remove, and why. `subjects` are (kind, namespace, name or uid) that must still be gone on apply."""

    field: str
    key: str
    path: tuple[str, ...] = ()
    reason: str = "named by the user"
    subjects: tuple[tuple[Kind, str, str], ...] = ()


def wanted_by(finding: Finding) -> Wanted:
    """The key of a finding, to be removed because of it, and only while what it was written for is gone."""
    key = finding.key
    gone = tuple((subject.kind, subject.namespace, subject.uid or subject.name) for subject in finding.subjects)
    return Wanted(key.field, key.key, key.path, finding.message, gone)


def read_map(client: ApiClient, kind: Kind, namespace: str, name: str) -> dict[str, Any]:
    """The live object. Raises NotFound when it is gone."""
    if kind not in (CONFIG_MAPS, SECRETS):
        raise UsageError(f"{kind.qualified} are not trimmed", "trim takes cm/NAME or secret/NAME")
    found = client.get_object(kind.path(namespace, name))
    if found is None:
        raise no_such_map(client, kind, namespace, name)
    return found


def check_mutable(kind: Kind, live: Mapping[str, Any], *, is_undo: bool = False) -> None:
    """Raises Refused for an immutable map."""
    if live.get("immutable"):
        name = live["metadata"]["name"]
        what, keys = ("put a key back into", "with") if is_undo else ("remove a key from", "without")
        raise Refused(
            f"{kind.kind} {name} is immutable: the API server lets nobody {what} it; nothing was changed",
            f"make a new one {keys} these keys, point its users there, then kubectl delete {kind.resource} {name}",
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
        value = value_of(live, item)
        if value is None:
            raise UsageError(
                f"{holder} has no key {'/'.join((*item.path, item.key))!r} in {item.field}",
                f"kubectl get {kind.resource} {holder.name} -n {holder.namespace} -o yaml shows its keys",
            )
        changes[item.field, item.path, item.key] = Change(
            item.field, item.key, item.path, key.digest(value), _size(kind, item, value), item.reason, item.subjects
        )
    ordered = tuple(changes[spot] for spot in sorted(changes))
    draft = Plan(
        holder, str(metadata["resourceVersion"]), "", ordered, key_count(live), now or rfc3339_now(is_exact=True), key.id
    )
    return measured(draft, live)


def measured(plan: Plan, live: Mapping[str, Any]) -> Plan:
    """The plan with what depends on the map as it is now: how the patch is sent, and which share of the keys goes.

    Raises KeyError when an entry is not where the plan says, Refused when no patch can carry it.
    """
    strategy = removal(plan, live).strategy if plan.changes else "json-patch"
    return dataclasses.replace(plan, strategy=strategy, key_count=key_count(live), shares=_shares(plan.changes, live))


def _shares(changes: Sequence[Change], live: Mapping[str, Any]) -> tuple[Share, ...]:
    counts: dict[tuple[str, ...], list[int]] = {}
    for change in changes:
        if change.path not in counts:
            there = documents.entries_at(live[change.field][change.path[0]], change.path[1:]) if change.path else ()
            counts[change.path] = [0, len(there) if change.path else key_count(live)]
        counts[change.path][0] += 1
    return tuple(Share(path, removed, total) for path, (removed, total) in sorted(counts.items()))


def check_limits(plan: Plan, max_keys: int | None, max_percent: float | None) -> None:
    """Raises Refused when a plan takes more than it may: of the map's keys, or of the entries of one document."""
    if max_keys is not None and len(plan.changes) > max_keys:
        raise Refused(
            f"the plan removes {counted(len(plan.changes), 'key')} of {plan.holder}, more than --max-keys {max_keys:,}",
            "look at the plan without --apply; raise --max-keys if it is right",
        )
    for share in plan.shares:
        if max_percent is not None and share.percent > max_percent:
            what = f"the entries of {'/'.join(share.path)} in" if share.path else "the keys of"
            # never rounded to the limit that it is over
            percent = f"{share.percent:.0f}%" if round(share.percent) > max_percent else f"{share.percent:.3g}%"
            raise Refused(
                f"the plan removes {percent} of {what} {plan.holder}, more than --max-percent {max_percent:g}",
                "look at the plan without --apply; raise --max-percent if it is right",
            )


def key_count(live: Mapping[str, Any]) -> int:
    """How many keys a map has."""
    return sum(len(live.get(field) or ()) for field in FIELDS)


def value_of(live: Mapping[str, Any], item: Wanted | Change) -> str | None:
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
        try:
            return len(base64.b64decode(value))
        except binascii.Error:
            return len(value)
    return len(value.encode("utf-8", "surrogatepass"))
