"""Who owns the keys of a map, as managedFields tell."""

from __future__ import annotations

import json

import pytest

from ghostkey.kube.fields import data_writers
from ghostkey.testing import ControlPlane
from tests.helpers import make_map, merge

ENTRY = {"manager": "tenant-operator", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:data": {"f:a": {}}}}
LABELS = {"manager": "kubectl-label", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {"f:data": {}}}}}


@pytest.mark.parametrize("is_sorted", [False, True], ids=["as the API server writes it", "as kubectl writes it"])
@pytest.mark.parametrize(
    ("entries", "writers"),
    [
        ([ENTRY], ("tenant-operator",)),
        ([ENTRY, {**ENTRY, "manager": "kubectl-edit"}], ("kubectl-edit", "tenant-operator")),
        ([{**ENTRY, "fieldsV1": {"f:binaryData": {"f:a": {}}}}], ("tenant-operator",)),
        ([{**LABELS, "fieldsV1": {"f:metadata": {"f:labels": {}}}}], ()),
        ([], ()),
    ],
)
def test_managers_of_values(entries: list[dict[str, object]], writers: tuple[str, ...], is_sorted: bool) -> None:
    raw = json.dumps(entries, sort_keys=is_sorted, separators=(",", ":")).encode()
    assert data_writers(raw) == writers


@pytest.mark.parametrize("raw", [b"", b"[", b'{"f:data":1}', b'[{"manager":"', b'[{"manager":1,"f:data":{}}]', b'\xff"f:data"'])
def test_damaged_managed_fields_tell_nothing(raw: bytes) -> None:
    assert data_writers(raw) == ()


def test_real_api_server_tells_the_writers(control_plane: ControlPlane, namespace: str) -> None:
    made = make_map(control_plane, namespace, "registry", {"a": "1"})
    assert len(made["metadata"]["managedFields"]) == 1
    merge(control_plane, namespace, "registry", {"b": "2"})
    path = f"/api/v1/namespaces/{namespace}/configmaps/registry"
    status, body = control_plane.raw("GET", path)
    assert status == 200
    managed = body[body.index(b'"managedFields":') + len(b'"managedFields":') :]
    names = {entry["manager"] for entry in json.loads(body)["metadata"]["managedFields"]}
    assert set(data_writers(managed)) == names
