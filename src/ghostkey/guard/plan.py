"""What would change in the cluster for a guard: each object before and after."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ghostkey.foreign import decode_json
from ghostkey.guard import objects
from ghostkey.guard.caps import Cap
from ghostkey.kube.client import ApiClient
from ghostkey.model.counts import counted
from ghostkey.model.errors import ApiFailed, Refused, UsageError
from ghostkey.model.history import rfc3339_now

_RECEIPTS = 5  # that are named beside keys which are kept out
_OBJECTS = 3  # of a guard, beside the caps of namespaces: kind, policy, binding
# what narrows a policy or a binding where ghostkey says nothing, and what the API server puts there by itself
_WIDE: dict[str, Any] = {
    "matchResources": None, "excludeResourceRules": None, "namespaceSelector": {}, "objectSelector": {}, "resourceNames": None,
    "selector": None, "namespace": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeptOut:
    """Keys of a map that may not come back until a time, after the trim of a receipt."""

    map: str
    namespace: str
    keys: tuple[str, ...]
    until: str
    receipt: str


@dataclass(frozen=True, slots=True)
class Step:
    """One object: `path` of its collection, its name, what it is now (None: not there), and what it becomes (None: it goes)."""

    path: str
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @property
    def verb(self) -> str:
        """create, change or delete; keep where nothing changes."""
        if self.before is None:
            return "create" if self.after is not None else "keep"
        if self.after is None:
            return "delete"
        return "keep" if self.before.get("spec") == self.after.get("spec") else "change"

    def __str__(self) -> str:
        thing = self.after or self.before or {}
        namespace = thing.get("metadata", {}).get("namespace")
        return f"{self.verb} {thing.get('kind')} {self.name}" + (f" in {namespace}" if namespace else "")


def plan_guard(client: ApiClient, caps: Iterable[Cap], kept_out: Iterable[KeptOut], mode: str | None) -> list[Step]:
    """The steps to a guard with these caps beside those there are. `mode` None keeps the mode there is, and is audit for a new one.

    Raises AccessDenied or ApiFailed where the API server does not let it look; Refused where an object of that name is not ours.
    """

    def live(path: str, name: str) -> dict[str, Any] | None:
        return client.get_object(f"{path}/{name}")

    caps, kept_out = list(caps), list(kept_out)
    if mode or caps or kept_out:
        _check_served(client)
    defined = live(objects.CRD_PATH, objects.DEFINITION)
    present = live(objects.BINDING_PATH, objects.POLICY)
    steps = [
        _step(objects.CRD_PATH, objects.definition(), defined),
        _step(objects.POLICY_PATH, objects.policy(), live(objects.POLICY_PATH, objects.POLICY)),
    ]
    chosen = mode or (mode_of(present) if present else "audit")
    steps.append(_step(objects.BINDING_PATH, objects.binding(chosen), present))
    wanted: dict[str, tuple[list[Cap], list[KeptOut]]] = {}
    for cap in caps:
        wanted.setdefault(cap.namespace, ([], []))[0].append(cap)
    for kept in kept_out:
        wanted.setdefault(kept.namespace, ([], []))[1].append(kept)
    for namespace, (of_caps, of_kept) in sorted(wanted.items()):
        path = objects.caps_path(namespace)
        # of a kind that is not served yet there is nothing, and a path that is not there has no answer of the API server's own
        before = live(path, objects.NAME) if defined else None
        spec = _merged((before or {}).get("spec") or {}, of_caps, of_kept)
        steps.append(_step(path, objects.caps_object(namespace, spec), before))
    return [step for step in steps if step.verb != "keep"]


def plan_removal(client: ApiClient, namespaces: Iterable[str]) -> list[Step]:
    """The steps that take the guard away as a whole: binding first, so that nothing is refused by half a guard."""
    found = []
    for path, name in (
        (objects.BINDING_PATH, objects.POLICY),
        (objects.POLICY_PATH, objects.POLICY),
        *((objects.caps_path(namespace), objects.NAME) for namespace in namespaces),
        (objects.CRD_PATH, objects.DEFINITION),
    ):
        before = client.get_object(f"{path}/{name}")
        if before is not None:
            _check_ours(before)
            found.append(Step(path, name, before, None))
    return found


def shortfalls(client: ApiClient) -> list[str]:
    """Why the guard does not do what its mode says, a sentence for each object: it is gone, or is not any more what ghostkey wrote.

    Empty where there is no guard at all. Raises AccessDenied or ApiFailed as `plan_guard` does.
    """
    try:
        steps = plan_guard(client, (), (), None)
    except Refused as error:
        return [str(error)]
    if len(steps) == _OBJECTS and all(step.before is None for step in steps):
        return []
    said = {"create": "is not there", "change": "is not what this ghostkey writes"}
    return [f"{(step.after or {}).get('kind')} {step.name} {said[step.verb]}" for step in steps]


def all_caps(client: ApiClient) -> list[dict[str, Any]]:
    """The objects of the caps' kind in all namespaces; none where the kind is not served. Raises AccessDenied or ApiFailed else."""
    try:
        pages = list(client.list_pages(f"/apis/{objects.GROUP}/{objects.VERSION}/{objects.PLURAL}"))
    except ApiFailed as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return []
        raise
    return [item for page in pages for item in decode_json(page).get("items") or ()]


