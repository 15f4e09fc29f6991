"""A map that really was moved from client-side to server-side apply, with kubectl."""

from __future__ import annotations

import time

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


def write(control_plane: ControlPlane, namespace: str, manager: str, operation: str, data: dict[str, str], name: str) -> None:
    """One write as a tool sends it: server-side apply by force, or an update of what is there."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}
    if operation == "Apply":
        control_plane.request("PATCH", f"{path}/{name}?fieldManager={manager}&force=true", body, "application/apply-patch+yaml")
    elif control_plane.raw("GET", f"{path}/{name}")[0] == 200:
        merge = {"data": data}
        control_plane.request("PATCH", f"{path}/{name}?fieldManager={manager}", merge, "application/merge-patch+json")
    else:
        control_plane.request("POST", f"{path}?fieldManager={manager}", body)


Step = tuple[str, str, dict[str, str]]
OLD = {"old": "1", "kept": "1"}
MOVES: dict[str, tuple[Step, ...]] = {
    "helm-to-flux": (("helm", "Update", OLD), ("kustomize-controller", "Apply", {"kept": "1"})),
    "helm-to-argo": (("helm", "Update", OLD), ("argocd-controller", "Apply", {"kept": "2"})),
    "helm-4-to-flux": (("helm", "Apply", OLD), ("kustomize-controller", "Apply", {"kept": "2"})),
    "create-to-flux": (("kubectl-create", "Update", OLD), ("kustomize-controller", "Apply", {"kept": "2"})),
    "create-to-kubectl": (("kubectl-create", "Update", OLD), ("kubectl", "Apply", {"kept": "1"})),
    "terraform-to-argo": (("HashiCorp", "Update", OLD), ("argocd-controller", "Apply", {"kept": "1"})),
    "terraform-to-terraform": (("HashiCorp", "Update", OLD), ("Terraform", "Apply", {"kept": "1"})),
    "ansible-to-flux": (("OpenAPI-Generator", "Update", OLD), ("kustomize-controller", "Apply", {"kept": "1"})),
    "two-appliers": (("kubectl", "Apply", OLD), ("pulumi-kubernetes-1a2b", "Apply", {"kept": "1"})),
    "argo-to-flux": (("argocd-controller", "Apply", OLD), ("kustomize-controller", "Apply", {"kept": "1"})),
}
SHARED: dict[str, tuple[Step, ...]] = {
    # an operator that adds its own keys to what a chart or a person has made
    "helm-and-operator": (("helm", "Update", {"log": "info"}), ("tenant-operator", "Apply", {"acme": "{}"})),
    "operator-and-flux": (("tenant-operator", "Update", {"acme": "{}"}), ("kustomize-controller", "Apply", {"log": "info"})),
    "create-and-operator": (("kubectl-create", "Update", {"log": "info"}), ("tenant-operator", "Apply", {"acme": "{}"})),
    "two-teams": (("kubectl", "Apply", {"a": "1"}), ("team-b", "Apply", {"b": "1"})),
    "terraform-data": (("kubectl", "Apply", {"a": "1"}), ("Terraform", "Apply", {"b": "1"})),
    "old-one-still-writes": (("kustomize-controller", "Apply", {"kept": "1"}), ("kubectl-edit", "Update", {"added": "1"})),
    "two-operators": (("operator-a", "Apply", OLD), ("operator-b", "Apply", {"kept": "1"})),
    "one-applier": (("kustomize-controller", "Apply", OLD), ("kustomize-controller", "Apply", {"kept": "1"})),
}


def next_second(control_plane: ControlPlane) -> None:
    """Waits until times of managedFields, which are seconds, are others."""
    now = int(time.time())
    control_plane.wait_until(lambda: int(time.time()) > now, "the next second has begun")


def test_moves_between_tools_are_known_and_shared_maps_are_left_alone(
    control_plane: ControlPlane, namespace: str, program: Program
) -> None:
    for name, steps in {**MOVES, **SHARED}.items():
        for number, (manager, operation, data) in enumerate(steps):
            if name == "old-one-still-writes" and number:
                next_second(control_plane)
            write(control_plane, namespace, manager, operation, data, name)
    report = program.scan("-n", namespace, "--only", "stuck-field-owner")
    assert found(report) == {("stuck-field-owner", namespace, name, "old") for name in MOVES}
    assert all("no apply of" in finding["evidence"][2] for finding in report["findings"])


def test_kubectl_that_still_applies_beside_an_operator_has_nothing_stuck(
    control_plane: ControlPlane, namespace: str, program: Program
) -> None:
    control_plane.kubectl("apply", "-f", "-", stdin=manifest(namespace, log="info"))
    write(control_plane, namespace, "tenant-operator", "Apply", {"acme": "{}"}, "settings")
    assert program.scan("-n", namespace, "--only", "stuck-field-owner")["findings"] == []
