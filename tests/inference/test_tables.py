"""A cluster as people run them, and the tables that they keep of what is in it: each names a few things that never were objects."""

from __future__ import annotations

import json
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import analyse, config_map, thing

NAMESPACES = ["storefront", "payments", "identity", "ledger", "search", "notifications", "data-platform", "ml"]
APPS = """adservice cartservice checkoutservice currencyservice emailservice frontend paymentservice productcatalogservice shippingservice
    redis-cart loadgenerator user-profile session-store order-history price-engine fraud-detector invoice-gen pdf-render geo-lookup
    img-proxy auth-gateway api-gateway search-indexer search-api notify-hub sms-sender push-relay ledger-core ledger-report kyc-check
    kyc-archive risk-model feature-store ml-serving ml-trainer etl-daily dwh-loader audit-log""".split()  # noqa: SIM905
HOMES = {app: NAMESPACES[number % len(NAMESPACES)] for number, app in enumerate(APPS)}
NODES = [f"ip-10-12-{part}-{part + 7}.eu-west-1.compute.internal" for part in (3, 17, 44, 91, 130, 155, 201, 233, 240)]
TENANTS = [
    "acme",
    "globex",
    "initech",
    "umbrella",
    "stark",
    "wayne",
    "hooli",
    "piedpiper",
    "soylent",
    "tyrell",
    "cyberdyne",
    "wonka",
]
DATABASES = ["orders-db", "users-db", "ledger-db", "kyc-db", "catalog-db", "search-db", "sessions-db"]
CERTIFICATES = [f"{app}-tls" for app in APPS[:20]]


def _snake(name: str) -> str:
    return name.upper().replace("-", "_")


# name of the map → its keys: those of live objects, and the others
TABLES: dict[str, list[str]] = {
    "slo-targets": [*APPS[::2], "batch-reports", "mobile-app", "partner-api"],
    "oncall": [*APPS[:12], "datacenter", "vpn", "office-wifi"],
    "budgets": [*NAMESPACES, "marketing", "hr-portal", "shared"],
    "tenant-flags": [*TENANTS, "demo", "internal", "default"],
    "tenant-branding": [*(f"{tenant}.css" for tenant in TENANTS[:9]), "base.css", "dark.css", "print.css"],
    "node-maintenance": [*NODES[:3], "jumphost-2.eu-west-1.compute.internal"],
    "rack-layout": [*NODES, "nas-01.corp.example.com", "switch-7.corp.example.com"],
    "static-hosts": [*NODES, "jumphost.eu-west-1.compute.internal", "bastion"],
    "backup-schedule": [*DATABASES, "legacy-oracle", "mainframe-extract"],
    "database-owners": [*DATABASES[:5], "warehouse-db", "partner-db"],
    "connections": [*(f"{_snake(name)}_URL" for name in DATABASES), "LEGACY_ORACLE_URL", "REPORTING_DB_URL"],
    "dashboards": [*(f"{app}.json" for app in APPS[:22]), "overview.json", "jvm.json", "go-runtime.json"],
    "rules": [*(f"{app}.rules.yaml" for app in APPS[:15]), "kubernetes-apps.rules.yaml", "etcd.rules.yaml"],
    "certificate-pins": [*CERTIFICATES, "partner-ca-tls", "partners-tls"],
    "expiry-report": [
        *(f"{HOMES[name[:-4]]}.{name}" for name in CERTIFICATES),
        "external.www-example-com-tls",
        "external.cdn-tls",
    ],
    "proxy-allow": [*(f"{app}.{HOMES[app]}.svc.cluster.local" for app in APPS[:14]), "smtp.corp.svc.cluster.local"],
    "image-pins": [*APPS, "golang", "alpine", "distroless"],
    "quotas": [*(f"{name}.cpu" for name in NAMESPACES), "default.cpu", "burst.cpu", "sandbox.memory"],
    "log-levels": [*APPS, "root", "org.hibernate", "kafka-client"],
    "token-policy": [*(f"{HOMES[app]}_{app}" for app in APPS[:14]), "external_partner", "ci_runner", "ops_breakglass"],
    "exec-allow": [*(f"{HOMES[app]}.{app}" for app in APPS[:10]), "kube-system.debug-shell", "default.netshoot"],
    "vault-roles": [*(f"{HOMES[app]}-{app}" for app in APPS[:16]), "platform-terraform", "platform-ansible"],
    "helm-values": [*(f"{app}-values.yaml" for app in APPS[:12]), "common-values.yaml", "global-values.yaml"],
    "canary-weights": [*APPS[:15], "experiment-a", "experiment-b"],
    "retention": [*TENANTS, "acme-archive", "globex-archive"],
    "failover": [*DATABASES, "orders-db-standby", "users-db-standby"],
    "features": [*(f"enable-{app}" for app in APPS[:9]), "enable-dark-mode", "enable-new-checkout"],
    "topics": [*(f"{app}-events" for app in APPS[:16]), *(f"{app}-dlq" for app in APPS[:6]), "cdc-events", "clickstream-events"],
    "buckets": [*(f"{tenant}-uploads" for tenant in TENANTS), "public-uploads", "quarantine-uploads"],
    "test-users": [*(f"{tenant}-qa" for tenant in TENANTS), "smoke-qa", "loadtest-qa"],
}