def mode_of(binding: Mapping[str, Any]) -> str:
    """audit, warn or deny."""
    actions = set(binding.get("spec", {}).get("validationActions") or [])
    return "deny" if "Deny" in actions else "warn" if "Warn" in actions else "audit"


def _check_served(client: ApiClient) -> None:
    """Raises Refused where the API server knows no such policies: of what is not served it says the same as of what is not there."""
    served = decode_json(client.get("/apis/admissionregistration.k8s.io/v1")).get("resources") or ()
    if not any(resource.get("name") == "validatingadmissionpolicies" for resource in served):
        raise Refused(
            "this API server has no ValidatingAdmissionPolicy in admissionregistration.k8s.io/v1",
            "a guard needs Kubernetes 1.30 or newer; nothing was changed",
        )


def _merged(spec: dict[str, Any], caps: list[Cap], kept_out: list[KeptOut]) -> dict[str, Any]:
    made = copy.deepcopy(spec)
    held, reasons = made.setdefault("caps", {}), made.setdefault("reasons", {})
    for cap in caps:
        held[cap.map], reasons[cap.map] = cap.cap, cap.reason
    out = made.setdefault("keepOut", {}) if kept_out else {}
    for name in dict.fromkeys(kept.map for kept in kept_out):
        out[name] = _kept_out(name, out.get(name), [kept for kept in kept_out if kept.map == name])
    if len(held) > objects.CAPS:
        raise UsageError(f"{len(held):,} maps of one namespace would have a cap; {objects.CAPS:,} is the most", "name fewer maps")
    return made


def _kept_out(name: str, before: dict[str, Any] | None, wanted: list[KeptOut]) -> dict[str, Any]:
    """The keys of a map that are kept out: those of these receipts, and those there are of others whose time is not over yet.

    A map has one time for all of its keys, the latest.
    """
    keys = [key for kept in wanted for key in kept.keys]
    receipts, until = [kept.receipt for kept in wanted], max(kept.until for kept in wanted)
    others = [one for one in str((before or {}).get("receipt", "")).split(",") if one not in receipts]
    if before and others and before["until"] > rfc3339_now():
        keys, receipts, until = [*before["keys"], *keys], [*filter(None, others), *receipts], max(before["until"], until)
    keys = list(dict.fromkeys(keys))
    if len(keys) > objects.KEPT_OUT:
        raise UsageError(
            f"{counted(len(keys), 'key')} of {name} cannot be kept out: a guard looks for {objects.KEPT_OUT} at most",
            "the cap alone keeps it from growing: leave out --keep-out",
        )
    return {"keys": keys, "until": until, "receipt": ",".join(receipts[-_RECEIPTS:])}


def _step(path: str, wanted: dict[str, Any], before: dict[str, Any] | None) -> Step:
    """From what there is to what is wanted; labels and annotations of others stay."""
    name = wanted["metadata"]["name"]
    if before is None:
        return Step(path, name, None, wanted)
    _check_ours(before)
    after = copy.deepcopy(before)
    after["spec"] = overlaid(before["spec"], wanted["spec"])
    return Step(path, name, before, after)


def overlaid(before: Any, wanted: Any) -> Any:
    """What is wanted, with the defaults that the API server has put in beside it; not with what makes a policy see less."""
    if isinstance(before, dict) and isinstance(wanted, dict):
        is_map = "caps" in wanted or "keepOut" in wanted
        defaults = (
            {} if is_map else {key: value for key, value in before.items() if key not in wanted and not _narrows(key, value)}
        )
        return defaults | {key: overlaid(before.get(key), value) for key, value in wanted.items()} if not is_map else wanted
    if isinstance(before, list) and isinstance(wanted, list) and len(before) == len(wanted):
        return [overlaid(old, new) for old, new in zip(before, wanted, strict=True)]
    return wanted


def _narrows(key: str, value: Any) -> bool:
    """Whether somebody has written it for a policy or a binding to leave something out."""
    return key in _WIDE and value != _WIDE[key]


def _check_ours(found: Mapping[str, Any]) -> None:
    if found["metadata"].get("labels", {}).get("app.kubernetes.io/part-of") != "ghostkey-guard":
        raise Refused(
            f"{found.get('kind')} {found['metadata']['name']} is there already, and is not ghostkey's",
            "rename it, or give it the label app.kubernetes.io/part-of=ghostkey-guard if it is",
        )
