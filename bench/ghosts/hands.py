"""Whose hands are on a map: managers of its keys, Pods that take it as a whole, custom resources that name it."""

from __future__ import annotations

import random
import zlib
from typing import Any

SHOWN = 0.35  # of clusters: most dumps leave managedFields out
CONTROLLERS = ["manager", "tenant-operator", "Go-http-client", "python-requests", "okhttp", "site-controller", "operator"]
TOOLS = [
    "kubectl-client-side-apply", "kubectl-create", "kubectl-edit", "kubectl", "helm", "argocd-controller", "kustomize-controller",
    "Terraform", "k9s",
]  # fmt: skip
# how often each happens to a program's registry, and to what somebody keeps
BY_TOOL, MOUNTED, NAMED, BOTH = (0.06, 0.75), (0.05, 0.3), (0.05, 0.1), (0.1, 0.05)


def hands(rng: random.Random, objects: list[dict[str, Any]], registries: set[tuple[str, str]]) -> None:
    """Adds managedFields, mounts and references to the maps among these objects."""
    is_shown = rng.random() < SHOWN
    workloads: dict[str, list[dict[str, Any]]] = {}
    customs = [found for found in objects if "." in found["apiVersion"].partition("/")[0]]
    for found in objects:
        if found["kind"] == "Deployment":
            workloads.setdefault(found["metadata"]["namespace"], []).append(found)
    for found in [found for found in objects if found["kind"] == "ConfigMap"]:
        metadata = found["metadata"]
        spot = (metadata["namespace"], metadata["name"])
        row = 0 if spot in registries else 1
        if is_shown:
            metadata["managedFields"] = _managers(rng, found.get("data") or {}, row)
        if rng.random() < MOUNTED[row]:
            homes = workloads.setdefault(spot[0], [])
            if not homes:
                homes.append(_runner(spot[0]))
                objects.append(homes[0])
            spec = rng.choice(homes).setdefault("spec", {}).setdefault("template", {}).setdefault("spec", {})
            spec.setdefault("volumes", []).append({"name": spot[1], "configMap": {"name": spot[1]}})
        if customs and rng.random() < NAMED[row]:
            rng.choice(customs).setdefault("spec", {}).setdefault("from", []).append({"configMapRef": {"name": spot[1]}})


def _managers(rng: random.Random, data: dict[str, str], row: int) -> list[dict[str, Any]]:
    names = [rng.choice(TOOLS if rng.random() < BY_TOOL[row] else CONTROLLERS)]
    if rng.random() < BOTH[row]:
        names.append(rng.choice(CONTROLLERS if names[0] in TOOLS else TOOLS))
    return [
        {
            "apiVersion": "v1", "fieldsType": "FieldsV1", "manager": name, "operation": "Update", "time": "2026-01-01T00:00:00Z",
            "fieldsV1": {"f:data": {".": {}, **{f"f:{key}": {} for key in list(data)[number :: len(names)]}}},
        }
        for number, name in enumerate(names)
    ]  # fmt: skip


def _runner(namespace: str) -> dict[str, Any]:
    metadata = {
        "name": "agent-runner",
        "namespace": namespace,
        "uid": f"00000000-0000-4000-8000-{zlib.crc32(namespace.encode()):012d}",
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
