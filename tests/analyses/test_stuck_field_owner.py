"""A map that really was moved from client-side to server-side apply, with kubectl."""

from __future__ import annotations

import yaml

from ghostkey.testing import ControlPlane
from tests.helpers import Program, found


def manifest(namespace: str, **data: str) -> str:
    metadata = {"name": "settings", "namespace": namespace}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def test_key_of_the_old_manager_is_stuck(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    """kubernetes#99003: the key leaves the manifest, another tool applies, and kubectl's old entry owns it for ever."""
    control_plane.kubectl("apply", "-f", "-", stdin=manifest(namespace, old="1", kept="1"))
    path = f"/api/v1/namespaces/{namespace}/configmaps/settings"
    # kubectl itself moves its ownership by now; most tools that apply do not
    body = yaml.safe_load(manifest(namespace, kept="2"))
    control_plane.request("PATCH", f"{path}?fieldManager=gitops&force=true", body, "application/apply-patch+yaml")
    assert control_plane.request("GET", path)["data"] == {"old": "1", "kept": "2"}
    report = program.scan("-n", namespace, "--only", "stuck-field-owner")
    assert found(report) == {("stuck-field-owner", namespace, "settings", "old")}


def test_map_of_one_manager_has_nothing_stuck(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    control_plane.kubectl("apply", "--server-side", "-f", "-", stdin=manifest(namespace, old="1", kept="1"))
    control_plane.kubectl("apply", "--server-side", "-f", "-", stdin=manifest(namespace, kept="1"))
    assert program.scan("-n", namespace, "--only", "stuck-field-owner")["findings"] == []
