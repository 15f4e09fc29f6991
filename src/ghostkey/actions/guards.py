"""What keeps ghosts from being trimmed although they are ghosts: a manifest that holds them, a Pod that takes the map whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ghostkey.actions.checks import enumerated, pod_uses
from ghostkey.kube.client import ApiClient
from ghostkey.kube.fields import field_owners
from ghostkey.kube.objects import applied_keys
from ghostkey.model.errors import Refused
from ghostkey.model.managers import LAST_APPLIED, copier_of, copier_of_marks, tool_of_manager, tool_of_object
from ghostkey.model.plans import Change, Plan

DECLARED, MOUNTED = "--even-if-declared", "--even-if-mounted"


def check_guards(
    client: ApiClient, plan: Plan, live: Mapping[str, Any], again: str, *, even_if: frozenset[str], check_pods: bool = True
) -> None:
    """Raises Refused for a plan of ghosts that a manifest holds, or whose map a Pod takes as a whole.

    `even_if` are the options that were given (DECLARED, MOUNTED); `again` is the command to which the lacking ones are added.
    Only changes that were planned for gone subjects are looked at: a key that a person names is that person's business.
    """
    changes = [change for change in plan.changes if change.subjects]
    if not changes:
        return
    said: dict[str, str] = {}
    if DECLARED not in even_if and (held := dict(_declared(changes, live))):
        said[DECLARED] = f"a manifest would bring them back, or miss them: {enumerated(held)}"
    if MOUNTED not in even_if and check_pods and (users := sorted(_whole_users(client, plan))):
        more = f" and {len(users) - 3} more" if len(users) > 3 else ""
        said[MOUNTED] = f"taken as a whole by {', '.join(users[:3])}{more}: what is a ghost to one may be read by another"
    if said:
        way = "take the keys out of the manifest; or, to remove them here" if DECLARED in said else "look what reads it; or"
        raise Refused(
            f"{plan.holder} is not trimmed, nothing was changed: {'; '.join(said.values())}", f"{way}: {again} {' '.join(said)}"
        )


def _declared(changes: list[Change], live: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Keys that a manifest holds, or may hold, and what tells so."""
    metadata = live["metadata"]
    annotations, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    applied = applied_keys(annotations.get(LAST_APPLIED, ""))
    mark = tool_of_object(annotations, labels)
    copier = next(filter(None, (copier_of(str(ref.get("kind"))) for ref in metadata.get("ownerReferences") or ())), "")
    copied = copier_of_marks((*annotations, *labels))
    managed = msgspec.json.encode(metadata.get("managedFields") or [])
    owners = {field: field_owners(managed, field) for field in {change.field for change in changes}}
    for change in changes:
        top = change.path[0] if change.path else change.key
        holding = [owner for owner in owners[change.field] if owner.keys and top in owner.keys]
        # people write with kubectl create, edit and patch; a manifest is behind apply alone
        tools = [tool for owner in holding if (tool := tool_of_manager(owner.manager)) != "kubectl" or owner.operation == "Apply"]
        tool = next(filter(None, tools), "")
        if top in applied:
            yield str(change), "is in the manifest that kubectl apply used last"
        elif tool:
            yield str(change), f"is written by {tool}"
        elif copier:
            yield str(change), f"comes from the {copier} that owns the map"
        elif copied:
            yield str(change), f"is copied from elsewhere by {copied}"
        elif mark and not holding:
            yield str(change), f"may be in a manifest: the map is {mark}'s, and no managedFields tell who wrote the key"


def _whole_users(client: ApiClient, plan: Plan) -> set[str]:
    """The Pods and workloads that take the map as a whole."""
    holder = plan.holder
    return {
        f"{use.user} ({use.how})"
        for use in pod_uses(client, holder.namespace)
        if use.key is None and use.holder_kind == holder.kind.kind and use.name == holder.name
    }
