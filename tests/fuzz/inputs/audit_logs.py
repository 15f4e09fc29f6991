"""Audit logs: lines of kube-apiserver, EventLists of webhooks, gzip."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from ghostkey.model.history import Covered
from ghostkey.sources.history.audit.log import AuditLog
from ghostkey.sources.history.facts import KeyedHash
from tests.fuzz.engine import no_bug


def event(number: int, verb: str, request: Any, data: dict[str, str], resource: str = "configmaps") -> dict[str, Any]:
    """One audit event, fields in the order of the API server."""
    return {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse", "auditID": f"{number:08}-0000-4000-8000-000000000000",
        "stage": "ResponseComplete", "requestURI": f"/api/v1/namespaces/a/{resource}/m?fieldManager=op", "verb": verb,
        "user": {"username": "op"}, "sourceIPs": ["10.0.0.1"], "userAgent": "op/1", "objectRef": {"resource": resource, "namespace": "a",
        "name": "m", "apiVersion": "v1"}, "responseStatus": {"metadata": {}, "code": 200}, "requestObject": request,
        "responseObject": {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "m", "namespace": "a", "uid": "u",
        "resourceVersion": str(number + 10)}, "data": data}, "requestReceivedTimestamp": f"2026-01-01T00:00:{number % 60:02}.000001Z",
        "stageTimestamp": f"2026-01-01T00:00:{number % 60:02}.000002Z",
    }  # fmt: skip


def seeds() -> list[bytes]:
    """A life of a map, as lines, packed, and as a list."""
    data = {f"shop-{n}": "x" * n for n in range(5)}
    events = [event(0, "create", {"data": data}, dict(data))]
    for number in range(1, 6):
        data[f"new-{number}"] = '{"a":{"b":1},"c":2,"d":3}'
        events.append(event(number, "patch", {"data": {f"new-{number}": data[f"new-{number}"]}}, dict(data)))
    events.append(event(7, "patch", [{"op": "remove", "path": "/data/shop-1"}], {"shop-2": "x"}))
    events.append(event(8, "update", {"data": {"a": "b"}}, {"a": "b"}))
    events.append(event(9, "delete", None, {}))
    events.append(event(9, "create", {"data": {"k": "eA=="}}, {"k": "eA=="}, "secrets"))
    lines = b"\n".join(json.dumps(found, separators=(",", ":")).encode() for found in events) + b"\n"
    listed = json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": events}).encode()
    return [lines, gzip.compress(lines), listed]


def read(raw: bytes, folder: Path) -> None:
    """All events of one log, with and without a field of another kind."""
    path = folder / "audit.log"
    path.write_bytes(raw)
    for fields in ((), (("configmaps", "data"),)):
        no_bug(found.why for found in AuditLog([path], KeyedHash(b"k"), fields).events() if isinstance(found, Covered))
