"""When a map will be full: made series against their true dates, and limits against what an API server refuses."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.fills import POLICY, VALUE_BYTES, WAYS, fill
from bench.growth import ENDED, REGULAR, SORTS, score

from ghostkey.story.limits import Size, limits
from ghostkey.story.rates import DAY, law_of
from ghostkey.testing import ControlPlane

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


@pytest.fixture(scope="module")
def filled() -> Iterator[ControlPlane]:
    with ControlPlane(audit_policy=POLICY, apiserver_flags=["--audit-log-maxsize=4000"]) as control_plane:
        yield control_plane


@pytest.mark.whole
@pytest.mark.parametrize(("way", "value_bytes"), [(way, size) for way in WAYS for size in VALUE_BYTES])
def test_map_that_a_real_server_refused_met_its_limit_where_it_was_told(
    filled: ControlPlane, way: str, value_bytes: int, tmp_path: Path
) -> None:
    """Asked when it was an eighth full; the limit is the one that the server names."""
    found = fill(filled, way, value_bytes, tmp_path)
    assert found.is_right, (found, found.error)
    assert ("managedFields" in found.told) == (way.startswith("apply-by") and "values" not in found.told)


@pytest.mark.parametrize("day", [8, 15, 28])
def test_leak_that_goes_on_after_a_clearing_is_told_at_its_rate(day: int) -> None:
    """Somebody took half of it away once, by hand."""
    hours = 30 * 24
    values = [60.0 * (2 * hour - (day * 24 if hour >= day * 24 else 0)) for hour in range(hours)]
    points = [(BEGIN + hour * DAY // 24, value) for hour, value in enumerate(values)]
    law = law_of(points, points[-1][0], 4 * values[-1])
    left = 3 * values[-1] / (60 * 2 * 24) * DAY
    assert law.shape == "growing"
    assert law.full_at is not None
    assert abs(law.full_at - points[-1][0] - left) < 0.03 * left


def test_saw_of_which_one_tooth_was_seen_is_no_leak() -> None:
    values = [60.0 * (hour % 480) for hour in range(720)]
    points = [(BEGIN + hour * DAY // 24, value) for hour, value in enumerate(values)]
    assert law_of(points, points[-1][0], 1e6).full_at is None
