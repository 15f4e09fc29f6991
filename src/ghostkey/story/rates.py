"""How a series grows now, and when it will meet a limit: its last regime, repeated.

The series is cut into blocks as long as what repeats in it (a week, a day, or a part of the whole), counted back from the end.
Where the blocks' growth changes for good a new regime begins; what grew before it is not continued. A single jump is an import,
and a single drop that left some of it a clearing: neither is a rate. The future is made of blocks of the last regime drawn at random, some hundred times; the limit is met where the
path within a block meets it, so that saws and steps meet it as they are. The interval is that of the dates.
Source: Killick, Fearnhead, Eckley, Optimal detection of changepoints (2012); block bootstrap: Künsch (1989)
"""

from __future__ import annotations

import itertools
import math
import random
import statistics
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

HOUR = 3_600_000_000  # microseconds
DAY, WEEK = 24 * HOUR, 7 * 24 * HOUR
GRID = 2_048  # points
STEPS = [HOUR // 60, HOUR // 12, HOUR // 6, HOUR // 4, HOUR // 2, HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR, 6 * HOUR, 12 * HOUR, DAY]
LEAST_SPAN = HOUR  # a date is not told from less
BLOCKS = 48  # of a series in which nothing repeats
LEAST_BLOCKS = 3  # of a regime
REGIMES = 4
FUTURES = 400
WALK = 400  # blocks of one future that are drawn one by one
FAR = 20 * 365 * DAY
EMPTIED = 0.75  # of what had grown before, taken away at once
NARROWEST = 0.015  # of the time to the date: no interval is told as narrower than this
WIDER = 1.25  # measured by bench.growth: so much wider holds an interval of 80 % its promise
SEED = 20_260_901


@dataclass(frozen=True, slots=True)
class Law:
    """What goes on at the end of a series. `rate` is per day, with the bounds of its 80 % interval; `since` is when that began.

    `is_full_at` and its bounds are None when the limit is not met within twenty years, or the series is too short to say.
    `shape` says what it is: growing, ended, import, flat, shrinking, or short for what says nothing yet.
    """

    shape: str
    rate: float = 0.0
    low: float = 0.0
    high: float = 0.0
    since: int = 0
    full_at: int | None = None
    full_low: int | None = None
    full_high: int | None = None
    period: int = 0  # microseconds of what repeats, 0 when nothing does


class _Series:
    """A series of steps on a grid that ends where the observation ends."""

    def __init__(self, points: Sequence[tuple[int, float]], end: int) -> None:
        begin = points[0][0]
        self.end, self.span = end, end - begin
        self.step = next((step for step in STEPS if self.span / step <= GRID), self.span // GRID + 1)
        count = int(self.span // self.step)
        times = [at for at, _ in points]
        values = [value for _, value in points]
        self.values = [values[max(0, bisect_right(times, end - k * self.step) - 1)] for k in range(count, -1, -1)]

    def nets(self, width: int) -> list[float]:
        """Growth of each block of so many points, counted back from the end."""
        ends = self.values[::-1][::width][::-1]
        return [right - left for left, right in itertools.pairwise(ends)]

    def period(self) -> int:
        """How many points what repeats takes, a week or a day; 0 when nothing does."""
        day = DAY // self.step
        if day and self.span >= 15 * DAY and DAY % self.step == 0 and _repeats(self.nets(day), 7):
            return 7 * day
        if (
            day >= 4
            and self.span >= 3 * DAY
            and DAY % self.step == 0
            and _repeats(self.nets(max(1, day // 24)), day // max(1, day // 24))
        ):
            return day
        return 0


def _repeats(steps: Sequence[float], lag: int) -> bool:
    """Whether steps are much like those one lag before, and not as much like any others."""
    if len(steps) < 2 * lag + 1 or lag < 2:
        return False
    mean = statistics.fmean(steps)
    centred = [step - mean for step in steps]
    power = sum(x * x for x in centred) / len(centred)
    if power <= 1e-9 * max(1.0, mean * mean):
        return False

    def alike(shift: int) -> float:
        pairs = [(a, b) for a, b in zip(centred, centred[shift:], strict=False)]
        return sum(a * b for a, b in pairs) / (len(pairs) * power)

    found = alike(lag)
    return found > 0.4 and found > max(alike(shift) for shift in range(1, lag)) + 0.1


def law_of(points: Sequence[tuple[int, float]], end: int, limit: float) -> Law:
    """The law of a series of (microseconds, value) that was watched until `end`, and when it meets a limit."""
    if len(points) < 3 or end - points[0][0] < LEAST_SPAN:
        return Law("short")
    series = _Series(points, end)
    period = series.period()
    width = period or max(1, len(series.values) // BLOCKS)
    nets = series.nets(width)
    if len(nets) < LEAST_BLOCKS:
        return Law("short")
    calm, jump = _without_jump(nets)
    begin = _last_regime(calm)
    if begin and len(calm) - begin > LEAST_BLOCKS:
        begin += 1  # within the first block of a regime the one before it ends
    regime = calm[begin:]
    block = width * series.step
    since = end - len(regime) * block
    mean = statistics.fmean(regime)
    error = statistics.stdev(regime) / math.sqrt(len(regime)) if len(regime) > 1 else 0.0
    day = DAY / block
    told = {"rate": mean * day, "since": since, "period": period * series.step}
    busiest = max(abs(statistics.fmean(calm)), max((abs(x) for x in calm), default=0.0))
    if mean < 0 and -mean > error:
        return Law("shrinking", low=(mean - 1.28 * error) * day, high=(mean + 1.28 * error) * day, **told)  # type: ignore[arg-type]
    if mean <= max(0.84 * error, 0.01 * busiest):
        shape = (
            "import"
            if jump and nets[jump] > 0 and begin == 0
            else "ended"
            if begin and statistics.fmean(calm[:begin]) > 0
            else "flat"
        )
        return Law(shape, **{**told, "rate": 0.0})  # type: ignore[arg-type]
    paths = _paths(series, width, len(regime), None if jump is None else jump - begin)
    dates = _futures(paths, series.values[-1], limit, block)
    means = sorted(dates[1])
    low, high = means[len(means) // 10] * day, means[len(means) * 9 // 10] * day
    found = sorted(dates[0])
    if len(found) < FUTURES // 2 or (end - points[0][0] < DAY and found[len(found) // 2] > 30 * series.span):
        return Law("growing", low=low, high=high, **told)  # type: ignore[arg-type]
    found += [FAR] * (FUTURES - len(found))
    middle = found[FUTURES // 2]
    slack = NARROWEST * middle
    early, late = found[FUTURES // 10], found[FUTURES * 9 // 10]
    early = min(middle - WIDER * (middle - early), middle - slack)
    late = max(middle + WIDER * (late - middle), middle + slack)
    return Law(
        "growing", low=low, high=high, full_at=end + int(middle), full_low=end + int(max(0.0, early)),
        full_high=end + int(late), **told,  # type: ignore[arg-type]
    )  # fmt: skip


def _without_jump(nets: Sequence[float]) -> tuple[list[float], int | None]:
    """The blocks with a single jump or drop among them made as the others are, and which one it was."""
    if len(nets) < 6:
        return list(nets), None
    for sign, least in ((1.0, 0.2), (-1.0, 0.05)):
        steps = [sign * net for net in nets]
        place = max(range(len(steps)), key=steps.__getitem__)
        others = [*steps[:place], *steps[place + 1 :]]
        spread = max(others) - min(*others, 0.0) if sign > 0 else max(*others, 0.0) - min(others)
        middle = statistics.median(others)
        is_large = steps[place] - middle > 3 * spread + 1e-9 and steps[place] > least * max(1.0, sum(map(abs, nets)))
        # what was emptied may be a saw of which one tooth was seen
        if is_large and (sign > 0 or steps[place] < EMPTIED * sum(max(0.0, net) for net in nets[:place])):
            return [*nets[:place], sign * middle, *nets[place + 1 :]], place
    return list(nets), None


def _last_regime(nets: Sequence[float]) -> int:
    """Where the last stretch of blocks begins that grow alike: least squares, with a price for each change."""
    count = len(nets)
    if count < 2 * LEAST_BLOCKS:
        return 0
    steps = [right - left for left, right in itertools.pairwise(nets)]
    noise = sum(step * step for step in steps) / (2 * len(steps))
    least = (0.02 * max(map(abs, nets))) ** 2
    price = 4 * max(noise, least, 1e-12) * math.log(count)
    sums, squares = [0.0], [0.0]
    for net in nets:
        sums.append(sums[-1] + net)
        squares.append(squares[-1] + net * net)

    def cost(a: int, b: int) -> float:
        total = sums[b] - sums[a]
        return squares[b] - squares[a] - total * total / (b - a)

    # best[r][b]: the least cost of the first b blocks in r + 1 regimes, and where the last of these begins
    best: list[dict[int, tuple[float, int]]] = [{b: (cost(0, b), 0) for b in range(LEAST_BLOCKS, count + 1)}]
    for _ in range(1, REGIMES):
        before, now = best[-1], {}
        for b in range(LEAST_BLOCKS, count + 1):
            choices = [(before[a][0] + cost(a, b) + price, a) for a in range(LEAST_BLOCKS, b - LEAST_BLOCKS + 1) if a in before]
            if choices:
                now[b] = min(choices)
        best.append(now)
    _, begin = min(found[count] for found in best if count in found)
    return begin


def _paths(series: _Series, width: int, count: int, jump: int | None) -> list[list[float]]:
    """How each block of the last regime went, from its beginning; without the one in which a jump was."""
    values = series.values
    found = []
    for number in range(count):
        begin = len(values) - 1 - (count - number) * width
        if number != jump:
            found.append([value - values[begin] for value in values[begin : begin + width + 1]])
    return found


def _futures(paths: Sequence[Sequence[float]], level: float, limit: float, block: int) -> tuple[list[float], list[float]]:
    """Times until the limit is met in some hundred futures, those beyond twenty years left out; and the mean block of each."""
    rng = random.Random(SEED)
    nets = [path[-1] for path in paths]
    mean = statistics.fmean(nets)
    count = len(paths)
    peaks = [max(path) for path in paths]
    spread = statistics.stdev(nets) if count > 1 else 0.0
    # the mean of a few blocks is less sure than drawing them again shows
    wider = math.sqrt(count / (count - 1)) if count > 1 else 1.0
    dates, means = [], []
    for _ in range(FUTURES):
        drawn = statistics.fmean(rng.choices(nets, k=count))
        mine = mean + (drawn - mean) * wider
        means.append(mine)
        at = _met(rng, paths, peaks, mine - mean, (level, limit, block), (mine, spread))
        if at is not None and at <= FAR:
            dates.append(at)
    return dates, means


def _met(
    rng: random.Random,
    paths: Sequence[Sequence[float]],
    peaks: Sequence[float],
    shift: float,
    asked: tuple[float, float, int],
    law: tuple[float, float],
) -> float | None:
    """When one future meets the limit; None when it does not in twenty years."""
    (level, limit, block), (mean, spread) = asked, law
    at = 0.0
    if level >= limit:
        return 0.0
    far = (limit - level) / mean - WALK if mean > 0 else 0.0
    if mean <= 0:
        return None
    if far > 0:
        # most of a long way is its mean, give and take the root of its blocks
        level = limit - WALK * mean + rng.gauss(0.0, spread * math.sqrt(far))
        at = far * block
    for _ in range(4 * WALK):
        number = rng.randrange(len(paths))
        path = paths[number]
        if level + peaks[number] + max(0.0, shift) >= limit:
            steps = len(path) - 1
            for place, grown in enumerate(path):
                if level + grown + shift * place / steps >= limit:
                    # between two points of the grid it is met somewhere
                    return at + block * max(0.0, place - 0.5) / steps
        level += path[-1] + shift
        at += block
    return None
