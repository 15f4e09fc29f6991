"""Caps come from what a map has been: its peak and its growth, out of a store of history."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from ghostkey.testing import ControlPlane
from tests.guard.helpers import keys, make
from tests.helpers import Program

DAYS, A_DAY, NOW = 12, 40, 300  # the map grew by forty keys a day, and was trimmed to 300 this morning


def dumps(folder: Path, space: str, uid: str) -> None:
    """A dump of the map for each of the last days, the latest of this hour."""
    now = datetime.datetime.now(datetime.UTC)
    for day in range(DAYS, -1, -1):
        count = (DAYS - day + 1) * A_DAY if day else NOW
        at = (now - datetime.timedelta(days=day)).strftime("%Y-%m-%dT%H-%M-%SZ")
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "data": keys(count),
            "metadata": {"name": "m", "namespace": space, "uid": uid},
        }
        place = folder / at
        place.mkdir(parents=True)
        (place / "cm.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [body]}))


@pytest.mark.whole
def test_cap_follows_peak_and_growth_of_the_history(guarded: ControlPlane, program: Program, space: str, tmp_path: Path) -> None:
    make(guarded, space, "m", keys(NOW))
    uid = guarded.request("GET", f"/api/v1/namespaces/{space}/configmaps/m")["metadata"]["uid"]
    dumps(tmp_path / "dumps", space, uid)
    store = str(tmp_path / "store")
    imported = program("history", "import", "--store", store, "--source", "dumps", str(tmp_path / "dumps"))
    assert imported.code == 0, imported.err
    without = program("guard", "plan", "cm/m", "-n", space, "-o", "json").json["caps"][0]
    assert without["cap"] == NOW + NOW // 5
    assert "history" not in without["reason"]
    done = program("guard", "plan", "cm/m", "-n", space, "--store", store, "-o", "json")
    assert done.code == 1, done.err
    (cap,) = done.json["caps"]
    peak = DAYS * A_DAY
    assert cap["cap"] == peak + peak // 5, cap
    assert f"{NOW} keys now, {peak} at most in its history; {peak // 5} more as headroom" in cap["reason"]
    (caps,) = [step["after"] for step in done.json["steps"] if step["after"]["kind"] == "KeyCaps"]
    assert caps["spec"]["reasons"]["configmaps/m"] == cap["reason"], "the reason is written beside the cap"
    missing = program("guard", "plan", "cm/m", "-n", space, "--store", str(tmp_path / "none" / "x"))
    assert missing.code == 2, missing.err
    assert "holds no history" in missing.err


@pytest.mark.whole
def test_rate_of_growth_says_when_the_cap_is_met(guarded: ControlPlane, program: Program, space: str, tmp_path: Path) -> None:
    count = DAYS * A_DAY
    make(guarded, space, "m", keys(count))
    uid = guarded.request("GET", f"/api/v1/namespaces/{space}/configmaps/m")["metadata"]["uid"]
    dumps(tmp_path / "dumps", space, uid)
    # without the trim of this morning
    latest = max((tmp_path / "dumps").iterdir())
    for path in latest.iterdir():
        path.unlink()
    latest.rmdir()
    store = str(tmp_path / "store")
    assert program("history", "import", "--store", store, "--source", "dumps", str(tmp_path / "dumps")).code == 0
    (cap,) = program("guard", "plan", "cm/m", "-n", space, "--store", store, "-o", "json").json["caps"]
    assert f"it grows by {A_DAY}.0 keys a day, and meets the cap in" in cap["reason"], cap


def test_cap_is_not_sized_by_what_was_left_behind(guarded: ControlPlane, program: Program, space: str, tmp_path: Path) -> None:
    """A namespace came and went each day, and its key stayed until the trim of this morning."""
    steady = [f"bakery-{word}" for word in ("amber", "basalt", "cedar", "dune", "ember", "fjord", "grove", "heath")]
    make(guarded, space, "m", dict.fromkeys([*steady, "run-0"], "x"))
    uid = guarded.request("GET", f"/api/v1/namespaces/{space}/configmaps/m")["metadata"]["uid"]
    now = datetime.datetime.now(datetime.UTC)
    for day in range(DAYS, -1, -1):
        left = [f"run-{number}" for number in range(DAYS, day - 1, -1)] if day else ["run-0"]
        items = [
            {"apiVersion": "v1", "kind": "ConfigMap", "data": dict.fromkeys([*steady, *left], "x"),
             "metadata": {"name": "m", "namespace": space, "uid": uid}},
            *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": f"u-{name}"}} for name in [*steady, f"run-{day}", space]),
        ]  # fmt: skip
        place = tmp_path / "dumps" / (now - datetime.timedelta(days=day)).strftime("%Y-%m-%dT%H-%M-%SZ")
        place.mkdir(parents=True)
        (place / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    store = str(tmp_path / "store")
    assert program("history", "import", "--store", store, "--source", "dumps", str(tmp_path / "dumps")).code == 0
    (cap,) = program("guard", "plan", "cm/m", "-n", space, "--store", store, "-o", "json").json["caps"]
    alive = len(steady) + 1
    assert cap["cap"] == alive + 10, cap
    assert "in its history" not in cap["reason"], f"it had {alive + DAYS - 1} keys yesterday, and {alive} with a subject"
