"""After an undo the keys are owned as before, as the API server tells it in managedFields; else it is said who owns them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ghostkey.testing import ControlPlane
from ghostkey.testing.relay import Instead, Relay
from tests.helpers import Program, make_map, read_data

APPLY = "application/apply-patch+yaml"


def owners(control_plane: ControlPlane, namespace: str, key: str, kind: str = "configmaps") -> set[tuple[str, str]]:
    found = control_plane.request("GET", f"/api/v1/namespaces/{namespace}/{kind}/registry")
    return {
        (entry["manager"], entry["operation"])
        for entry in found["metadata"]["managedFields"]
        if f"f:{key}" in entry["fieldsV1"].get("f:data", {})
    }


def apply(control_plane: ControlPlane, namespace: str, manager: str, data: dict[str, str]) -> tuple[int, dict[str, Any]]:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "registry"}, "data": data}
    path = f"/api/v1/namespaces/{namespace}/configmaps/registry?fieldManager={manager}"
    status, answer = control_plane.raw("PATCH", path, json.dumps(body).encode(), APPLY)
    return status, json.loads(answer)


def update(control_plane: ControlPlane, namespace: str, manager: str, data: dict[str, str], kind: str = "configmaps") -> None:
    path = f"/api/v1/namespaces/{namespace}/{kind}/registry?fieldManager={manager}"
    control_plane.request("PATCH", path, {"data": data}, "application/merge-patch+json")


def there_and_back(program: Program, namespace: str, kind: str = "cm", key: str = "old") -> str:
    done = program("trim", f"{kind}/registry", "-n", namespace, "--key", key, "--apply")
    assert done.code == 0, done.err
    undone = program("undo")
    assert undone.code == 0, undone.err
    return undone.err


def test_key_of_an_operator_is_its_own_again(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "registry", {"keep": "1"})
    update(control_plane, namespace, "tenant-operator", {"old": "2", "other": "3"})
    there_and_back(program, namespace)
    assert owners(control_plane, namespace, "old") == {("tenant-operator", "Update")}
    assert owners(control_plane, namespace, "other") == {("tenant-operator", "Update")}


def test_operator_whose_only_key_it_was_owns_it_again(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "registry", {"keep": "1"})
    update(control_plane, namespace, "tenant-operator", {"old": "2"})
    there_and_back(program, namespace)
    assert owners(control_plane, namespace, "old") == {("tenant-operator", "Update")}
    assert read_data(control_plane, namespace, "registry") == {"keep": "1", "old": "2"}


def test_applied_key_goes_when_its_manifest_lets_go_of_it(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    """What ownership is for: were the key ghostkey's, the next apply would leave it behind, a ghost of our own making."""
    assert apply(control_plane, namespace, "gitops", {"keep": "1", "old": "2"})[0] in {200, 201}
    there_and_back(program, namespace)
    assert owners(control_plane, namespace, "old") == {("gitops", "Apply")}
    status, answer = apply(control_plane, namespace, "gitops", {"keep": "1", "old": "3"})
    assert status == 200, answer
    assert apply(control_plane, namespace, "gitops", {"keep": "1"})[0] == 200
    assert read_data(control_plane, namespace, "registry") == {"keep": "1"}


def test_key_with_two_owners_has_both_again(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    assert apply(control_plane, namespace, "one", {"keep": "1", "old": "2"})[0] in {200, 201}
    assert apply(control_plane, namespace, "two", {"old": "2"})[0] == 200
    there_and_back(program, namespace)
    assert owners(control_plane, namespace, "old") == {("one", "Apply"), ("two", "Apply")}


def test_key_of_a_secret_is_its_owners_again(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_map(control_plane, namespace, "registry", {"keep": "MQ=="}, "secrets")
    update(control_plane, namespace, "tenant-operator", {"old": "Mg=="}, "secrets")
    there_and_back(program, namespace, "secret")
    assert owners(control_plane, namespace, "old", "secrets") == {("tenant-operator", "Update")}


def test_document_that_lost_an_entry_stays_its_owners(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    document = '{"a": 1, "b": 2}'
    assert apply(control_plane, namespace, "gitops", {"doc": document})[0] in {200, 201}
    assert program("trim", "cm/registry", "-n", namespace, "--key", "doc/b", "--apply").code == 0
    assert owners(control_plane, namespace, "doc") == {("gitops", "Apply")}
    assert program("undo").code == 0
    assert owners(control_plane, namespace, "doc") == {("gitops", "Apply")}
    assert read_data(control_plane, namespace, "registry") == {"doc": document}


@pytest.mark.parametrize("status", [403, 500])
def test_ownership_that_cannot_be_given_back_is_said(
    control_plane: ControlPlane, namespace: str, program: Program, status: int
) -> None:
    assert apply(control_plane, namespace, "gitops", {"keep": "1", "old": "2"})[0] in {200, 201}
    assert program("trim", "cm/registry", "-n", namespace, "--key", "old", "--apply").code == 0
    (receipt,) = program.state.glob("receipts/*.receipt")
    # a proxy that lets no managedFields through
    said = json.dumps({"kind": "Status", "status": "Failure", "message": "managedFields are not yours", "code": status})
    refusal = Instead(status, said.encode(), "application/json", forwarded=False)
    with Relay(control_plane) as relay:
        relay.spoil(refusal, when=lambda request: b"managedFields" in request.body)
        done = program.as_user(relay.kubeconfig)("undo", receipt.stem)
    assert done.code == 0, done.err
    assert "1 key is now owned by ghostkey instead of gitops (Apply)" in done.err
    assert "managedFields are not yours" in done.err
    assert "--force-conflicts" in done.err
    assert owners(control_plane, namespace, "old") == {("ghostkey", "Update")}
