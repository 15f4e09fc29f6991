"""Ghosts that are left alone: a manifest holds them, or a Pod takes their map as a whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from ghostkey.testing import ControlPlane
from tests.helpers import Done, Program, make_map, make_tenant, make_tenants_kind, merge, read_data

LIVE, GONE = [f"shop-{number}" for number in range(8)], ["bakery-1", "kiosk-7"]


@pytest.fixture
def tenants(control_plane: ControlPlane, namespace: str) -> str:
    make_tenants_kind(control_plane)
    for name in LIVE:
        make_tenant(control_plane, namespace, name)
    return namespace


def data(namespace: str, names: list[str] = LIVE + GONE) -> dict[str, str]:
    return {f"{namespace}.{name}": "{}" for name in names}


def write(control_plane: ControlPlane, namespace: str, manager: str, operation: str = "Update", **metadata: Any) -> None:
    """The registry as this manager writes it."""
    body = {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "registry", "namespace": namespace, **metadata},
        "data": data(namespace),
    }  # fmt: skip
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    if operation == "Apply":
        control_plane.request("PATCH", f"{path}/registry?fieldManager={manager}", body, "application/apply-patch+yaml")
    else:
        control_plane.request("POST", f"{path}?fieldManager={manager}", body)


def trim(program: Program, namespace: str, *words: str) -> Done:
    """Ghosts by a link that a person declares: inference may have its own reasons to leave such a map alone."""
    subject = ("--subject", "tenants.demo={namespace}.{name}")
    return program("trim", "cm/registry", "-n", namespace, "--ghosts", *subject, *words)


def left(control_plane: ControlPlane, namespace: str) -> set[str]:
    return {key.rpartition(".")[2] for key in read_data(control_plane, namespace, "registry")} - set(LIVE)


TRACKED = {"annotations": {"argocd.argoproj.io/tracking-id": "shop:/ConfigMap:prod/registry"}}
FLUX = {"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}
HELM = {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "shop"}}
DECLARED = {
    "flux": ("kustomize-controller", "Apply", FLUX, "is written by Flux"),
    "argo": ("argocd-controller", "Update", TRACKED, "is written by Argo CD"),
    "helm": ("helm", "Update", HELM, "is written by Helm"),
    "terraform": ("HashiCorp", "Update", {}, "is written by Terraform"),
    "server-side-apply": ("kubectl", "Apply", {}, "is written by kubectl"),
}


@pytest.mark.whole(but=["flux"])
@pytest.mark.parametrize("case", DECLARED)
def test_ghosts_that_a_manifest_holds_are_refused_with_the_next_command(
    control_plane: ControlPlane, tenants: str, program: Program, case: str
) -> None:
    manager, operation, metadata, said = DECLARED[case]
    write(control_plane, tenants, manager, operation, **metadata)
    for words in ((), ("--apply",)):
        done = trim(program, tenants, *words)
        assert done.code in {0, 5}, done
        if done.code == 0:
            # inference holds them to be declared already
            assert "nothing to trim" in done.err
        else:
            assert said in done.err
            assert "nothing was changed" in done.err
            assert f"ghostkey trim cm/registry -n {tenants} --ghosts --even-if-declared" in done.err
    assert left(control_plane, tenants) == set(GONE)


def plan_of(program: Program, namespace: str) -> str:
    """A plan for ghosts, made while nothing spoke against it."""
    done = trim(program, namespace, "-o", "json")
    assert done.code == 0, done
    return done.out


def patch_metadata(control_plane: ControlPlane, namespace: str, **metadata: Any) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps/registry"
    control_plane.request("PATCH", path, {"metadata": metadata}, "application/merge-patch+json")


def test_a_plan_is_refused_once_a_manifest_holds_its_keys(control_plane: ControlPlane, tenants: str, program: Program) -> None:
    make_map(control_plane, tenants, "registry", data(tenants))
    plan = plan_of(program, tenants)
    applied = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "registry"}, "data": data(tenants)})
    patch_metadata(control_plane, tenants, annotations={"kubectl.kubernetes.io/last-applied-configuration": applied})
    refused = program("trim", "--plan", "-", "--apply", stdin=plan)
    assert (refused.code, left(control_plane, tenants)) == (5, set(GONE)), refused
    assert "is in the manifest that kubectl apply used last" in refused.err
    assert (
        "hint: take the keys out of the manifest; or, to remove them here: ghostkey trim --plan - --even-if-declared"
        in refused.err
    )
    done = program("trim", "--plan", "-", "--apply", "--even-if-declared", stdin=plan)
    assert (done.code, left(control_plane, tenants)) == (0, set()), done


@pytest.mark.whole
def test_keys_that_an_operator_adds_to_an_applied_map_are_its_own(
    control_plane: ControlPlane, tenants: str, program: Program
) -> None:
    """The manifest is known, and does not hold them: GitOps would neither miss them nor bring them back."""
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "registry", "namespace": tenants, **FLUX}}
    control_plane.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(manifest))
    path = f"/api/v1/namespaces/{tenants}/configmaps/registry?fieldManager=tenant-operator"
    control_plane.request("PATCH", path, {"data": data(tenants)}, "application/merge-patch+json")
    done = trim(program, tenants, "--apply")
    assert (done.code, left(control_plane, tenants)) == (0, set()), done


def test_a_map_of_gitops_whose_writers_nobody_knows_is_left_alone(
    control_plane: ControlPlane, tenants: str, program: Program
) -> None:
    make_map(control_plane, tenants, "registry", data(tenants))
    plan = plan_of(program, tenants)
    # an empty list of managers takes all of them away
    patch_metadata(control_plane, tenants, **TRACKED, managedFields=[{}])
    refused = program("trim", "--plan", "-", "--apply", stdin=plan)
    assert (refused.code, left(control_plane, tenants)) == (5, set(GONE)), refused
    assert "may be in a manifest: the map is Argo CD's" in refused.err


def mount(control_plane: ControlPlane, namespace: str, **volume: Any) -> None:
    spec = {
        "containers": [{"name": "reader", "image": "reader", "volumeMounts": [{"name": "registry", "mountPath": "/registry"}]}],
        "volumes": [{"name": "registry", "configMap": {"name": "registry", **volume}}],
    }
    template = {"metadata": {"labels": {"app": "reader"}}, "spec": spec}
    body = {"metadata": {"name": "reader"}, "spec": {"selector": {"matchLabels": {"app": "reader"}}, "template": template}}
    control_plane.request("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", body)


@pytest.mark.whole
def test_ghosts_of_a_map_that_is_mounted_whole_are_refused_with_the_next_command(
    control_plane: ControlPlane, tenants: str, program: Program
) -> None:
    make_map(control_plane, tenants, "registry", data(tenants))
    plan = plan_of(program, tenants)
    mount(control_plane, tenants)
    refused = program("trim", "--plan", "-", "--apply", stdin=plan)
    assert (refused.code, left(control_plane, tenants)) == (5, set(GONE)), refused
    assert f"taken as a whole by Deployment {tenants}/reader (volume registry)" in refused.err
    assert "--even-if-mounted" in refused.err
    for words in ((), ("--apply",), ("--apply", "--even-if-declared")):
        again = trim(program, tenants, *words)
        assert again.code == 5 or "nothing to trim" in again.err, again
    # a person who names the key means it
    one = program("trim", "cm/registry", "-n", tenants, "--key", f"{tenants}.{GONE[0]}", "--apply")
    assert one.code == 0, one
    merge(control_plane, tenants, "registry", {f"{tenants}.{GONE[0]}": "{}"})
    done = program("trim", "--plan", "-", "--apply", "--even-if-mounted", stdin=plan)
    assert (done.code, left(control_plane, tenants)) == (0, set()), done


def test_a_map_of_which_pods_take_single_keys_is_trimmed(control_plane: ControlPlane, tenants: str, program: Program) -> None:
    make_map(control_plane, tenants, "registry", data(tenants))
    mount(control_plane, tenants, items=[{"key": f"{tenants}.{LIVE[0]}", "path": "one"}])
    done = trim(program, tenants, "--apply")
    assert (done.code, left(control_plane, tenants)) == (0, set()), done


CA = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUBMHA\n-----END CERTIFICATE-----\n"


def test_argo_cds_shape_of_cluster_has_nothing_to_trim(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    """An Application for each app, and trusted roots that `kubectl apply` has put there and a Pod mounts: three of them are
    called like apps, and the others are no ghosts."""
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    names = {"kind": "Application", "listKind": "ApplicationList", "plural": "applications", "singular": "application"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": schema}
    crd = {"metadata": {"name": "applications.argoproj.io"},
           "spec": {"group": "argoproj.io", "scope": "Namespaced", "names": names, "versions": [version]}}  # fmt: skip
    if control_plane.raw("GET", f"{crds}/applications.argoproj.io")[0] != 200:
        control_plane.request("POST", crds, crd)
    applications = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications"
    control_plane.wait_until(lambda: control_plane.raw("GET", applications)[0] == 200, "Applications are served")
    apps = [
        "billing",
        "catalog",
        "gateway",
        "identity",
        "inventory",
        "ledger",
        "mailer",
        "orders",
        "payments",
        "reports",
        "search",
        "shop",
    ]
    for app in apps:
        body = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {"name": app},
            "spec": {"project": "default"},
        }
        control_plane.request("POST", applications, body)
    roots = ["identity", "payments", "gateway", "lets-encrypt", "corporate-root", "partner-bank", "legacy-vpn"]
    bundle = {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "registry", "namespace": namespace, "labels": {"app.kubernetes.io/instance": "trust"}},
        "data": {f"{root}.crt": CA for root in roots},
    }  # fmt: skip
    control_plane.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(bundle))
    mount(control_plane, namespace)
    report = program("scan", "-n", namespace, "-o", "json")
    assert (report.code, report.json["findings"]) == (0, [])
    done = program("trim", "cm/registry", "-n", namespace, "--ghosts", "--apply")
    assert done.code in {0, 5}, done
    # even by the word of a person they are not taken
    declared = program("trim", "cm/registry", "-n", namespace, "--ghosts", "--subject", "applications={name}.crt", "--apply")
    assert declared.code == 5 or "nothing to trim" in declared.err, declared
    assert set(read_data(control_plane, namespace, "registry")) == {f"{root}.crt" for root in roots}
