"""Dependents whose owner is gone, by reference or by the company they keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ghostkey.testing import ControlPlane
from tests.helpers import Program, analyse, keys, make_map, secret, thing

LIVE, GONE = [f"shop-{n}" for n in range(7)], ["shop-30", "shop-31"]
TENANTS = {name: thing("Tenant", name) for name in LIVE + GONE}


def owner(name: str) -> dict[str, Any]:
    uid = TENANTS[name]["metadata"]["uid"]
    return {"apiVersion": "demo.ghostkey.dev/v1", "kind": "Tenant", "name": name, "uid": uid}


def child(name: str, *owners: str) -> dict[str, Any]:
    references = {"ownerReferences": [owner(o) for o in owners]} if owners else {}
    labels = {"app.kubernetes.io/managed-by": "tenant-operator"}
    return secret({"password": "x"}, f"tenant-{name}-credentials", metadata={"labels": labels, **references})


def alive() -> list[dict[str, Any]]:
    return [TENANTS[name] for name in LIVE]


def test_owner_reference_to_an_object_that_is_gone(tmp_path: Path) -> None:
    found = analyse(tmp_path, [*alive(), *(child(name, name) for name in LIVE + GONE)])
    assert keys(found, "orphaned-child") == {f"tenant-{name}-credentials" for name in GONE}


def test_reference_without_a_uid_is_of_no_cluster(tmp_path: Path) -> None:
    """What is to be applied, or what a test expects of a controller, names owners that never were."""
    expected = child("shop-30", "shop-30")
    del expected["metadata"]["ownerReferences"][0]["uid"]
    assert keys(analyse(tmp_path, [*alive(), expected])) == set()


def test_one_living_owner_is_enough(tmp_path: Path) -> None:
    assert keys(analyse(tmp_path, [*alive(), child("shop-30", "shop-30", "shop-1")])) == set()


def test_stripped_owner_references_are_told_by_the_siblings(tmp_path: Path) -> None:
    found = analyse(tmp_path, [*alive(), *(child(name) for name in LIVE + GONE)])
    assert keys(found, "orphaned-child") == {f"tenant-{name}-credentials" for name in GONE}
    assert "no ownerReference says so" in found[0].message


APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
OWN = json.dumps({"kind": "Secret", "data": {"password": "eA=="}})


def of_marks(metadata: dict[str, Any], writer: str = "") -> list[dict[str, Any]]:
    fields = {"f:data": {"f:password": {}}}
    entry = {"manager": writer, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields}
    metadata = {**metadata, **({"managedFields": [entry]} if writer else {})}
    return [secret({"password": "x"}, f"tenant-{name}-credentials", metadata=dict(metadata)) for name in LIVE + GONE]


@pytest.mark.parametrize(
    ("metadata", "writer", "said"),
    [
        ({"annotations": {APPLIED: OWN}}, "", "kubectl apply has put it there"),
        ({"labels": {"argocd.argoproj.io/instance": "tenants"}}, "argocd-controller", "by Argo CD"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "tenants"}}, "", "by Flux"),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "helm", "by Helm"),
        ({"annotations": {"reflector.v1.k8s.emberstack.com/reflects": "base/x"}}, "", "copied from elsewhere, by reflector"),
    ],
    ids=["kubectl", "Argo CD", "Flux", "Helm", "reflector"],
)
def test_what_a_manifest_holds_has_its_cure_there(tmp_path: Path, metadata: dict[str, Any], writer: str, said: str) -> None:
    objects = [*alive(), *of_marks(metadata, writer)]
    found = [finding for finding in analyse(tmp_path, objects) if finding.analysis == "orphaned-child"]
    assert {(finding.key.key, finding.state, str(finding.severity)) for finding in found} == {
        (f"tenant-{name}-credentials", "declared", "info") for name in GONE
    }
    assert all(said in finding.message for finding in found)


@pytest.mark.parametrize(
    ("metadata", "writer"),
    [
        ({"annotations": {APPLIED: json.dumps({"kind": "Tenant", "spec": {"plan": "gold"}})}}, ""),
        ({"labels": {"argocd.argoproj.io/instance": "tenants"}}, "tenant-operator"),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "tenant-operator"),
    ],
)
def test_marks_that_an_operator_copied_from_its_subject_are_none(tmp_path: Path, metadata: dict[str, Any], writer: str) -> None:
    found = analyse(tmp_path, [*alive(), *of_marks(metadata, writer)])
    assert keys(found, "orphaned-child") == {f"tenant-{name}-credentials" for name in GONE}


def test_owner_of_a_kind_that_was_not_seen_is_not_judged(tmp_path: Path) -> None:
    assert keys(analyse(tmp_path, [child("shop-30", "shop-30"), thing("Site", "x")])) == set()


def test_child_in_use_is_not_flagged(tmp_path: Path) -> None:
    pod = thing(
        "Pod",
        "p",
        api_version="v1",
        spec={"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "tenant-shop-31-credentials"}}]}]},
    )
    found = analyse(tmp_path, [*alive(), pod, *(child(name) for name in LIVE + GONE)])
    assert keys(found, "orphaned-child") == {"tenant-shop-30-credentials"}


def test_child_that_a_custom_resource_names_is_not_flagged(tmp_path: Path) -> None:
    backup = thing("Backup", "nightly", spec={"source": {"secretRef": {"name": "tenant-shop-31-credentials"}}})
    found = analyse(tmp_path, [*alive(), backup, *(child(name) for name in LIVE + GONE)])
    assert keys(found, "orphaned-child") == {"tenant-shop-30-credentials"}


@pytest.mark.whole
def test_owner_of_a_kind_that_is_not_served_is_never_collected(own_control_plane: ControlPlane, tmp_path: Path) -> None:
    """A CRD is deleted, and what an object of its kind owned in Secrets stays: garbage collection cannot look for the owner."""
    control_plane, group = own_control_plane, "widgets.example.com"
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    spec = {"group": group, "scope": "Namespaced", "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}]}  # fmt: skip
    control_plane.request("POST", crds, {"metadata": {"name": f"widgets.{group}"}, "spec": spec})
    control_plane.wait_until(lambda: control_plane.raw("GET", f"/apis/{group}/v1/widgets")[0] == 200, "the CRD is served")
    reference = {"apiVersion": f"{group}/v1", "kind": "Widget", "name": "w", "uid": "0b3c7c0e-0000-4000-8000-000000000001"}
    make_map(control_plane, "default", "w-token", {"token": "eA=="}, "secrets", metadata={"ownerReferences": [reference]})
    program = Program(tmp_path / "state", control_plane.kubeconfig)
    (served,) = [f for f in program.scan("-A")["findings"] if f["analysis"] == "orphaned-child"]
    assert (served["name"], "never" in served["message"]) == ("w-token", False)
    control_plane.request("DELETE", f"{crds}/widgets.{group}")
    control_plane.wait_until(lambda: control_plane.raw("GET", f"/apis/{group}/v1/widgets")[0] == 404, "the CRD is gone")
    (gone,) = [f for f in program.scan("-A")["findings"] if f["analysis"] == "orphaned-child"]
    assert gone["name"] == "w-token"
    assert "its kind too, so garbage collection never takes it" in gone["message"]


def test_few_live_siblings_with_names_of_people_prove_nothing(tmp_path: Path) -> None:
    """Words are chosen: `backup` and `staging` may be for anything."""
    objects = [thing("Cluster", name) for name in ("north", "south")]
    objects += [secret({"a": "b"}, f"{name}-login") for name in ("north", "south", "backup", "staging", "smtp")]
    assert keys(analyse(tmp_path, objects)) == set()


OF_USERS = {"app.kubernetes.io/managed-by": "strimzi-user-operator", "strimzi.io/kind": "KafkaUser"}
OF_PEOPLE = {"app.kubernetes.io/part-of": "shop"}
USERS, PAST = ["velora", "kolmeri-inc", "dabrion-eu", "sofano", "terluka-gmbh"], ["galuba", "romeka-inc"]


@pytest.mark.parametrize(
    ("labels", "alive", "suspected"),
    [(OF_USERS, USERS, PAST), (OF_PEOPLE, USERS, []), ({}, USERS, []), (OF_USERS, USERS[:2], []), (OF_USERS, USERS + PAST, [])],
)
def test_secret_called_exactly_as_its_subject_is_suspected_where_a_program_made_it(
    tmp_path: Path, labels: dict[str, str], alive: list[str], suspected: list[str]
) -> None:
    made = [secret({"password": "x"}, name, "data", metadata={"labels": labels}) for name in USERS + PAST]
    objects = [*(thing("KafkaUser", name, "data", api_version="kafka.strimzi.io/v1beta2") for name in alive), *made]
    found = [f for f in analyse(tmp_path, objects) if f.analysis == "orphaned-child"]
    assert {(f.key.key, f.state, str(f.severity)) for f in found} == {(name, "suspect", "info") for name in suspected}


@pytest.mark.parametrize(
    ("kind", "version", "fields"),
    [
        ("Ingress", "networking.k8s.io/v1", {"spec": {"tls": [{"secretName": "tenant-shop-31-credentials"}]}}),
        ("ServiceAccount", "v1", {"imagePullSecrets": [{"name": "tenant-shop-31-credentials"}]}),
        ("StorageClass", "storage.k8s.io/v1", {"parameters": {"csi-provisioner-secret-name": "tenant-shop-31-credentials"}}),
    ],
)
def test_child_that_an_object_of_a_built_in_kind_names_is_not_flagged(
    tmp_path: Path, kind: str, version: str, fields: dict[str, Any]
) -> None:
    namer = thing(kind, "namer", "" if kind == "StorageClass" else "prod", api_version=version, **fields)
    found = analyse(tmp_path, [*alive(), namer, *(child(name) for name in LIVE + GONE)])
    assert keys(found, "orphaned-child") == {"tenant-shop-30-credentials"}


def _certificates(mark_of_last: str, namespace: str = "prod") -> list[dict[str, Any]]:
    live = [("www", "www-tls"), ("pay", "pay-tls"), ("api", "api-tls")]
    made = [thing("Certificate", name, "prod", api_version="cert-manager.io/v1") for name, _ in live]
    marks = [*((name, secret_name, "prod") for name, secret_name in live), (mark_of_last, "hook-server-cert", namespace)]
    return made + [
        secret({"tls.crt": "x", "tls.key": "y"}, name, place, type="kubernetes.io/tls", metadata={
            "annotations": {"cert-manager.io/certificate-name": whose, "cert-manager.io/issuer-name": "letsencrypt"}
        })
        for whose, name, place in marks
    ]  # fmt: skip


def test_secret_of_a_certificate_that_is_gone_is_told_by_its_annotation(tmp_path: Path) -> None:
    (found,) = analyse(tmp_path, _certificates("hook-serving"), only="orphaned-child")
    assert (found.key.key, found.state, found.subjects[0].name) == ("hook-server-cert", "found", "hook-serving")
    assert any("cert-manager.io/certificate-name" in line for line in found.evidence)


def test_copy_of_a_secret_is_of_the_same_certificate(tmp_path: Path) -> None:
    assert analyse(tmp_path, _certificates("www", "test"), only="orphaned-child") == []


def test_mark_tells_nothing_where_a_pod_takes_the_secret(tmp_path: Path) -> None:
    volumes = [{"name": "tls", "secret": {"secretName": "hook-server-cert"}}]
    pod = thing("Pod", "hook", "prod", api_version="v1", spec={"volumes": volumes, "containers": [{"name": "a"}]})
    assert analyse(tmp_path, [*_certificates("hook-serving"), pod], only="orphaned-child") == []
