"""Emptied values of gone subjects."""

from __future__ import annotations

from pathlib import Path

from tests.helpers import analyse, config_map, keys, thing

LIVE, GONE = [f"shop-{n}" for n in range(7)], ["shop-30", "shop-31"]
TENANTS = [thing("Tenant", name) for name in LIVE]


def test_emptied_value_of_a_gone_subject_is_a_tombstone(tmp_path: Path) -> None:
    data = {**dict.fromkeys([*LIVE, "shop-32"], '{"plan": "gold"}'), "shop-30": "", "shop-31": "null"}
    found = analyse(tmp_path, [*TENANTS, config_map(data)])
    assert keys(found, "tombstone") == set(GONE)
    assert keys(found, "ghost-key") == {"shop-32"}


def test_where_live_subjects_have_empty_values_it_is_a_ghost_key(tmp_path: Path) -> None:
    found = analyse(tmp_path, [*TENANTS, config_map(dict.fromkeys(LIVE + GONE, ""))])
    assert keys(found, "tombstone") == set()
    assert keys(found, "ghost-key") == set(GONE)
