"""Series of growth with their true dates, and how far the forecast is from them.

    python -m bench.growth [--seeds 20]

Each series is watched for a while and goes on by the same law; the true date is when it meets the limit then. Asked: within 5 %
for regular series, inside the 80 % interval in 80 % of all, and no date where growth has ended. Prints one JSON line for each sort.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ghostkey.story.rates import DAY, law_of

HOUR = DAY // 24
KEY_BYTES = 60.0
BEGIN = 1_795_000_000_000_000
YEARS = 12


@dataclass(frozen=True, slots=True)
class Series:
    """Points of (microseconds, bytes) until `end`, the limit, and when it is met; None: never."""

    points: list[tuple[int, float]]
    end: int
    limit: float
    true_at: int | None


Growth = Callable[[random.Random, int], float]  # what an hour of the history adds, in keys


def _steady(rng: random.Random) -> Growth:
    rate = rng.uniform(0.5, 8)
    return lambda _, hour: int((hour + 1) * rate) - int(hour * rate)


def _noise(rng: random.Random) -> Growth:
    rate = rng.uniform(1, 6)
    return lambda r, _: sum(r.random() < rate / 10 for _ in range(10))


def _saw(rng: random.Random, period: int) -> Growth:
    rate, left = rng.uniform(2, 8), rng.uniform(0.1, 0.5)

    def add(_: random.Random, hour: int) -> float:
        grown = int((hour + 1) * rate) - int(hour * rate)
        return grown - int(rate * period * (1 - left)) if hour % period == period - 1 else grown

    return add


def _daily_saw(rng: random.Random) -> Growth:
    return _saw(rng, 24)


def _weekly_saw(rng: random.Random) -> Growth:
    return _saw(rng, 168)


def _weekly_step(rng: random.Random) -> Growth:
    size, when = rng.randrange(50, 400), rng.randrange(168)
    return lambda _, hour: size if hour % 168 == when else 0


def _bursts(rng: random.Random) -> Growth:
    chance, size = rng.uniform(1 / 60, 1 / 20), rng.randrange(40, 200)
    return lambda r, _: r.randrange(size // 2, 2 * size) if r.random() < chance else 0


def _working_days(rng: random.Random) -> Growth:
    rate = rng.randrange(3, 12)
    return lambda _, hour: rate if (hour // 24) % 7 < 5 and 8 <= hour % 24 < 18 else 0


def _late(rng: random.Random, days: int) -> Growth:
    begin, rate = int(24 * days * rng.uniform(0.4, 0.75)), rng.uniform(2, 10)
    return lambda _, hour: int((hour + 1) * rate) - int(hour * rate) if hour >= begin else 0


def _ended(rng: random.Random, days: int) -> Growth:
    end, rate = int(24 * days * rng.uniform(0.3, 0.7)), rng.uniform(2, 10)
    return lambda _, hour: int((hour + 1) * rate) - int(hour * rate) if hour < end else 0


def _import(rng: random.Random, days: int) -> Growth:
    at, size = int(24 * days * rng.uniform(0.2, 0.8)), rng.randrange(500, 3_000)
    return lambda _, hour: size if hour == at else 0


def _import_and_steady(rng: random.Random, days: int) -> Growth:
    at, size, rate = int(24 * days * rng.uniform(0.2, 0.8)), rng.randrange(1_000, 3_000), rng.uniform(1, 4)
    return lambda _, hour: int((hour + 1) * rate) - int(hour * rate) + (size if hour == at else 0)


def _shrinking(rng: random.Random) -> Growth:
    rate = rng.uniform(0.5, 2)
    return lambda _, hour: -(int((hour + 1) * rate) - int(hour * rate))


SORTS: dict[str, Callable[[random.Random, int], Growth]] = {
    "steady": lambda rng, _: _steady(rng), "noise": lambda rng, _: _noise(rng), "daily sawtooth": lambda rng, _: _daily_saw(rng),
    "weekly sawtooth": lambda rng, _: _weekly_saw(rng), "weekly step": lambda rng, _: _weekly_step(rng),
    "bursts": lambda rng, _: _bursts(rng), "working days": lambda rng, _: _working_days(rng), "leak begins late": _late,
    "ended": _ended, "one import": _import, "import on the way": _import_and_steady, "shrinking": lambda rng, _: _shrinking(rng),
}  # fmt: skip
REGULAR = ("steady", "daily sawtooth", "weekly sawtooth", "weekly step", "working days", "leak begins late", "import on the way")
ENDED = ("ended", "one import", "shrinking")


def series(sort: str, seed: int) -> Series:
    """One series of a sort; the same for the same seed."""
    rng = random.Random(f"{sort} {seed}")
    days = rng.randrange(30, 80)
    add = SORTS[sort](rng, days)
    level = float(rng.randrange(3_000, 6_000)) if sort == "shrinking" else float(rng.randrange(20, 200))
    points = [(BEGIN, level * KEY_BYTES)]
    for hour in range(24 * days):
        grown = add(rng, hour)
        if grown:
            level = max(0.0, level + grown)
            points.append((BEGIN + hour * HOUR + HOUR // 2, level * KEY_BYTES))
    end = BEGIN + 24 * days * HOUR
    limit = max(level * rng.uniform(1.3, 3.5), 1_000.0)
    true_at = None
    for hour in range(24 * days, 24 * (days + 365 * YEARS)) if sort not in ENDED else ():
        level = max(0.0, level + add(rng, hour))
        if level >= limit:
            true_at = BEGIN + hour * HOUR + HOUR // 2
            break
    return Series(points, end, limit * KEY_BYTES, true_at)


@dataclass(frozen=True, slots=True)
class Score:
    """How the forecasts of one sort did: errors of the date in shares of the time to it, and how many were inside the interval."""

    sort: str
    errors: list[float]
    inside: int
    right_none: int
    count: int


def score(sort: str, seeds: int) -> Score:
    """Forecasts of so many series of one sort."""
    errors: list[float] = []
    inside = right_none = 0
    for seed in range(seeds):
        made = series(sort, seed)
        law = law_of(made.points, made.end, made.limit)
        if made.true_at is None:
            right_none += law.full_at is None
            inside += law.full_at is None
            continue
        if law.full_at is None or law.full_low is None or law.full_high is None:
            errors.append(1.0)
            continue
        errors.append(abs(law.full_at - made.true_at) / max(DAY, made.true_at - made.end))
        inside += law.full_low <= made.true_at <= law.full_high
    return Score(sort, errors, inside, right_none, seeds)


def scores(seeds: int) -> Iterator[Score]:
    """Of every sort."""
    for sort in SORTS:
        yield score(sort, seeds)


def main() -> int:
    """One line for each sort; 1 when what was asked is missed."""
    options = argparse.ArgumentParser()
    options.add_argument("--seeds", type=int, default=20)
    seeds = options.parse_args().seeds
    good, inside, count = True, 0, 0
    for found in scores(seeds):
        middle = statistics.median(found.errors) if found.errors else 0.0
        worst = max(found.errors, default=0.0)
        inside, count = inside + found.inside, count + found.count
        good = good and (found.sort not in REGULAR or middle <= 0.05) and (found.sort not in ENDED or found.right_none == seeds)
        print(json.dumps({"bench": "growth", "sort": found.sort, "median_error": round(middle, 4), "worst_error": round(worst, 3),
                          "inside": f"{found.inside}/{found.count}"}), flush=True)  # fmt: skip
    good = good and inside >= 0.8 * count
    print(json.dumps({"bench": "growth", "inside": f"{inside}/{count}", "good": good}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
