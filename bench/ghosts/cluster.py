"""A generated cluster: its objects as manifests, and what is true of its keys."""

from __future__ import annotations

import base64
import dataclasses
import random
import uuid
from typing import Any

Truth = tuple[str, str, tuple[str, ...], str]
"""Namespace and name of a map, path into a document, key."""


@dataclasses.dataclass
class Cluster:
    """One generated cluster: its objects as manifests, its ghosts, and the maps that must never be flagged."""

    seed: int
    objects: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    ghosts: set[Truth] = dataclasses.field(default_factory=set)
    undecidable: set[Truth] = dataclasses.field(default_factory=set)
    legitimate: set[tuple[str, str]] = dataclasses.field(default_factory=set)
    notes: list[str] = dataclasses.field(default_factory=list)
    live: set[tuple[str, str]] = dataclasses.field(default_factory=set)
    services: set[tuple[str, str]] = dataclasses.field(default_factory=set)
    kinds: set[str] = dataclasses.field(default_factory=set)
    registries: set[tuple[str, str]] = dataclasses.field(default_factory=set)
    built_in: set[tuple[str, str]] = dataclasses.field(default_factory=set)  # registries of Nodes, Services and the like
    by_name: dict[Truth, str] = dataclasses.field(default_factory=dict)  # ghosts of which the key has the name alone
    keys: int = 0


@dataclasses.dataclass(frozen=True)
class Life:
    """One subject, alive or gone."""

    namespace: str
    name: str
    uid: str


def define(cluster: Cluster, kind: str, group: str, namespaced: bool) -> None:
    """At least one object of the kind, so that the dump covers it."""
    if not any(o["kind"] == kind for o in cluster.objects):
        add(cluster, kind, group, "default" if namespaced else "", "keeper")


def add(cluster: Cluster, kind: str, group: str, namespace: str, name: str, uid: str = "") -> None:
    if kind == "Service" and (namespace, name) in cluster.services:
        return
    if kind == "Service":
        cluster.services.add((namespace, name))
    cluster.live.add((namespace, name))
    metadata = {"name": name, "uid": uid or str(uuid.uuid5(uuid.NAMESPACE_OID, f"{cluster.seed}/{kind}/{namespace}/{name}"))}
    if namespace:
        metadata["namespace"] = namespace
    cluster.objects.append({"apiVersion": f"{group}/v1" if group else "v1", "kind": kind, "metadata": metadata})


def add_map(
    cluster: Cluster,
    namespace: str,
    name: str,
    data: dict[str, str],
    more: dict[str, Any] | None = None,
    *,
    legitimate: bool = False,
) -> None:
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "uid": _stable_uid(cluster.seed, namespace, name)}
    metadata |= more or {}
    cluster.objects.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    if legitimate:
        cluster.legitimate.add((namespace, name))


def _stable_uid(*parts: object) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(map(str, parts))))


def random_uid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def pem(rng: random.Random) -> str:
    body = base64.b64encode(rng.randbytes(96)).decode()
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