def _cluster() -> list[dict[str, Any]]:
    objects = [thing("Namespace", name, api_version="v1") for name in [*NAMESPACES, "kube-system", "default", "platform"]]
    for app, home in HOMES.items():
        objects += [thing("Deployment", app, home, api_version="apps/v1"), thing("Service", app, home, api_version="v1")]
        objects.append(thing("Application", app, "argocd", api_version="argoproj.io/v1alpha1"))
    objects += [thing("Node", name, api_version="v1") for name in NODES]
    objects += [thing("Tenant", name) for name in TENANTS]
    objects += [
        thing("Cluster", name, home, api_version="postgresql.cnpg.io/v1")
        for name, home in zip(DATABASES, NAMESPACES, strict=False)
    ]
    objects += [thing("Certificate", name, HOMES[name[:-4]], api_version="cert-manager.io/v1") for name in CERTIFICATES]
    return objects


def _managed(data: dict[str, str], manager: str) -> dict[str, Any]:
    fields = {"f:data": {f"f:{key}": {} for key in data}}
    entry = {"manager": manager, "operation": "Update", "apiVersion": "v1", "time": "2026-11-01T00:00:00Z"}
    return {"managedFields": [{**entry, "fieldsType": "FieldsV1", "fieldsV1": fields}]}


@pytest.mark.parametrize("manager", ["", "kubectl-edit", "helm"])
def test_table_that_somebody_keeps_is_never_flagged(tmp_path: Path, manager: str) -> None:
    maps = []
    for name, table in TABLES.items():
        for sort, value in (("words", "on"), ("records", json.dumps({"owner": "team", "level": 3}))):
            data = dict.fromkeys(table, value)
            maps.append(config_map(data, f"{name}-{sort}", "platform", metadata=_managed(data, manager) if manager else {}))
    found = analyse(tmp_path, [*_cluster(), *maps])
    alarms = [
        (f.key.holder.name, f.key.key, f.state)
        for f in found
        if f.analysis == "ghost-key" and f.severity > 0 and f.state == "found"
    ]
    assert alarms == [], alarms


def test_registry_of_an_operator_beside_them_is_told(tmp_path: Path) -> None:
    """What differs: the names are such as live ones have, and nothing else is among them."""
    gone = ["oscorp", "vandelay"]
    registry = {tenant: json.dumps({"plan": "gold", "shard": 3}) for tenant in [*TENANTS, *gone]}
    written = config_map(registry, "tenant-registry", "platform", metadata=_managed(registry, "tenant-operator"))
    found = analyse(tmp_path, [*_cluster(), written])
    assert {f.key.key for f in found if f.analysis == "ghost-key" and f.state == "found"} == set(gone)


