"""Lines of an audit log as kube-apiserver writes them, for histories that nobody has a server for."""

from __future__ import annotations

import base64
import datetime
import json
import uuid
from collections.abc import Mapping
from typing import Any

GROUP = "shop.example.org"
BEGIN = datetime.datetime(2026, 9, 1, tzinfo=datetime.UTC)


def at(second: float) -> str:
    """A time so many seconds after the beginning."""
    return (BEGIN + datetime.timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class LogWriter:
    """What the API server's state is, and the lines that its writes give; `level` is that of maps in a namespace."""

    def __init__(self) -> None:
        self.revision = 100
        self.maps: dict[tuple[str, str], dict[str, str]] = {}
        self.lives: dict[tuple[str, str], int] = {}  # how often each Widget was created
        self.secrets: set[tuple[str, str]] = set()  # the maps among them that are Secrets
        self.versions: dict[tuple[str, str], int] = {}  # the revision that each map was changed at last

    def line(
        self, second: float, verb: str, reference: dict[str, str], *, user: str = "op", code: int = 200,
        request: Any = None, response: Any = None, level: str = "RequestResponse", query: str = "", message: str = "",
    ) -> bytes:  # fmt: skip
        """One event of stage ResponseComplete."""
        place = f"/namespaces/{reference['namespace']}" if reference.get("namespace") else ""
        path = f"/api/v1{place}/{reference['resource']}/{reference.get('name', '')}{query}"
        event: dict[str, Any] = {
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": level, "auditID": str(uuid.uuid4()),
            "stage": "ResponseComplete", "requestURI": path, "verb": verb, "user": {"username": user},
            "sourceIPs": ["10.0.0.1"], "userAgent": f"{user}/v1", "objectRef": {**reference, "apiVersion": "v1"},
            "responseStatus": {"metadata": {}, "code": code, **({"message": message} if message else {})},
        }  # fmt: skip
        if level != "Metadata" and request is not None:
            event["requestObject"] = request
        if level == "RequestResponse" and response is not None:
            event["responseObject"] = response
        event["requestReceivedTimestamp"], event["stageTimestamp"] = at(second), at(second + 0.002)
        return json.dumps(event, separators=(",", ":")).encode() + b"\n"

    def patch(
        self, second: float, namespace: str, name: str, data: dict[str, str | None], *, user: str = "op",
        level: str = "RequestResponse", code: int = 200, body: Any = None,
    ) -> bytes:  # fmt: skip
        """A merge patch of a ConfigMap, which is made when it is not there; refused from 400 on."""
        state = self.maps.setdefault((namespace, name), {})
        before = dict(state)
        reference = {"resource": "configmaps", "namespace": namespace, "name": name}
        if code >= 400:
            return self.line(
                second, "patch", reference, user=user, code=code, level=level, message="no",
                request={"data": data} if body is None else body, response={"kind": "Status", "metadata": {}, "code": code},
            )  # fmt: skip
        for key, value in data.items():
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
        self.changed(namespace, name, is_other=state != before)
        return self.line(
            second, "patch", reference, user=user, level=level, request={"data": data} if body is None else body,
            response=self.shown(namespace, name),
        )  # fmt: skip

    def changed(self, namespace: str, name: str, *, is_other: bool = True) -> None:
        """Gives a map a new revision, if it is another than before."""
        self.revision += is_other
        if is_other or (namespace, name) not in self.versions:
            self.versions[namespace, name] = self.revision

    def shown(self, namespace: str, name: str) -> dict[str, Any]:
        """A ConfigMap or Secret as the API shows it."""
        version = str(self.versions[namespace, name])
        metadata = {"name": name, "namespace": namespace, "uid": f"uid-{namespace}-{name}", "resourceVersion": version}
        kind = "Secret" if (namespace, name) in self.secrets else "ConfigMap"
        data = self.written(namespace, name, self.maps[namespace, name])
        return {"kind": kind, "apiVersion": "v1", "metadata": metadata, "data": dict(sorted(data.items()))}

    def written(self, namespace: str, name: str, data: Mapping[str, str | None]) -> dict[str, str | None]:
        """Values as they are written into a map: a Secret's are base64."""
        if (namespace, name) not in self.secrets:
            return dict(data)
        return {key: value if value is None else base64.b64encode(value.encode()).decode() for key, value in data.items()}

    def subject(
        self, second: float, verb: str, namespace: str, name: str, *, user: str = "alice", level: str = "RequestResponse"
    ) -> bytes:
        """A Widget is created or deleted."""
        self.revision += 1
        life = self.lives[namespace, name] = self.lives.get((namespace, name), 0) + (verb == "create")
        uid = f"uid-{name}" + (f"-{life}" if life > 1 else "")  # none comes twice
        reference = {"resource": "widgets", "namespace": namespace, "name": name, "apiGroup": GROUP}
        metadata = {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": str(self.revision)}
        shown = {"apiVersion": f"{GROUP}/v1", "kind": "Widget", "metadata": metadata}
        gone = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": {"uid": metadata["uid"]}}
        return self.line(second, verb, reference, user=user, response=shown if verb == "create" else gone, level=level)
