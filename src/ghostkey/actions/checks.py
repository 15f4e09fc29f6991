"""What must hold when a plan is carried out: the values are as planned, no Pod uses the keys, no subject has come back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from ghostkey.actions.plan import check_mutable, measured, value_of
from ghostkey.kube.answers import decode_list
from ghostkey.kube.client import JSON, METADATA_LIST, ApiClient
from ghostkey.kube.objects import decode_loose, decode_metadata
from ghostkey.kube.pods import POD_SPECS, key_uses
from ghostkey.model.errors import AccessDenied, ApiFailed, PlanOutdated
from ghostkey.model.events import KeyUse
from ghostkey.model.plans import Plan
from ghostkey.model.refs import Kind
from ghostkey.store.state import DigestKey


def check_plan(client: ApiClient, plan: Plan, live: Mapping[str, Any], key: DigestKey, *, check_pods: bool) -> None:
    """Raises PlanOutdated naming each key that must not go (any more), and why; Refused for an immutable map."""
    check_values(plan, live, key)
    check_surroundings(client, plan, check_pods=check_pods)


def renewed(plan: Plan, live: Mapping[str, Any], key: DigestKey) -> Plan:
    """A plan that was made earlier, measured against the map as it is; raises PlanOutdated where its keys are not as planned."""
    check_values(plan, live, key)
    return measured(plan, live)


def check_surroundings(client: ApiClient, plan: Plan, *, check_pods: bool) -> None:
    """The part of `check_plan` that looks at other objects than the map."""
    faults: dict[str, str] = {}
    if check_pods:
        faults |= _used_keys(client, plan)
    faults |= _returned_subjects(client, plan)
    _raise_faults(plan, faults)


def check_values(plan: Plan, live: Mapping[str, Any], key: DigestKey) -> None:
    """The part of `check_plan` that looks at the map alone."""
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
        _raise_faults(plan, {str(c): "is not in the map" for c in plan.changes if value_of(live, c) is None})
        return
    faults: dict[str, str] = {}
    for change in plan.changes:
        value = value_of(live, change)
        if value is None:
            faults[str(change)] = "is gone already"
        elif key.digest(value) != change.value_digest:
            faults[str(change)] = "has another value than when the plan was made"
    _raise_faults(plan, faults)


def _raise_faults(plan: Plan, faults: dict[str, str]) -> None:
    if not faults:
        return
    raise PlanOutdated(
        f"plan for {plan.holder} is outdated, nothing was changed: {enumerated(faults)}", "make a new plan: ghostkey trim", faults
    )


def enumerated(faults: Mapping[str, str]) -> str:
    """The first few keys with what is said of each, and how many more there are."""
    more = f" (and {len(faults) - 5:,} more)" if len(faults) > 5 else ""
    return "; ".join(f"{key} {why}" for key, why in list(faults.items())[:5]) + more


def _used_keys(client: ApiClient, plan: Plan) -> dict[str, str]:
    top = {change.key for change in plan.changes if not change.path}
    faults: dict[str, str] = {}
    for use in pod_uses(client, plan.holder.namespace):
        # a document that loses entries stays where it is, so its users keep their file
        if use.holder_kind == plan.holder.kind.kind and use.name == plan.holder.name and use.key in top and use.key is not None:
            faults[use.key] = f"is used by {use.user} ({use.how})"
    return faults


def pod_uses(client: ApiClient, namespace: str) -> Iterable[KeyUse]:
    """What Pods and workloads of a namespace use. Raises AccessDenied with the way out when they cannot be listed."""
    for (group, resource), _ in POD_SPECS.items():
        version = "v1"
        kind = Kind(group, version, _POD_KINDS[resource], resource, True)
        try:
            for body in client.list_pages(kind.path(namespace), accept=JSON):
                for item in decode_list(kind.path(namespace), body, decode_loose, (f"{kind.kind}List",)):
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
        try:
            for body in client.list_pages(kind.path(), accept=METADATA_LIST):
                for item in decode_list(kind.path(), body, decode_metadata):
                    metadata = item.metadata
                    live[kind] |= {f"{metadata.namespace or ''}/{metadata.name}", f"/{metadata.name}", metadata.uid or ""}
        except ApiFailed as error:
            # a kind that is not served (any more) has no objects that could have come back
            if error.status != HTTPStatus.NOT_FOUND:
                raise
    faults: dict[str, str] = {}
    for change in plan.changes:
        for kind, namespace, name in change.subjects:
            if f"{namespace}/{name}" in live[kind] or name in live[kind]:
                faults[str(change)] = f"has its subject back: {kind.kind} {namespace + '/' if namespace else ''}{name}"
    return faults
