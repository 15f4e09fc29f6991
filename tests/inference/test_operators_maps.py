"""Maps as real operators fill them, and tables that people keep of the same things, on one cluster."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import analyse, config_map, thing

APPS = {
    "shop": ["cart", "checkout", "catalog", "web-frontend", "recommendation"],
    "shop-staging": ["cart", "checkout", "catalog", "web-frontend"],
    "payments": ["ledger", "payment-gateway", "fraud-detector"],
    "payments-staging": ["ledger", "payment-gateway"],
    "search": ["indexer", "query-api"],
    "monitoring": ["grafana", "alertmanager", "kube-state-metrics"],
    "data-platform": ["airflow-web", "spark-history", "kafka-ui"],
    "ml-training": ["trainer", "mlflow"],
}
OWN = ["prod", "test"]  # that stand in every dump of `analyse`
SYSTEM = ["default", "kube-system", "kube-public", "kube-node-lease"]
COUNTED = ["cp-1", "cp-2", "cp-3", "worker-1", "worker-2", "worker-3", "worker-4", "worker-6"]
CLOUD = [
    f"ip-10-20-{subnet}-{host}.eu-west-1.compute.internal"
    for subnet, host in ((1, 17), (1, 201), (2, 33), (2, 87), (3, 9), (3, 140))
]
PAIRS = [(namespace, app) for namespace, apps in APPS.items() for app in apps]


def cluster(nodes: list[str] = COUNTED) -> list[dict[str, Any]]:
    made = [thing("Namespace", name, "", api_version="v1") for name in [*SYSTEM, *APPS]]
    made += [thing("Node", name, "", api_version="v1") for name in nodes]
    for namespace, app in PAIRS:
        made.append(thing("Deployment", app, namespace, api_version="apps/v1"))
        made += [thing(kind, app, namespace, api_version="v1") for kind in ("Service", "ServiceAccount")]
    return made


def told(folder: Path, objects: list[dict[str, Any]], state: str = "found") -> set[str]:
    return {finding.key.key for finding in analyse(folder, objects) if finding.state == state}


def written_by(manager: str, data: dict[str, str]) -> dict[str, Any]:
    fields = {"f:data": {f"f:{key}": {} for key in data}}
    entry = {"manager": manager, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields}
    return {"managedFields": [entry]}


def own(kind: str, names: list[str], api_version: str = "example.io/v1") -> list[dict[str, Any]]:
    return [thing(kind, name, "shop", api_version=api_version) for name in names]


@pytest.mark.parametrize("value", ["CC-1", "standard", json.dumps({"tier": 1, "team": "x"})])
def test_table_of_some_namespaces_and_of_planned_ones_is_no_registry(tmp_path: Path, value: str) -> None:
    some = ["shop", "payments", "payments-staging", "search", "data-platform"]
    costs = config_map(dict.fromkeys([*some, "monitoring", "loyalty", "marketing"], value), "namespace-costs", "payments")
    assert told(tmp_path, [*cluster(), costs]) == set()


def test_what_is_nobodys_is_no_namespace(tmp_path: Path) -> None:
    costs = config_map(dict.fromkeys([*SYSTEM, *APPS, *OWN, "shared", "unallocated"], "CC-1"), "namespace-costs", "payments")
    assert told(tmp_path, [*cluster(), costs]) == set()


@pytest.mark.parametrize("left_out", [SYSTEM, SYSTEM[1:], []])
def test_registry_of_namespaces_may_leave_out_those_of_the_system(tmp_path: Path, left_out: list[str]) -> None:
    kept = [name for name in [*SYSTEM, *APPS, *OWN] if name not in left_out]
    ids = config_map(
        {name: hashlib.sha1(name.encode()).hexdigest()[:20] for name in [*kept, "billing", "legacy-shop"]}, "namespace-id"
    )
    assert told(tmp_path, [*cluster(), ids]) == {"billing", "legacy-shop"}


@pytest.mark.parametrize("others", [["nas-01", "printer-3"], ["stock-0", "stock-1"], ["build-07.corp.example.com"]])
def test_what_is_called_otherwise_than_counted_machines_is_none_of_them(tmp_path: Path, others: list[str]) -> None:
    hosts = config_map({name: f"10.1.1.{number}" for number, name in enumerate([*COUNTED, *others])}, "hosts-file")
    assert told(tmp_path, [*cluster(), hosts]) == set()


def test_machine_that_was_counted_on_is_gone_where_numbers_are_sparse(tmp_path: Path) -> None:
    """A plan of a rack counts every place; machines that came and went leave few of the numbers."""
    nodes = ["node-0", "node-1", "node-2"]
    ids = config_map({name: json.dumps({"id": 3, "shard": 1}) for name in [*nodes, "node-21", "node-36"]}, "node-id")
    assert told(tmp_path, [*cluster(nodes), ids]) == {"node-21", "node-36"}
    plan = config_map({f"node-{number}": json.dumps({"id": number, "shard": 1}) for number in range(8)}, "node-plan")
    assert told(tmp_path, [*cluster(nodes), plan]) == set()


def test_address_of_a_cloud_is_a_name_that_nobody_types(tmp_path: Path) -> None:
    gone = "ip-10-20-1-55.eu-west-1.compute.internal"
    taken = {name: json.dumps({"state": "drained", "since": "2026-05-01T00:00:00Z"}) for name in [*CLOUD[:5], gone]}
    assert told(tmp_path, [*cluster(CLOUD), config_map(taken, "drains", "shop")]) == {gone}


TABLES = {
    "files": (["acme", "globex", "initech", "hooli"], ["contoso.json", "fabrikam.json", "northwind.json"], '{"plan": "gold"}'),
    "words": (["acme", "globex", "initech", "hooli", "umbrella"], ["contoso", "fabrikam", "northwind"], "a@example.com"),
    "times": (["orders", "payments-in", "cart-events", "audit-log"], ["clickstream", "iot-raw"], "7d"),
    "owners": (["web-01", "db-01", "build-01"], ["esx-07", "mainframe-2"], '{"os": "rhel9", "owner": "x"}'),
}


@pytest.mark.parametrize("table", sorted(TABLES))
def test_few_objects_beside_lines_for_others_prove_nothing(tmp_path: Path, table: str) -> None:
    live, others, value = TABLES[table]
    end = ".json" if table == "files" else ""
    kept = config_map(dict.fromkeys([*(name + end for name in live), *others], value), "customers")
    assert told(tmp_path, [*cluster(), *own("Account", live), kept]) == set()


def test_kubeadm_says_whom_the_endpoints_of_its_status_are_for(tmp_path: Path) -> None:
    lines = "".join(
        f"  {name}:\n    advertiseAddress: 192.0.2.1\n    bindPort: 6443\n" for name in ("cp-1", "cp-2", "cp-3", "cp-old")
    )
    status = {
        "ClusterConfiguration": "kind: ClusterConfiguration\n",
        "ClusterStatus": f"apiEndpoints:\n{lines}kind: ClusterStatus\n",
    }
    held = config_map(status, "kubeadm-config", "kube-system")
    assert told(tmp_path, [*cluster(), held]) == {"cp-old"}
    elsewhere = config_map(status, "endpoints", "shop")
    assert told(tmp_path, [*cluster(), elsewhere]) == set()


def test_kind_of_which_all_have_a_key_is_weighed_before_those_that_are_called_so_too(tmp_path: Path) -> None:
    """A Canary for each of four apps, beside the Deployment, Service and ServiceAccount of every app."""
    canaries = [("shop", "cart"), ("shop", "checkout"), ("payments", "ledger"), ("search", "query-api")]
    objects = [thing("Canary", name, namespace, api_version="flagger.app/v1beta1") for namespace, name in canaries]
    state = {
        f"{namespace}-{name}": json.dumps({"phase": "Succeeded", "weight": 0})
        for namespace, name in [*canaries, ("shop", "wishlist")]
    }
    held = config_map(state, "canary-state", "shop", metadata=written_by("flagger", state))
    assert told(tmp_path, [*cluster(), *objects, held]) == {"shop-wishlist"}


def test_apps_that_live_in_two_namespaces_have_a_key_in_each(tmp_path: Path) -> None:
    """`shop.cart` and `shop-staging.cart` are two keys of two objects, not two keys of each app."""
    taken = {
        f"{namespace}.{app}": json.dumps({"cpu": [1, 2], "replicas": 2}) for namespace, app in [*PAIRS, ("shop", "wishlist")]
    }
    held = config_map(taken, "hpa-history", metadata=written_by("hpa-recorder", taken))
    assert told(tmp_path, [*cluster(), held]) == {"shop.wishlist"}


GODS = ["zeus", "hera", "apollo", "athena"]
AGENTS = ["k3s-server-0", "k3s-agent-0", "k3s-agent-1"]


@pytest.mark.parametrize(
    ("nodes", "others"),
    [(GODS, ["hermes", "backup-nas"]), (AGENTS, ["switch-1", "nas"]), (AGENTS, ["printer"])],
)
@pytest.mark.parametrize("value", ["rack 1", json.dumps({"cpu": 8, "ram": 64})])
def test_other_machines_of_a_house_are_no_nodes(tmp_path: Path, nodes: list[str], others: list[str], value: str) -> None:
    machines = config_map(dict.fromkeys([*nodes, *others], value), "machines", "shop")
    assert told(tmp_path, [*cluster(nodes), machines]) == set()


TENANTS = ["acme", "globex", "initech", "hooli", "umbrella", "soylent", "tyrell"]
DECIDED = ["a@example.com", "12.50", "99.9%", "30d", "0 3 * * *", "the system that does a thing", '{"owner": "x", "notes": "y"}']


@pytest.mark.parametrize("value", DECIDED)
def test_what_people_decide_is_for_whatever_they_think_of(tmp_path: Path, value: str) -> None:
    """A table that has a line for each of seven Tenants, and for two customers without one."""
    data = dict.fromkeys([*TENANTS, "contoso", "fabrikam"], value)
    live = [*cluster(), *own("Tenant", TENANTS)]
    assert told(tmp_path, [*live, config_map(data, "tenant-table")]) == set()
    assert told(tmp_path, [*live, config_map(data, "tenant-table")], "suspect") == {"contoso", "fabrikam"}
    # an operator may note whom to write to as well
    written = config_map(data, "tenant-table", metadata=written_by("tenant-operator", data))
    assert told(tmp_path, [*live, written]) == {"contoso", "fabrikam"}


@pytest.mark.parametrize(
    ("form", "value"),
    [("{}-enabled", "true"), ("enable-{}", "false"), ("{}.md", "# title\ntext\n"), ("{}.svg", "<svg/>"), ("{}.sh", "exit 0\n")],
)
def test_switches_pages_and_scripts_are_called_after_what_they_are_about(tmp_path: Path, form: str, value: str) -> None:
    data = dict.fromkeys(map(form.format, [*TENANTS, "contoso", "fabrikam"]), value)
    assert told(tmp_path, [*cluster(), *own("Tenant", TENANTS), config_map(data)]) == set()


def test_what_has_no_number_is_none_of_what_is_counted(tmp_path: Path) -> None:
    sites = ["berlin-1", "paris-2", "oslo-1", "madrid-3", "rome-1"]
    ports = config_map(dict.fromkeys([*sites, "hq-munich", "dr-site", "wien-1"], "30010"))
    assert told(tmp_path, [*cluster(), *own("Site", sites), ports]) == {"wien-1"}


@pytest.mark.parametrize("form", ["{}.{}", "{}_{}"])
def test_few_pairs_of_workloads_are_those_that_somebody_thought_of(tmp_path: Path, form: str) -> None:
    targets = config_map(dict.fromkeys([form.format(*pair) for pair in [*PAIRS[:6], ("shop", "wishlist")]], "3"), "overrides")
    assert told(tmp_path, [*cluster(), targets]) == set()


def test_few_addresses_of_services_are_those_that_somebody_allowed(tmp_path: Path) -> None:
    pairs = [*PAIRS[:3], ("shop", "wishlist")]
    hosts = config_map(
        {f"{app}.{namespace}.svc.cluster.local": "" for namespace, app in pairs} | {"smtp.example.com": ""}, "egress"
    )
    assert told(tmp_path, [*cluster(), hosts]) == set()


PEOPLES_VALUES = ["team-a", "10.1.0.0/16", "on", "cn=x", '{"cpu": 4, "mem": "8Gi"}', '{"team": "x", "env": "prod"}']


@pytest.mark.parametrize("value", PEOPLES_VALUES)
@pytest.mark.parametrize("form", ["{}", "grp-{}"])
def test_table_of_all_namespaces_that_people_made_may_name_what_is_none(tmp_path: Path, form: str, value: str) -> None:
    names = [*APPS, *OWN]
    teams = config_map(dict.fromkeys(map(form.format, [*names, "loyalty", "office-berlin"]), value), "teams", "shop")
    assert told(tmp_path, [*cluster(), teams]) == set()
    document = {"teams": {name: {"cpu": 4, "mem": "8Gi"} for name in [*names, "loyalty"]}}
    assert told(tmp_path, [*cluster(), config_map({"config.json": json.dumps(document)}, "settings")]) == set()


def test_usage_of_namespaces_is_a_programs(tmp_path: Path) -> None:
    """It has the fields of a quota, and Kubernetes' own namespaces as well."""
    usage = config_map({name: json.dumps({"cpu": 1, "memory": 2}) for name in [*SYSTEM, *APPS, *OWN, "legacy-shop"]}, "usage")
    assert told(tmp_path, [*cluster(), usage]) == {"legacy-shop"}


