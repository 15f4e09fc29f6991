"""`--subject`: where nothing is left, by fields instead of names, and for whole objects; in files and on a live cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ghostkey.testing import ControlPlane
from tests.helpers import Program, config_map, found, make_map, make_tenant, make_tenants_kind, secret, thing

CASES = Path(__file__).parents[1] / "cases" / "files"
GROUP = "demo.ghostkey.dev"
SLUGS = {"acct-1": "galuba", "acct-2": "romeka", "acct-3": "sofano"}


def dump(folder: Path, *items: dict[str, Any]) -> str:
    spaces = [thing("Namespace", name, "", api_version="v1") for name in ("default", "kube-system", "prod", "ops")]
    maps = [config_map({"ca.crt": "-----BEGIN"}, "kube-root-ca.crt", name) for name in ("default", "prod", "ops")]
    (folder / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [*spaces, *maps, *items]}))
    return str(folder)


def empty_list(folder: Path) -> None:
    (folder / "tenants.json").write_text(json.dumps({"apiVersion": f"{GROUP}/v1", "kind": "TenantList", "items": []}))


def test_nothing_of_the_kind_is_left_in_a_dump(files_program: Program) -> None:
    done = files_program(
        "scan", "--from", str(CASES / "empty-list-subject"), "--subject", "tenants={namespace}.{name}", "-o", "json"
    )
    assert done.code == 1, done.err
    names = ("acme", "bolt", "cove", "dune", "echo", "flux")
    assert found(done.json) == {("ghost-key", "ops", "tenant-registry", f"prod.{name}") for name in names}


def test_template_that_any_key_could_be_made_by_asks_for_the_map(files_program: Program, tmp_path: Path) -> None:
    where = dump(tmp_path, config_map({"acme": "{}", "bolt": "{}"}, "registry", "ops"))
    empty_list(tmp_path)
    done = files_program("scan", "--from", where, "--subject", "tenants={name}")
    assert (done.code, "no map shows by its keys" in done.err, "cm/NAME" in done.err) == (3, True, True), done
    named = files_program.scan("--from", where, "-n", "ops", "cm/registry", "--subject", "tenants={name}")
    assert found(named) == {("ghost-key", "ops", "registry", key) for key in ("acme", "bolt")}


def test_kind_that_a_dump_does_not_know_is_not_seen(files_program: Program, tmp_path: Path) -> None:
    where = dump(tmp_path, config_map({"prod.acme": "{}"}, "registry", "ops"))
    done = files_program("scan", "--from", where, "--subject", "tenants={namespace}.{name}")
    assert (done.code, "not seen: --subject tenants" in done.err) == (3, True), done


def test_kind_of_which_the_definition_alone_is_there_is_unknown(files_program: Program, tmp_path: Path) -> None:
    spec = {"group": GROUP, "scope": "Namespaced", "names": {"kind": "Tenant", "plural": "tenants"}, "versions": [{"name": "v1"}]}
    crd = thing("CustomResourceDefinition", f"tenants.{GROUP}", "", api_version="apiextensions.k8s.io/v1", spec=spec)
    where = dump(tmp_path, crd, config_map({"prod.acme": "{}", "prod.bolt": "{}"}, "registry", "ops"))
    report = files_program.scan("--from", where, "--subject", "tenants={namespace}.{name}")
    assert found(report, "unknown") == {("ghost-key", "ops", "registry", key) for key in ("prod.acme", "prod.bolt")}
    assert any("no object of it is" in step for step in report["findings"][0]["evidence"])


@pytest.mark.parametrize(
    ("template", "make"),
    [
        ("{spec.slug}", "{slug}"),
        ("{metadata.labels.example.com/customer}", "{slug}"),
        ("{namespace}_{spec.slug}.json", "prod_{slug}.json"),
        ("t-{spec.region}-{spec.slug}", "t-eu-{slug}"),
        ("{status.addresses.0.ip}", "10.0.0.{slug}"),
    ],
)
def test_template_names_fields(files_program: Program, tmp_path: Path, template: str, make: str) -> None:
    accounts = [
        thing("Account", name, metadata={"labels": {"example.com/customer": slug}}, spec={"slug": slug, "region": "eu"},
              status={"addresses": [{"ip": f"10.0.0.{slug}"}]})
        for name, slug in SLUGS.items()
    ]  # fmt: skip
    data = {make.format(slug=slug): "{}" for slug in (*SLUGS.values(), "gone")}
    where = dump(tmp_path, *accounts, config_map(data, "registry", "ops"))
    report = files_program.scan("--from", where, "--subject", f"accounts={template}")
    assert found(report) == {("ghost-key", "ops", "registry", make.format(slug="gone"))}
    assert "Account with {" in report["findings"][0]["message"]


def test_whole_objects_are_declared(files_program: Program, tmp_path: Path) -> None:
    clusters = [thing("Cluster", name) for name in ("ant", "bee")]
    secrets = [secret({"value": "x"}, f"{name}-kubeconfig") for name in ("ant", "bee", "cow")]
    where = dump(tmp_path, *clusters, *secrets, secret({"value": "x"}, "smtp"))
    report = files_program.scan("--from", where, "--subject", "secrets:clusters={name}-kubeconfig")
    assert found(report) == {("orphaned-child", "prod", "cow-kubeconfig", "cow-kubeconfig")}
    assert "declared by --subject" in report["findings"][0]["evidence"][1]


def test_declared_object_in_use_is_not_told(files_program: Program, tmp_path: Path) -> None:
    pod = thing(
        "Pod", "p", api_version="v1", spec={"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "cow-kubeconfig"}}]}]}
    )
    items = [thing("Cluster", "ant"), secret({"value": "x"}, "ant-kubeconfig"), secret({"value": "x"}, "cow-kubeconfig"), pod]
    where = dump(tmp_path, *items)
    assert not found(files_program.scan("--from", where, "--subject", "secrets:clusters={name}-kubeconfig"))


def test_words_that_make_no_subject_are_told(files_program: Program, tmp_path: Path) -> None:
    where = dump(tmp_path, thing("Tenant", "a"))
    for words in ("tenants", "=x{name}", ":tenants={name}", "tenants=nothing"):
        assert files_program("scan", "--from", where, "--subject", words).code == 2


def test_live_cluster_where_nothing_of_the_kind_is_left(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_tenants_kind(control_plane)
    make_map(control_plane, namespace, "registry", {f"{namespace}.{name}": "{}" for name in ("acme", "bolt")})
    report = program.scan("-n", namespace, "cm/registry", "--subject", "tenants={namespace}.{name}")
    assert found(report) == {("ghost-key", namespace, "registry", f"{namespace}.{name}") for name in ("acme", "bolt")}


def test_live_cluster_with_fields_and_whole_objects(control_plane: ControlPlane, namespace: str, program: Program) -> None:
    make_tenants_kind(control_plane)
    for name in ("acme", "bolt"):
        make_tenant(control_plane, namespace, name)
        make_map(control_plane, namespace, f"{name}-token", {"token": "eA=="}, "secrets")
    make_map(control_plane, namespace, "gone-token", {"token": "eA=="}, "secrets")
    make_map(
        control_plane,
        namespace,
        "plans",
        {f"{plan}-{name}": "{}" for plan, name in [("gold", "acme"), ("gold", "bolt"), ("gold", "gone")]},
    )
    report = program.scan("-n", namespace, "--subject", "secrets:tenants={name}-token", "--subject", "tenants={spec.plan}-{name}")
    assert ("orphaned-child", namespace, "gone-token", "gone-token") in found(report)
    assert ("ghost-key", namespace, "plans", "gold-gone") in found(report)
    assert not [name for _, _, name, _ in found(report) if name in {"acme-token", "bolt-token"}]
