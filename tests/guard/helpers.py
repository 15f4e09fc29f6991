"""Maps that are made, patched, and refused."""

from __future__ import annotations

import json
from typing import Any

from ghostkey.testing import ControlPlane

MERGE = "application/merge-patch+json"


def make(plane: ControlPlane, space: str, name: str, data: dict[str, str] | None, **more: Any) -> tuple[int, bytes]:
    body = {"metadata": {"name": name, **more.pop("metadata", {})}, **({"data": data} if data is not None else {}), **more}
    return plane.raw("POST", f"/api/v1/namespaces/{space}/configmaps", json.dumps(body).encode())[:2]


def patch(plane: ControlPlane, space: str, name: str, body: dict[str, Any], kind: str = "configmaps") -> tuple[int, bytes]:
    return plane.raw("PATCH", f"/api/v1/namespaces/{space}/{kind}/{name}", json.dumps(body).encode(), MERGE)[:2]


def in_force(plane: ControlPlane, space: str, name: str, body: dict[str, Any], code: int) -> bytes:
    """Waits until a dry run of a write gets this answer: a policy is in force a moment after it was written."""
    last: list[bytes] = []

    def is_so() -> bool:
        path = f"/api/v1/namespaces/{space}/configmaps/{name}?dryRun=All"
        found, answer = plane.raw("PATCH", path, json.dumps(body).encode(), MERGE)[:2]
        last[:] = [answer]
        return found == code

    plane.wait_until(is_so, f"a write of {name} answered with {code}")
    return last[0]


def keys(count: int, start: int = 0) -> dict[str, str]:
    return {f"k{number}": "v" for number in range(start, start + count)}
