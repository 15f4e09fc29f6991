"""What stands in files, as the API would have it: kinds without discovery, values that people write by hand."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import msgspec

from ghostkey.model.refs import CONFIG_MAPS, SECRETS, Kind

CLUSTER_SCOPED = {
    "Namespace", "Node", "PersistentVolume", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding",
    "StorageClass", "PriorityClass", "APIService", "IngressClass", "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration", "CSIDriver", "CSINode", "RuntimeClass", "VolumeAttachment", "FlowSchema",
    "PriorityLevelConfiguration", "CertificateSigningRequest",
}  # fmt: skip
_IRREGULAR = {"Endpoints": "endpoints", "NetworkPolicy": "networkpolicies", "Ingress": "ingresses"}


def kind_of_manifest(item: dict[str, Any], known: dict[tuple[str, str], Kind]) -> Kind:
    """The kind of a decoded object; raises ValueError when it is none. `known` keeps the kinds of one dump."""
    api_version, name = item.get("apiVersion"), item.get("kind")
    metadata = item.get("metadata")
    if not isinstance(api_version, str) or not isinstance(name, str) or not isinstance(metadata, dict):
        raise ValueError("no apiVersion, kind or metadata")
    if not isinstance(metadata.get("name"), str):
        raise ValueError(f"a {name} without a name")
    group, _, version = api_version.rpartition("/")
    found = known.get((group, name))
    namespaced = bool(metadata.get("namespace")) or (found.namespaced if found else name not in CLUSTER_SCOPED)
    if group == "" and name in ("ConfigMap", "Secret"):
        return CONFIG_MAPS if name == "ConfigMap" else SECRETS
    if found is None or found.namespaced != namespaced:
        if not metadata.get("namespace"):
            namespaced = False
        found = known[group, name] = Kind(group, version, name, plural(name), namespaced)
    return found


def digest(item: dict[str, Any]) -> str:
    """What tells objects without UIDs apart: their content."""
    try:
        return hashlib.blake2b(msgspec.json.encode(item), digest_size=12).hexdigest()
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError):
        return ""  # what cannot be written is taken for the same


def without_managed_fields(metadata: dict[str, Any]) -> dict[str, Any]:
    """Metadata that converts: managedFields are decoded here already, while the type wants their bytes."""
    return {key: value for key, value in metadata.items() if key != "managedFields"}


def plural(kind: str) -> str:
    """What the kind's resource is called, guessed as Kubernetes itself guesses."""
    if kind in _IRREGULAR:
        return _IRREGULAR[kind]
    word = kind.lower()
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "ch", "sh")) else "s")


def texts(data: Any) -> dict[str, str] | None:
    """`data` with every key and value as text: a hand-written manifest may have numbers, booleans and nulls there."""
    if data is None:
        return None
    if not isinstance(data, dict):
        raise ValueError(f"data is a {type(data).__name__}, not a map")
    return {str(key): _text(value) for key, value in data.items()}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)


def encoded(strings: Any) -> dict[str, str]:
    """A Secret's `stringData` as `data`."""
    pairs = texts(strings) or {}
    return {key: base64.b64encode(value.encode("utf-8", "surrogatepass")).decode() for key, value in pairs.items()}
