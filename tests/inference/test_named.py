"""Keys that say nothing, over values that name objects: the names are weighed as keys are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers import analyse, config_map, keys, thing

LIVE = ["velora", "kolmeri-inc", "dabrion-eu", "sofano-2", "terluka-gmbh", "minora-eu"]
GONE = ["galuba-7", "romeka-inc"]
WAYS: dict[str, Callable[[str], str]] = {
    "a field of any name": lambda name: json.dumps({"tenantRef": f"prod/{name}", "weight": 3}),
    "a field called after whom it is about": lambda name: json.dumps({"tenant": name, "plan": "gold"}),
    "a field of its name": lambda name: json.dumps({"tenantName": name, "plan": "gold"}),
    "the one entry of a list": lambda name: json.dumps([f"prod/{name}"]),
    "fields of YAML": lambda name: f"name: {name}\nnamespace: prod\nplan: gold\n",
    "properties": lambda name: f"name={name}\nplan=gold\n",
    "a field of which the last word is whom it is about": lambda name: json.dumps({"assignedTenantName": name, "plan": "gold"}),
    "the same with underscores": lambda name: json.dumps({"assigned_tenant": name, "plan": "gold"}),
    "kind and name": lambda name: json.dumps({"kind": "Tenant", "name": name}),
    "the whole value": lambda name: name,
    "kind, namespace and name": lambda name: f"tenant/prod/{name}",
    "a pair": lambda name: f"prod/{name}:5432",
}


def _slots(names: list[str], write: Callable[[str], str]) -> dict[str, str]:
    return {f"slot-{number:03d}": write(name) for number, name in enumerate(names)}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_key_whose_value_names_what_is_gone_is_found(tmp_path: Path, way: str) -> None:
    tenants = [thing("Tenant", name, "prod") for name in LIVE]
    registry = config_map(_slots(LIVE + GONE, WAYS[way]))
    assert keys(analyse(tmp_path, [*tenants, registry]), "ghost-key") == {"slot-006", "slot-007"}


def test_entries_of_a_document_are_told_by_what_they_name(tmp_path: Path) -> None:
    tenants = [thing("Tenant", name, "prod") for name in LIVE]
    drives = {f"{number:08x}-0000-4000-8000-000000000000": name for number, name in enumerate(LIVE + GONE)}
    document = json.dumps({uid: {"type": "pd", "boundTenantName": name} for uid, name in drives.items()})
    found = analyse(tmp_path, [*tenants, config_map({"drives": document})])
    assert {finding.key.key for finding in found} == {uid for uid, name in drives.items() if name in GONE}


def test_two_of_a_kind_in_one_value_say_of_neither_that_it_is_the_subject(tmp_path: Path) -> None:
    tenants = [thing("Tenant", name, "prod") for name in LIVE]
    moves = config_map(_slots(LIVE + GONE, lambda name: json.dumps({"sourceTenant": name, "targetTenant": f"{name}-new"})))
    assert keys(analyse(tmp_path, [*tenants, moves]), "ghost-key") == set()


@pytest.mark.parametrize("kind", ["Service", "Deployment"])
@pytest.mark.parametrize("way", ["fields of YAML", "kind and name", "the whole value", "properties", "a field of its name"])
def test_page_of_settings_beside_those_of_apps_is_no_ghost(tmp_path: Path, kind: str, way: str) -> None:
    """Dashboards are called as the apps are, and some are about none: words that people choose."""
    apps = ["cart", "checkout", "catalog", "pricing", "orders", "invoices", "search", "mail"]
    version = "v1" if kind == "Service" else "apps/v1"
    live = [thing(kind, name, "prod", api_version=version) for name in apps]
    pages = config_map(_slots([*apps, "overview", "corp-gateway"], WAYS[way]))
    found = analyse(tmp_path, [*live, pages])
    assert not [finding.key.key for finding in found if finding.state != "suspect"]


def test_value_that_says_another_kind_is_not_about_this_one(tmp_path: Path) -> None:
    tenants = [thing("Tenant", name, "prod") for name in LIVE]
    values = [json.dumps({"kind": "Tenant", "name": name}) for name in LIVE]
    values += [json.dumps({"kind": "Vault", "name": name}) for name in GONE]
    registry = config_map({f"slot-{number}": value for number, value in enumerate(values)})
    assert keys(analyse(tmp_path, [*tenants, registry]), "ghost-key") == set()


OTHERS = ["zenit-one", "brolin-2", "quarz-ag", "acme-corp", "nordan-4", "ostrava-7"]


@pytest.mark.parametrize("field", ["hostname", "bucketName", "databaseName", "path", "image", "username"])
def test_field_that_says_whose_name_it_is_names_nobody_else(tmp_path: Path, field: str) -> None:
    """Hosts, buckets and paths that are called as Tenants are, and one that is not."""
    tenants = [thing("Tenant", name, "prod") for name in LIVE + OTHERS]
    write = (lambda name: f"prod/{name}") if field in {"path", "image"} else str
    registry = config_map(_slots([*LIVE, *OTHERS, "shared-assets"], lambda name: json.dumps({field: write(name), "size": 3})))
    assert keys(analyse(tmp_path, [*tenants, registry]), "ghost-key") == set()


def test_kind_that_values_say_is_the_only_one_that_is_matched(tmp_path: Path) -> None:
    """Services live that are called as the Deployments were."""
    deployments = [thing("Deployment", name, "prod", api_version="apps/v1") for name in LIVE + OTHERS]
    services = [thing("Service", name, "prod", api_version="v1") for name in LIVE + OTHERS + GONE]
    values = [json.dumps({"kind": "Deployment", "namespace": "prod", "name": name}) for name in LIVE + OTHERS + GONE]
    registry = config_map({f"slot-{number:03d}": value for number, value in enumerate(values)})
    found = analyse(tmp_path, [*deployments, *services, registry])
    assert {(finding.subjects[0].kind.kind, finding.subjects[0].name) for finding in found} <= {("Deployment", n) for n in GONE}


def test_few_live_names_or_one_name_for_many_keys_tell_nothing(tmp_path: Path) -> None:
    tenants = [thing("Tenant", name, "prod") for name in LIVE[:4]]
    few = config_map(_slots([*LIVE[:4], "galuba-7"], WAYS["the whole value"]), "few")
    plans = [thing("Plan", name, "prod") for name in LIVE]
    shared = config_map(_slots([*LIVE, *LIVE, "galuba-7"], lambda name: json.dumps({"plan": name})), "shared")
    assert keys(analyse(tmp_path, [*tenants, *plans, few, shared]), "ghost-key") == set()


def test_key_is_declared_where_a_manifest_holds_it_and_not_where_it_holds_the_name(tmp_path: Path) -> None:
    tenants = [thing("Tenant", name, "prod") for name in LIVE + OTHERS]
    slots = _slots([*LIVE, *OTHERS, "galuba-7"], WAYS["the whole value"])
    for held, state in ((["galuba-7"], "found"), (["slot-012"], "declared")):
        applied = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "data": dict.fromkeys(held, "1")})
        metadata = {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied}}
        found = analyse(tmp_path, [*tenants, config_map(slots, metadata=metadata)])
        assert {(f.key.key, f.state) for f in found if f.analysis == "ghost-key"} <= {
            ("slot-012", state),
            ("slot-012", "suspect"),
        }


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_end_as_they_like(tmp_path: Path, end: str) -> None:
    tenants = [thing("Tenant", name, "prod") for name in LIVE]
    registry = config_map(_slots(LIVE + GONE, lambda name: f"name:   {name}{end}plan: gold{end}"))
    assert keys(analyse(tmp_path, [*tenants, registry]), "ghost-key") == {"slot-006", "slot-007"}


@pytest.mark.parametrize(("live", "state"), [(5, "suspect"), (6, "found")])
def test_few_ports_of_services_prove_nothing(tmp_path: Path, live: int, state: str) -> None:
    """Words for what workloads do meet those that live by chance."""
    words = ["proxy", "router", "exporter", "importer", "scheduler", "indexer"][:live]
    services = [
        thing("Service", word, place, api_version="v1") for word in words for place in ("edge-dev", "legal-prod", "growth")
    ]
    ports = {f"{8000 + number}": f"edge-dev/{word}:80" for number, word in enumerate([*words, "mailer"])}
    found = analyse(tmp_path, [*services, config_map(ports)])
    assert {(finding.key.key, finding.state) for finding in found} == {(f"{8000 + live}", state)}


def test_kind_may_be_as_short_as_people_write_it_and_a_path_is_none(tmp_path: Path) -> None:
    machines = [thing("VirtualMachine", name, "prod", api_version="kubevirt.io/v1") for name in LIVE]
    macs = {f"02-00-00-00-00-{number:02x}": f"vm/prod/{name}" for number, name in enumerate(LIVE + GONE)}
    assert keys(analyse(tmp_path, [*machines, config_map(macs)]), "ghost-key") == {f"02-00-00-00-00-{n:02x}" for n in (6, 7)}
    images = {f"image-{number}": f"library/prod/{name}" for number, name in enumerate(LIVE + GONE)}
    assert keys(analyse(tmp_path, [*machines, config_map(images)]), "ghost-key") == set()
