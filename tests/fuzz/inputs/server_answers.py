"""Answers of a server: discovery, lists, single objects, watch events, errors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ghostkey.kube import answers, objects
from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import ClientConfig
from ghostkey.kube.credentials import Credentials
from ghostkey.kube.discovery import discover
from ghostkey.model.errors import GhostkeyError
from ghostkey.model.history import Covered
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, Kind
from ghostkey.sources.history.facts import KeyedHash
from ghostkey.sources.history.recorder import Recorder
from ghostkey.sources.live_cluster import LiveCluster, Scope
from tests.fuzz.engine import no_bug

TENANTS = Kind("x.dev", "v1", "Tenant", "tenants", True)
ITEM = {"metadata": {"name": "m", "namespace": "a", "uid": "u", "resourceVersion": "7", "managedFields": [{"manager": "x", "time": "t"}]},
        "data": {"shop-1": '{"a":1}'}}  # fmt: skip


class OneAnswer(ApiClient):
    """A client to which a server says the same to everything."""

    def __init__(self, body: bytes) -> None:
        super().__init__(ClientConfig("http://127.0.0.1:1", "a", "fuzz"))
        self.body = body

    def get(self, path: str, params: Mapping[str, str] | None = None, accept: str = "") -> bytes:
        return self.body

    def watch(self, path: str, params: Mapping[str, str], seconds: float) -> Iterator[dict[str, Any]]:
        yield answers.decode_event(path, self.body)


def seeds() -> list[bytes]:
    """One of each."""

    def listed(kind: str) -> dict[str, Any]:
        return {
            "kind": f"{kind}List",
            "apiVersion": "v1",
            "metadata": {"resourceVersion": "9"},
            "items": [ITEM, {**ITEM, "binaryData": {"b": "eA=="}}],
        }

    pod = {**ITEM, "spec": {"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "m"}}]}]}}
    groups = {"kind": "APIGroupDiscoveryList", "items": [{"metadata": {"name": "x.dev"}, "versions": [{"version": "v1", "resources": [
        {"resource": "tenants", "responseKind": {"kind": "Tenant"}, "scope": "Namespaced", "verbs": ["list"], "shortNames": ["t"]}]}]}]}  # fmt: skip
    found = [
        listed("ConfigMap"), listed("Secret"), listed("PartialObjectMetadata"), {**listed("Pod"), "items": [pod]}, groups,
        {"kind": "APIGroupList", "groups": [{"name": "x.dev", "preferredVersion": {"version": "v1"}}]},
        {"kind": "ConfigMap", "apiVersion": "v1", **ITEM}, {"type": "ADDED", "object": {"kind": "ConfigMap", **ITEM}},
        {"type": "DELETED", "object": {"kind": "Tenant", **ITEM}}, {"kind": "Status", "status": "Failure", "message": "no", "code": 403},
    ]  # fmt: skip
    return [json.dumps(one).encode() for one in found] + [b"<html><title>Log in</title></html>", b"", b"null", b"[]", b"{}"]


def read(raw: bytes, folder: Path) -> None:
    """Each reader of answers in turn."""
    client = OneAnswer(raw)
    source = LiveCluster(client, Scope(namespace="a"))
    for kind in (CONFIG_MAPS, SECRETS):
        _try(lambda kind=kind: no_bug(getattr(event, "why", "") for event in source._holders(kind, _reader(), set())))
        _try(lambda kind=kind: answers.decode_list("/x", raw, objects.decode_maps, (f"{kind.kind}List",)))
    for resource, kind in (("pods", "Pod"), ("tenants", "Tenant")):
        no_bug(getattr(event, "why", "") for event in source.read_subjects(Kind("", "v1", kind, resource, True)))
    _try(lambda: list(source.reread([])))
    _try(lambda: discover(client))
    _try(lambda: client.get_object("/api/v1/namespaces/a/configmaps/m"))
    client._failures.of_answer("GET", "/x", 500, raw, Credentials())
    recorder = Recorder(client, [CONFIG_MAPS, TENANTS], KeyedHash(b"k"), [("tenants", "data")])
    for kind in (CONFIG_MAPS, TENANTS):
        _try(lambda kind=kind: recorder._list(kind, None))
        _try(
            lambda kind=kind: [
                recorder._queue.put((e["type"], kind, e["object"], 1))
                for e in client.watch("/x", {}, 1)
                if e["type"] not in {"ERROR", "BOOKMARK"}
            ]
        )
    no_bug(event.why for event in recorder._drain(0) if isinstance(event, Covered))


def _reader() -> Any:
    from ghostkey.sources._maps import MapReader

    return MapReader(keep_writers=True)


def _try(ask: Any) -> None:
    try:
        ask()
    except GhostkeyError:
        pass
    except msgspec.ValidationError:
        pass  # an item is not as the API defines it: `_maps` takes the page apart then
