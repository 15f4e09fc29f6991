"""Which keys Pods use, as the API defines it: env, envFrom, volumes, items, projected, and the Secrets of other fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ghostkey.model.events import KeyUse
from ghostkey.model.refs import Kind

# where each kind keeps its Pod spec; Source: k8s.io/api v0.37 core/v1, apps/v1, batch/v1
POD_SPECS: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "pods"): (),
    ("", "replicationcontrollers"): ("template", "spec"),
    ("apps", "deployments"): ("template", "spec"),
    ("apps", "replicasets"): ("template", "spec"),
    ("apps", "statefulsets"): ("template", "spec"),
    ("apps", "daemonsets"): ("template", "spec"),
    ("batch", "jobs"): ("template", "spec"),
    ("batch", "cronjobs"): ("jobTemplate", "spec", "template", "spec"),
}


def has_pod_spec(kind: Kind) -> bool:
    """Whether objects of this kind are Pods or make them."""
    return (kind.group, kind.resource) in POD_SPECS


def key_uses(kind: Kind, namespace: str, name: str, spec: Any) -> Iterator[KeyUse]:
    """What one Pod or workload uses; `spec` is the object's decoded spec."""
    for step in POD_SPECS[kind.group, kind.resource]:
        spec = spec.get(step) if isinstance(spec, dict) else None
    if not isinstance(spec, dict):
        return
    user = f"{kind.kind} {namespace}/{name}"

    def use(holder_kind: str, holder: Any, key: Any, how: str) -> KeyUse:
        return KeyUse(user, holder_kind, namespace, str(holder or ""), None if key is None else str(key), how)

    for list_name in ("containers", "initContainers", "ephemeralContainers"):
        for container in _list(spec.get(list_name)):
            where = str(container.get("name"))
            for variable in _list(container.get("env")):
                source = _dict(variable.get("valueFrom"))
                if ref := _dict(source.get("configMapKeyRef")):
                    yield use("ConfigMap", ref.get("name"), ref.get("key"), f"env {variable.get('name')} of {where}")
                if ref := _dict(source.get("secretKeyRef")):
                    yield use("Secret", ref.get("name"), ref.get("key"), f"env {variable.get('name')} of {where}")
            for origin in _list(container.get("envFrom")):
                if ref := _dict(origin.get("configMapRef")):
                    yield use("ConfigMap", ref.get("name"), None, f"envFrom of {where}")
                if ref := _dict(origin.get("secretRef")):
                    yield use("Secret", ref.get("name"), None, f"envFrom of {where}")
    for volume in _list(spec.get("volumes")):
        how = f"volume {volume.get('name')}"
        if source := _dict(volume.get("configMap")):
            yield from _items(use, "ConfigMap", source.get("name"), source, how)
        if source := _dict(volume.get("secret")):
            yield from _items(use, "Secret", source.get("secretName"), source, how)
        for source in _list(_dict(volume.get("projected")).get("sources")):
            if part := _dict(source.get("configMap")):
                yield from _items(use, "ConfigMap", part.get("name"), part, f"projected {how}")
            if part := _dict(source.get("secret")):
                yield from _items(use, "Secret", part.get("name"), part, f"projected {how}")
        for driver, field in _SECRET_OF_VOLUME.items():
            if options := _dict(volume.get(driver)):
                reference = options.get(field)
                holder = reference.get("name") if isinstance(reference, dict) else reference
                if holder:
                    yield use("Secret", holder, None, f"{driver} {how}")
    for ref in _list(spec.get("imagePullSecrets")):
        yield use("Secret", ref.get("name"), None, "imagePullSecrets")


_SECRET_OF_VOLUME = {
    "csi": "nodePublishSecretRef",
    "azureFile": "secretName",
    "cephfs": "secretRef",
    "cinder": "secretRef",
    "flexVolume": "secretRef",
    "iscsi": "secretRef",
    "rbd": "secretRef",
    "scaleIO": "secretRef",
    "storageos": "secretRef",
}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _items(use: Any, holder_kind: str, holder: Any, source: dict[str, Any], how: str) -> Iterator[KeyUse]:
    if items := _list(source.get("items")):
        for item in items:
            yield use(holder_kind, holder, item.get("key"), f"items of {how}")
    else:
        yield use(holder_kind, holder, None, how)