@pytest.mark.parametrize(
    ("others", "value", "manager", "state"),
    [
        (("arm", "highmem"), "0.08", "", "suspect"),
        (("arm", "highmem"), json.dumps({"shard": 3, "plan": "gold"}), "", "found"),
        (("arm", "highmem"), "0.08", "pool-operator", "found"),
        (("arm", "highmem", "burst-2", "old-gpu"), '{"id": 9}', "pool-operator", "suspect"),
        (("highmem",), "8", "", "found"),
    ],
)
def test_three_that_live_and_some_that_do_not_may_be_a_table_that_somebody_keeps(
    tmp_path: Path, others: tuple[str, ...], value: str, manager: str, state: str
) -> None:
    pools = ["general", "gpu", "spot"]
    data = dict.fromkeys([*pools, *others], value)
    table = config_map(data, "pool-prices", "ops", metadata=_managed(data, manager) if manager else {})
    found = analyse(tmp_path, [*(thing("NodePool", name, "", api_version="karpenter.sh/v1") for name in pools), table])
    assert {(f.key.key, f.state) for f in found if f.analysis == "ghost-key"} == {(name, state) for name in others}


@pytest.mark.parametrize(
    ("is_taken", "has_uids", "state"), [(True, False, "suspect"), (False, False, "found"), (True, True, "found")]
)
def test_names_in_capitals_that_a_pod_takes_as_a_whole_are_variables(
    tmp_path: Path, is_taken: bool, has_uids: bool, state: str
) -> None:
    """But for those with a UID in their value, which nobody types."""
    tenants = ["velora", "kolmeri-inc", "dabrion-eu", "sofano", "terluka-gmbh", "minora-eu"]
    made = [thing("Tenant", name) for name in tenants]
    uids = {item["metadata"]["name"]: item["metadata"]["uid"] for item in made}
    data = {
        name.upper().replace("-", "_"): json.dumps({"uid": uids.get(name, str(uuid.UUID(int=7))), "name": name})
        if has_uids
        else "1"
        for name in [*tenants, "galuba"]
    }
    spec = {"containers": [{"name": "gate", "envFrom": [{"configMapRef": {"name": "tenant-env"}}]}]}
    pods = [thing("Pod", "gate", "platform", api_version="v1", spec=spec)] if is_taken else []
    found = analyse(tmp_path, [*made, *pods, config_map(data, "tenant-env", "platform")])
    assert {(f.key.key, f.state) for f in found if f.analysis == "ghost-key"} == {("GALUBA", state)}


@pytest.mark.parametrize(("gone", "state"), [(["legacy"], "found"), (["legacy", "batch"], "suspect"), (["batch"], "")])
def test_plain_word_beside_all_namespaces_is_likely_one_that_is_gone(tmp_path: Path, gone: list[str], state: str) -> None:
    """Another beside it that settings are called by leaves it a suspect, and is none itself."""
    names = [
        "default",
        "ops",
        "shop",
        "pay",
        "data",
        "team-a",
        "team-b",
        "mail",
        "search",
        "kube-system",
        "kube-public",
        "billing",
        "erp",
        "blog",
        "studio",
    ]
    spaces = [thing("Namespace", name, "", api_version="v1") for name in names]
    found = analyse(tmp_path, [*spaces, config_map(dict.fromkeys([*names, *gone], "10.9.0.1"), "egress-ips", "ops")])
    assert {(f.key.key, f.state) for f in found if f.analysis == "ghost-key"} == ({("legacy", state)} if state else set())


@pytest.mark.parametrize(("is_immutable", "state"), [(True, "suspect"), (False, "found")])
def test_immutable_map_is_no_registry(tmp_path: Path, is_immutable: bool, state: str) -> None:
    tenants = ["velora", "kolmeri-inc", "dabrion-eu", "sofano", "terluka-gmbh", "minora-eu"]
    table = config_map(dict.fromkeys([*tenants, "galuba"], "1"), "tenants", "platform", immutable=is_immutable)
    found = analyse(tmp_path, [*map(partial(thing, "Tenant"), tenants), table])
    assert {(f.key.key, f.state) for f in found if f.analysis == "ghost-key"} == {("galuba", state)}


@pytest.mark.parametrize("form", ["pg-{}", "data-pg-{}", "wal.pg-{}"])
def test_what_a_stateful_set_would_have_again_is_no_proof(tmp_path: Path, form: str) -> None:
    pods = [thing("Pod", f"pg-{number}", "data", api_version="v1") for number in range(2)]
    owner = thing("StatefulSet", "pg", "data", api_version="apps/v1", spec={"replicas": 2})
    found = analyse(tmp_path, [owner, *pods, config_map({form.format(number): "10Gi" for number in range(5)}, "volumes", "data")])
    assert [f.key.key for f in found if f.analysis == "ghost-key" and f.state == "found"] == []
