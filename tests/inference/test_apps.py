"""Clusters with an Application for each app: maps that name every app, and a few things that are none, are what somebody keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ghostkey.model.findings import Severity
from tests.helpers import analyse, config_map, thing

APPS = [
    "cart-api", "checkout-web", "catalog-api", "pricing-worker", "orders-api", "invoices-web", "search-api", "mail-worker",
    "auth-api", "payments-api", "shipping-svc", "users-api",
]  # fmt: skip
STRANGERS = ["corp-root", "mail-relay"]
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
MAPS: dict[str, Callable[[list[str]], dict[str, str]]] = {
    "certificates": lambda names: {f"{name}.crt": PEM for name in names},
    "alerts": lambda names: {f"{name}.rules.yaml": "groups: []\n" for name in names},
    "boards": lambda names: {f"{name}.json": json.dumps({"title": name}) for name in names},
    "images": lambda names: {name: f"registry.example.com/{name}:1.0" for name in names},
    "addresses": lambda names: {f"{name.upper().replace('-', '_')}_URL": "https://x" for name in names},
    "passwords": lambda names: {f"{name}-password": "x" for name in names},
    "flags": lambda names: {f"enable-{name}": "true" for name in names},
    "ports": lambda names: {name: str(8000 + number) for number, name in enumerate(names)},
    "routes": lambda names: {"routes.json": json.dumps({name: {"weight": 1} for name in names})},
    "order": lambda names: {f"slot-{number}": name for number, name in enumerate(names)},
    "pages": lambda names: {f"page-{number}.yaml": f"name: {name}\nowner: team\n" for number, name in enumerate(names)},
}
OF_APPS = [("Deployment", "apps/v1"), ("Service", "v1")]
GITOPS = [("Application", "argoproj.io/v1alpha1"), ("HelmRelease", "helm.toolkit.fluxcd.io/v2")]
BESIDE = [("ServiceMonitor", "monitoring.coreos.com/v1"), ("HTTPRoute", "gateway.networking.k8s.io/v1")]


@pytest.mark.parametrize(("kind", "version"), GITOPS, ids=[kind for kind, _ in GITOPS])
@pytest.mark.parametrize("what", sorted(MAPS))
@pytest.mark.parametrize("is_whole", [True, False], ids=["with their workloads", "alone"])
def test_map_that_somebody_keeps_for_all_apps_is_never_flagged(
    tmp_path: Path, what: str, kind: str, version: str, *, is_whole: bool
) -> None:
    objects: list[dict[str, Any]] = [thing(kind, name, "argocd", api_version=version) for name in APPS]
    if is_whole:
        objects += [thing("Deployment", name, "prod", api_version="apps/v1") for name in APPS]
        objects += [thing("Service", name, "prod", api_version="v1") for name in APPS]
    found = analyse(tmp_path, [*objects, config_map(MAPS[what]([*APPS, *STRANGERS]))])
    assert [finding.key.key for finding in found if finding.state == "found" and finding.analysis == "ghost-key"] == []


@pytest.mark.parametrize(("kind", "version"), BESIDE, ids=[kind for kind, _ in BESIDE])
@pytest.mark.parametrize("what", ["ports", "routes", "flags"])
def test_what_stands_beside_a_workload_is_called_as_the_app_where_no_workload_is_in_the_dump(
    tmp_path: Path, what: str, kind: str, version: str
) -> None:
    objects = [thing(kind, name, "prod", api_version=version) for name in APPS]
    found = analyse(tmp_path, [*objects, config_map(MAPS[what]([*APPS[:9], *STRANGERS]))])
    assert [finding.key.key for finding in found if finding.state == "found" and finding.analysis == "ghost-key"] == []


@pytest.mark.parametrize(
    ("kind", "version", "suspected"),
    [
        *((kind, version, set()) for kind, version in GITOPS),
        *((kind, version, {"legacy-soap-config"}) for kind, version in OF_APPS),
    ],
)
def test_settings_of_what_is_no_app_are_no_orphans(tmp_path: Path, kind: str, version: str, suspected: set[str]) -> None:
    apps = [thing(kind, name, "prod", api_version=version) for name in APPS]
    settings = [config_map({"a": "b"}, f"{name}-config", "prod") for name in [*APPS, "legacy-soap", "grafana", "smtp"]]
    found = [finding for finding in analyse(tmp_path, [*apps, *settings]) if finding.analysis == "orphaned-child"]
    assert {(finding.key.key, finding.state, finding.severity) for finding in found} == {
        (name, "suspect", Severity.INFO) for name in suspected
    }


def test_what_one_tool_made_for_other_things_is_no_orphan(tmp_path: Path) -> None:
    names = ["velora", "kolmeri-inc", "dabrion-eu", "sofano", "terluka-gmbh", "minora-eu"]
    clusters = [thing("Cluster", name, "prod") for name in names]
    others = ["smtp", "admin", "ldap", "github", "postgres", "s3", "oauth2", "k8s-api", "openai", "maps"]
    secrets = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{name}-credentials", "namespace": "prod"}, "data": {}}
        for name in [*names, "galuba", "romeka-inc", *others]
    ]
    found = [finding for finding in analyse(tmp_path, [*clusters, *secrets]) if finding.analysis == "orphaned-child"]
    assert {finding.key.key for finding in found} == {"galuba-credentials", "romeka-inc-credentials"}


@pytest.mark.parametrize(("kind", "version"), GITOPS, ids=[kind for kind, _ in GITOPS])
def test_many_boards_that_a_program_wrote_are_of_apps_all_the_same(tmp_path: Path, kind: str, version: str) -> None:
    """So many keys are no person's table; but a dashboard controller has one for each app, and for what is none."""
    things, works = ("cart", "fox", "umber", "willow", "stock"), ("mailer", "router", "proxy", "indexer")
    names = [f"{what}-{does}" for what in things for does in works]
    strangers = ["cart-importer", "fox-exporter", "overview"]
    boards = {f"{name}.json": json.dumps({"title": name, "panels": []}) for name in [*names, *strangers]}
    written = [{"manager": "operator", "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z",
                "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {f"f:{key}": {} for key in boards}}}]  # fmt: skip
    places = [(name, ("prod", "stage")[number % 2]) for number, name in enumerate(names)]
    objects = [thing(kind, name, place, api_version=version) for name, place in places]
    objects += [thing("Deployment", name, place, api_version="apps/v1") for name, place in places]
    found = analyse(tmp_path, [*objects, config_map(boards, metadata={"managedFields": written})])
    assert {finding.state for finding in found if finding.analysis == "ghost-key"} <= {"suspect"}
