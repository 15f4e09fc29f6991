"""Keys of an earlier object of the same name."""

from __future__ import annotations

import json
from pathlib import Path

from tests.helpers import analyse, config_map, keys, thing

LIVE = [f"shop-{n}" for n in range(7)]
OLD = "0f0f0f0f-1111-4222-8333-444444444444"


def test_other_uid_of_the_same_name_is_said_so(tmp_path: Path) -> None:
    tenants = [thing("Tenant", name) for name in LIVE]
    data = {item["metadata"]["name"]: json.dumps({"uid": item["metadata"]["uid"]}) for item in tenants}
    data["shop-3"] = json.dumps({"uid": OLD})
    found = analyse(tmp_path, [*tenants, config_map(data)])
    assert keys(found) == keys(found, "recreated-subject") == {"shop-3"}
    assert OLD in found[0].message


def test_same_uid_is_no_finding(tmp_path: Path) -> None:
    tenants = [thing("Tenant", name) for name in LIVE]
    data = {item["metadata"]["name"]: json.dumps({"uid": item["metadata"]["uid"]}) for item in tenants}
    assert analyse(tmp_path, [*tenants, config_map(data)]) == []
