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
    "a field of somebody's name": lambda name: json.dumps({"customerName": name, "plan": "gold"}),
    "the one entry of a list": lambda name: json.dumps([f"prod/{name}"]),
    "fields of YAML": lambda name: f"name: {name}\nnamespace: prod\nplan: gold\n",
    "properties": lambda name: f"name={name}\nplan=gold\n",
    "kind and name": lambda name: json.dumps({"kind": "Tenant", "name": name}),
    "the whole value": lambda name: name,
    "a pair": lambda name: f"prod/{name}:5432",
}


def _slots(names: list[str], write: Callable[[str], str]) -> dict[str, str]:
    return {f"slot-{number:03d}": write(name) for number, name in enumerate(names)}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_key_whose_value_names_what_is_gone_is_found(tmp_path: Path, way: str) -> None:
    tenants = [thing("Tenant", name, "prod") for name in LIVE]
    registry = config_map(_slots(LIVE + GONE, WAYS[way]))
    assert keys(analyse(tmp_path, [*tenants, registry]), "ghost-key") == {"slot-006", "slot-007"}


@pytest.mark.parametrize("kind", ["Service", "Deployment"])
@pytest.mark.parametrize(
    "way", ["fields of YAML", "kind and name", "the whole value", "properties", "a field of somebody's name"]
)
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
