"""When a map will be full: made series against their true dates, and limits against what an API server refuses."""

from __future__ import annotations

import dataclasses
import json
import statistics
from pathlib import Path

import pytest
from bench.growth import ENDED, REGULAR, SORTS, score

from ghostkey import story
from ghostkey.kube.sizes import OBJECT_LIMIT
from ghostkey.store.engines import DuckEngine
from ghostkey.store.history import History
from ghostkey.story.limits import Size, limits
from ghostkey.story.rates import DAY, law_of
from ghostkey.testing import ControlPlane
from tests.history.test_mistakes import SHOWS_ALL

MAPS = "/api/v1/namespaces/default/configmaps"
BEGIN = 1_795_000_000_000_000


@pytest.mark.parametrize("sort", SORTS)
def test_date_is_near_the_true_one_and_the_interval_holds_it(sort: str, scale: int) -> None:
    seeds = 6 * scale
    found = score(sort, seeds)
    if sort in ENDED:
        assert found.right_none == seeds
        return
    assert found.inside >= (0.8 if sort in REGULAR else 0.5) * seeds
    assert statistics.median(found.errors) <= (0.05 if sort in REGULAR else 0.3)


def test_seconds_of_history_tell_no_date() -> None:
    points = [(BEGIN + n * 1_000_000, 100.0 * n) for n in range(60)]
    assert law_of(points, BEGIN + 60_000_000, 1e6).shape == "short"


def test_growth_that_ended_long_before_the_end_of_what_was_seen_has_no_date() -> None:
    points = [(BEGIN + n * DAY, 100.0 * n) for n in range(20)]
    law = law_of(points, BEGIN + 40 * DAY, 1e5)
    assert (law.shape, law.full_at) == ("ended", None)
    assert law.since <= BEGIN + 23 * DAY


# keys of 39 characters with values of 20 bytes, as they were put into a real API server until it refused:
# an apply by 14,500 of them, an update by 25,000
@pytest.mark.parametrize(("size", "binding", "least", "most"), [
    (Size(managed=1, applies=1, managers=1), "stored object with managedFields/1.5 MiB", 13_500, 14_500),
    (Size(managed=1), "stored object/1.5 MiB", 23_000, 25_000),
])  # fmt: skip
def test_limit_is_the_one_that_a_real_server_refused_by(size: Size, binding: str, least: int, most: int) -> None:
    keys = [f"team-{n:04d}.tenant-{n:025d}"[:39] for n in range(2_000)]
    assert {len(key) for key in keys} == {39}
    names = sum(len(key) + 8 for key in keys)
    shown = dataclasses.replace(size, managed=names, names=names, keys=2_000 * 59)
    found = limits(keys, [20] * len(keys), shown)
    assert min(found, key=found.__getitem__) == binding
    assert least <= found[binding] / 59 <= most


def test_map_that_a_real_server_filled_by_apply_meets_its_limit_where_it_is_told(tmp_path: Path) -> None:
    """Two managers apply the same keys until the server refuses; the sizes are those that the responses show."""
    with ControlPlane(audit_policy=SHOWS_ALL) as control_plane:
        control_plane.request("POST", MAPS, {"metadata": {"name": "full"}, "data": {}})
        count, full = 0, 0
        while not full:
            count += 500
            data = {f"team-{n:04d}.tenant-number-{n:08d}": "value of twenty byte" for n in range(count)}
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "full"}, "data": data}
            for manager in ("gitops", "operator"):
                path = f"{MAPS}/full?fieldManager={manager}&force=true"
                status, _ = control_plane.raw("PATCH", path, json.dumps(body).encode(), "application/apply-patch+yaml")
                if status >= 400:
                    full = count
                    break
        control_plane.wait_until(lambda: '"code":' in control_plane.audit_log.read_text()[-4000:], "the log has the refusal")
        store = History(tmp_path / "store")
        story.import_paths(store, [control_plane.audit_log])
    engine = DuckEngine(store)
    holder = ("configmaps", "default", "full")
    story.prepare(engine, only=holder)
    told = story.story_of(engine, *holder)
    present = [row for row in told.keys if row["is_present"]]
    # asked when it was an eighth full
    few = present[: len(present) // 8]
    room = limits([row["key"] for row in few], [row["value_bytes"] for row in few], told.size)
    binding = min(room, key=room.__getitem__)
    assert told.size.applies == 2
    assert binding == "stored object with managedFields/1.5 MiB"
    per_key = len(present[0]["key"]) + 20
    assert full - 500 <= room[binding] / per_key <= 1.03 * full
    assert room["stored object/1.5 MiB"] < OBJECT_LIMIT
