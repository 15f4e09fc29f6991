"""Who of several watchers tells: the holder of a Lease, which also keeps what has been told.

Both are in one object and written under its resourceVersion, so a watcher that has lost the Lease cannot note anything as told.
Source: k8s.io/client-go v0.37 tools/leaderelection: a Lease is over when its holder was not seen to renew it for its duration,
by one's own clock.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import msgspec

from ghostkey.kube.client import ApiClient
from ghostkey.model.errors import ApiFailed, GhostkeyError
from ghostkey.model.history import rfc3339_now

DURATION_SECONDS, RENEW_SECONDS = 15, 5.0
ANNOTATION = "ghostkey.dev/told"
GROUP = "coordination.k8s.io"


class Lease:
    """One Lease, seen by one watcher."""

    def __init__(self, client: ApiClient, namespace: str, name: str, identity: str, duration: int = DURATION_SECONDS) -> None:
        self._client, self.namespace, self.name, self.identity = client, namespace, name, identity
        self._duration = duration
        self._path = f"/apis/{GROUP}/v1/namespaces/{namespace}/leases"
        self._held_at = 0.0
        self._seen: tuple[str, float] = ("", 0.0)  # the version that another had it at, and since when it is that
        self._live: dict[str, Any] = {}
        self._is_over = False
        self._lock = threading.Lock()

    @property
    def is_leader(self) -> bool:
        """Whether this watcher tells; it stops well before another could begin."""
        return bool(self._held_at) and time.monotonic() < self._held_at + self._duration * 2 / 3

    @property
    def told(self) -> str:
        """What the holder before had noted as told, or this one has."""
        with self._lock:
            return str((self._live.get("metadata", {}).get("annotations") or {}).get(ANNOTATION) or "")

    def renew(self) -> bool:
        """Takes or keeps the Lease, when it is free or one's own; whether it is. Raises GhostkeyError when nobody can say."""
        with self._lock:
            if self._is_over:
                return False
            began = time.monotonic()
            live = self._client.get_object(f"{self._path}/{self.name}")
            if live is not None and not self._may_take(live, began):
                self._held_at = 0.0
                self._live = live
                return False
            return self._write(live, self.identity, None, began)

    def note(self, told: str) -> bool:
        """Keeps what has been told; False when another holds the Lease by now. Raises GhostkeyError when nobody can say."""
        with self._lock:
            return bool(self._held_at) and self._write(self._live, self.identity, told, time.monotonic())

    def release(self) -> None:
        """Lets go of it, so that another need not wait. Raises nothing."""
        with self._lock:
            self._is_over = True
            if self._held_at:
                with contextlib.suppress(GhostkeyError):
                    self._write(self._live, "", None, time.monotonic())
                self._held_at = 0.0

    def _may_take(self, live: dict[str, Any], now: float) -> bool:
        spec = live.get("spec") if isinstance(live.get("spec"), dict) else {}
        holder = (spec or {}).get("holderIdentity") or ""
        if holder in ("", self.identity):
            return True
        version = str(live["metadata"].get("resourceVersion"))
        if self._seen[0] != version:
            self._seen = version, now
        return now - self._seen[1] > self._duration

    def _write(self, live: dict[str, Any] | None, holder: str, told: str | None, began: float) -> bool:
        now = rfc3339_now(is_exact=True)
        spec = dict((live or {}).get("spec") or {})
        if spec.get("holderIdentity") != holder:
            spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + (live is not None)
            spec["acquireTime"] = now
        spec |= {"holderIdentity": holder, "leaseDurationSeconds": self._duration, "renewTime": now}
        metadata: dict[str, Any] = {"name": self.name, "namespace": self.namespace}
        if live is not None:
            metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
        if told is not None:
            metadata["annotations"] = {**(metadata.get("annotations") or {}), ANNOTATION: told}
        body = {"apiVersion": f"{GROUP}/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        path = self._path if live is None else f"{self._path}/{self.name}"
        try:
            self._live = self._client.write("POST" if live is None else "PUT", path, msgspec.json.encode(body))
        except ApiFailed as error:
            if error.status == 409:
                self._held_at = 0.0
                return False
            raise
        self._held_at = began
        return True