def test_secret_for_each_namespace_may_have_others_beside_it(tmp_path: Path) -> None:
    """No program left them out, as registries leave out the system's: people made one for each of theirs."""
    certificates = [
        thing("Secret", f"{name}-tls", "shop", api_version="v1", type="Opaque", data={"a": "eA=="})
        for name in [*APPS, *OWN, "www", "partner-portal"]
    ]
    assert told(tmp_path, [*cluster(), *certificates]) == set()


def test_piece_of_a_few_keys_tells_nothing_where_most_are_names_as_a_whole(tmp_path: Path) -> None:
    """A route for each app; two Classes are called as the beginnings of two of them."""
    words, parts = ("echo", "raven", "sable", "umber"), ("api", "proxy", "cache", "worker")
    apps = [f"{word}-{part}" for word in words for part in parts] + ["quartz-exporter", "tundra-exporter"]
    live = [*cluster(), *own("Class", ["quartz", "tundra", "flint", "dune", "acorn", "basalt"])]
    live += [thing("Deployment", app, "shop", api_version="apps/v1") for app in apps]
    routes = {app: json.dumps({"weight": 1, "path": "/"}) for app in [*apps, "jade-exporter"]}
    held = config_map(routes, "app-routes", metadata=written_by("site-controller", routes))
    assert told(tmp_path, [*live, held]) == set()


