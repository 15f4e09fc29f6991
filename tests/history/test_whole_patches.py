"""Patches that give the data of a map anew, or take it away, or copy keys, at levels with and without the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.history.shop import Shop, told

KEY = "t1.amber-0"
LEFT = {"settings": "1"}


@pytest.mark.parametrize("level", ["Request", "RequestResponse"])
@pytest.mark.parametrize(
    ("body", "left"),
    [
        ({"data": None}, {}),
        ({"data": {"$patch": "delete"}}, {}),
        ({"data": {"$patch": "replace", **LEFT}}, LEFT),
        ([{"op": "remove", "path": "/data"}], {}),
        ([{"op": "replace", "path": "/data", "value": LEFT}], LEFT),
        ([{"op": "test", "path": "/data/settings", "value": "1"}, {"op": "add", "path": "/data", "value": LEFT}], LEFT),
    ],
)
def test_data_that_is_given_anew_has_none_of_what_it_leaves_out(
    tmp_path: Path, level: str, body: Any, left: dict[str, str]
) -> None:
    log = Shop()
    lines = [*log.begin(), log.subject(20, "delete", "t1", "amber-0")]
    gone = dict.fromkeys(set(log.maps["shop", "m"]) - set(left))
    lines += [log.patch(21, "shop", "m", gone, body=body, level=level), log.patch(30, "shop", "other", {"last": "1"})]
    found = told(tmp_path, lines)
    assert found.ghosts == []
    assert {row["key"] for row in found.keys if row["is_present"]} == set(left)
    assert not [row for row in found.coverage if row["is_gap"]]


@pytest.mark.parametrize("level", ["Request", "RequestResponse"])
@pytest.mark.parametrize("op", ["copy", "move"])
def test_value_that_is_copied_is_not_an_empty_one(tmp_path: Path, level: str, op: str) -> None:
    log = Shop()
    lines = [*log.begin(), log.subject(20, "delete", "t1", "amber-0"), log.patch(21, "shop", "m", {KEY: None})]
    body = [{"op": op, "from": "/data/t1.birch-1", "path": f"/data/{KEY}"}]
    changed = {KEY: "v"} | ({"t1.birch-1": None} if op == "move" else {})
    lines += [log.patch(22, "shop", "m", changed, body=body, level=level), log.patch(30, "shop", "other", {"last": "1"})]
    assert [(row["key"], row["class"]) for row in told(tmp_path, lines).ghosts] == [(KEY, "written-again")]
