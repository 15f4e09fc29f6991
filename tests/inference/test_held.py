"""Maps that are held elsewhere, as their labels, annotations and owners tell: what is lost there is declared, and its cure is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ghostkey.model.findings import Severity
from tests.helpers import analyse, config_map, thing

LIVE, GONE = ["velora", "kolmeri-inc", "dabrion-eu", "sofano", "terluka-gmbh", "minora-eu"], ["galuba", "romeka-inc"]
OWNER = {"apiVersion": "trust.cert-manager.io/v1alpha1", "kind": "Bundle", "name": "roots", "uid": "u-roots"}
MARKS: dict[str, dict[str, Any]] = {
    "Flux": {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}},
    "Argo CD": {"annotations": {"argocd.argoproj.io/tracking-id": "x:/ConfigMap:ops/registry"}},
    "Terraform": {"labels": {"app.kubernetes.io/managed-by": "terraform"}},
    "Config Sync": {"annotations": {"configmanagement.gke.io/managed": "enabled"}},
    "the addon manager": {"labels": {"addonmanager.kubernetes.io/mode": "Reconcile"}},
    "kubernetes-replicator": {"annotations": {"replicator.v1.mittwald.de/replicated-from-version": "7"}},
    "reflector": {"annotations": {"reflector.v1.k8s.emberstack.com/reflects": "base/registry"}},
    "Kyverno": {"labels": {"generate.kyverno.io/policy-name": "sync"}},
    "Bundle": {"ownerReferences": [OWNER]},
    "": {"labels": {"app.kubernetes.io/managed-by": "tenant-operator"}},
}


def told(folder: Path, metadata: dict[str, Any], *more: dict[str, Any]) -> dict[str, tuple[str, Severity, str]]:
    registry = {f"prod.{name}": json.dumps({"plan": "gold", "shard": 3}) for name in LIVE + GONE}
    tenants = [thing("Tenant", name, "prod") for name in LIVE]
    found = analyse(folder, [*tenants, *more, config_map(registry, "registry", "ops", metadata=metadata)])
    return {f.key.key: (f.state, f.severity, f.message) for f in found if f.analysis == "ghost-key"}


@pytest.mark.parametrize("tool", MARKS)
def test_key_of_a_map_that_bears_a_mark_is_declared(tmp_path: Path, tool: str) -> None:
    found = told(tmp_path, MARKS[tool])
    expected = ("declared", Severity.INFO) if tool else ("found", Severity.WARNING)
    assert {key: (state, severity) for key, (state, severity, _) in found.items()} == {f"prod.{name}": expected for name in GONE}
    assert all(f"by {tool}" in message for _, _, message in found.values()) or not tool


@pytest.mark.parametrize(("writer", "state"), [("tenant-operator", "found"), ("kustomize-controller", "declared")])
def test_what_managed_fields_tell_counts_more_than_a_mark(tmp_path: Path, writer: str, state: str) -> None:
    """An operator may fill a map that came with its chart."""
    fields = {"f:data": {f"f:prod.{name}": {} for name in LIVE + GONE}}
    entry = {"manager": writer, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields}
    found = told(tmp_path, {**MARKS["Flux"], "managedFields": [entry]})
    assert found
    assert {one[0] for one in found.values()} <= {state, "suspect"}
    assert ("found" in {one[0] for one in found.values()}) == (state == "found")


@pytest.mark.parametrize(("application", "state"), [("tenants", "declared"), ("others", "found")])
def test_instance_label_is_argo_cds_where_an_application_is_called_so(tmp_path: Path, application: str, state: str) -> None:
    instance = {"labels": {"app.kubernetes.io/instance": "tenants"}}
    found = told(tmp_path, instance, thing("Application", application, "argocd", api_version="argoproj.io/v1alpha1"))
    assert {one[0] for one in found.values()} == {state}


@pytest.mark.parametrize(("mark", "state"), [("Terraform", "found"), ("reflector", "declared")])
def test_no_manifest_holds_a_uid_but_a_copy_does(tmp_path: Path, mark: str, state: str) -> None:
    uids = {name: f"{number:08x}-5a3b-4c2d-8e1f-0a1b2c3d4e5f" for number, name in enumerate(LIVE + GONE, 7001)}
    tenants = [thing("Tenant", name, "prod", uid=uids[name]) for name in LIVE]
    registry = {uid: json.dumps({"plan": "gold"}) for uid in uids.values()}
    found = analyse(tmp_path, [*tenants, config_map(registry, "registry", "ops", metadata=MARKS[mark])])
    assert {f.key.key: f.state for f in found if f.analysis == "ghost-key"} == {uids[name]: state for name in GONE}