def test_three_around_whose_names_the_same_stands_tell_as_little(tmp_path: Path) -> None:
    names = ["terpami-us", "bara-17", "zilolo-prod", "ropa-blue", "noga-gmbh", "kolluriga-v2"]
    shards = config_map({f"shard-{name}": "" for name in names}, "tenant-table")
    assert told(tmp_path, [*cluster(), *own("Tenant", names[:3]), shards]) == set()


def test_two_of_four_that_a_program_wrote_are_no_proof_and_four_of_six_are(tmp_path: Path) -> None:
    names = ["kollozi-2", "palu-blue", "rirodab-eu", "lopa-inc", "zenit-one", "quarz-ag"]
    for live, every, gone in ((2, 4, set()), (4, 6, {"zenit-one", "quarz-ag"})):
        data = dict.fromkeys(names[:every], '["a", "b"]')
        held = config_map(data, "tenant-state", metadata=written_by("python-requests", data))
        assert told(tmp_path, [*cluster(), *own("Tenant", names[:live]), held]) == gone


def test_three_names_that_a_machine_made_tell(tmp_path: Path) -> None:
    names = [f"build-cart-{end}" for end in ("x7k2p", "m4vbn", "q9wzt", "b2c4d", "zz8kq")]
    locks = config_map({f"{name}.lock": "held" for name in names}, "locks")
    assert told(tmp_path, [*cluster(), *own("PipelineRun", names[:3]), locks]) == {f"{name}.lock" for name in names[3:]}
