"""Maps of one name in many namespaces: each is judged by what it holds."""

from __future__ import annotations

from pathlib import Path

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
