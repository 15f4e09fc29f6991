"""Maps of one name in many namespaces: each is judged by what it holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import analyse, config_map, keys, thing


def test_maps_of_the_same_name_that_know_nothing_of_it_do_not_hide_a_ghost(tmp_path: Path) -> None:
    live, gone = [f"shop-{n}" for n in range(6)], [f"shop-{n}" for n in range(6, 15)]
    tenants = [thing("Tenant", name, "prod") for name in live]
    registry = config_map({f"prod.{name}": "{}" for name in live + gone})
    others = [config_map({"keep": "1", "old": "2"}, namespace=f"test-{n}") for n in range(20)]
    elsewhere = [thing("Tenant", f"shop-{n}", f"test-{n}") for n in range(8)]
    others += [config_map({f"test-{n}.shop-{m}": "{}" for m in range(8)}, namespace=f"more-{n}") for n in range(8)]
    found = analyse(tmp_path, [*tenants, registry, *others, *elsewhere])
    assert {f"prod.{name}" for name in gone} <= keys(found, "ghost-key")


def by_a_program(data: dict[str, str], name: str) -> dict[str, Any]:
    fields = {"f:data": {f"f:{key}": {} for key in data}}
    entry = {
        "manager": "python-requests",
        "operation": "Update",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    return config_map(data, name, metadata={"managedFields": [entry]})


def test_map_of_another_kind_is_not_judged_by_one_of_the_same_name(tmp_path: Path) -> None:
    """A registry of Sites in one namespace proves nothing of a table in another, in which three Tenants stand."""
    sites = [thing("Site", f"lugave-{number:02d}", "prod") for number in range(12)]
    tenants = [thing("Tenant", name, "test") for name in ("babakazi", "onterondab", "galolu")]
    lost = {f"lugave-{number:02d}" for number in range(31, 41)}
    registry = config_map(dict.fromkeys((*lost, *(f"lugave-{number:02d}" for number in range(12))), "1"), "site-state-0", "prod")
    others = ("kanonori", "faterba-17", "nonozime-inc")
    table = config_map(dict.fromkeys(("babakazi", "onterondab", "galolu", *others), "1"), "site-state-0", "test")
    found = [finding for finding in analyse(tmp_path, [*sites, *tenants, registry, table]) if finding.state == "found"]
    assert {(finding.key.holder.namespace, finding.key.key) for finding in found} == {("prod", name) for name in lost}


@pytest.mark.parametrize(("others", "state"), [(7, "suspect"), (24, "found")])
def test_short_table_takes_more_than_a_long_registry(tmp_path: Path, others: int, state: str) -> None:
    """People keep tables of customers, of whom some have a custom resource; not of thirty, and with a program."""
    names = ["vebaon-eu", "lugavepa-inc", "loluve-2", "miriter-gmbh", "rakakol-eu", "terterdab-v2"]
    rest = [
        f"{first}{second}-inc"
        for first in ("bara", "kollu", "luko", "sodab", "zika")
        for second in ("lba", "nri", "riz", "mep", "tev")
    ]
    table = by_a_program(dict.fromkeys((*names, *rest[:others]), ""), "shop-index-0")
    found = [f for f in analyse(tmp_path, [*(thing("Shop", name) for name in names), table]) if f.analysis == "ghost-key"]
    assert {(f.key.key, f.state) for f in found} == {(name, state) for name in rest[:others]}


def test_kind_of_which_all_have_a_key_is_what_a_map_is_about(tmp_path: Path) -> None:
    """However many objects of another kind are called so, too, and half of which have none."""
    databases = [thing("Database", f"tenant-{number:03d}") for number in range(180)]
    tenants = [thing("Tenant", f"tenant-{number:03d}") for number in range(200, 216)]
    some = (*range(0, 180, 2), *range(200, 216), *range(300, 380))
    registry = config_map({f"tenant-{number:03d}-0": json.dumps({"shard": number % 9, "plan": "gold"}) for number in some})
    (first, *_) = [finding for finding in analyse(tmp_path, [*databases, *tenants, registry]) if finding.analysis == "ghost-key"]
    assert {subject.kind.kind for subject in first.subjects} == {"Database", "Tenant"}
