"""How a map grows, and when it will be full."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ghostkey.kube.sizes import OBJECT_LIMIT, VALUES_LIMIT
from ghostkey.story.words import DAY

if TYPE_CHECKING:
    from ghostkey.story.story import Story


@dataclass(frozen=True, slots=True)
class Forecast:
    """How a map grows. Slopes are per day, robust (Theil–Sen over troughs), with their quartiles; `full_at` is when the
    limit that binds first is met, None when it is not growing. `follows_subjects`: it grows as its subjects do."""

    keys: int
    bytes: int
    keys_per_day: float
    low: float
    high: float
    bytes_per_day: float
    binding: str = ""
    full_at: int | None = None
    keys_per_subject: float | None = None
    follows_subjects: bool = False


def forecast(story: Story) -> Forecast | None:
    """The growth law of a map; None when there is nothing to tell one from."""
    points = [point for point in story.growth if point["at_us"] is not None]
    if not points:
        return None
    last = points[-1]
    keys, size = int(last["keys"]), int(last["bytes"])
    if len(points) < 3 or points[-1]["at_us"] - points[0]["at_us"] < 3_000_000:
        return Forecast(keys, size, 0.0, 0.0, 0.0, 0.0)
    bottoms = _troughs(points)
    low, slope, high = _theil_sen([(p["at_us"], float(p["keys"])) for p in bottoms])
    _, bytes_slope, _ = _theil_sen([(p["at_us"], float(p["bytes"])) for p in bottoms])
    created = sum(int(p["added"]) for p in points)
    living = sum(bool(row["is_alive"]) for row in story.subjects.values())
    follows = bool(story.subjects) and not story.ghosts and living >= 0.8 * keys
    known = Forecast(
        keys, size, slope * DAY, low * DAY, high * DAY, bytes_slope * DAY,
        keys_per_subject=keys / max(1, len(story.subjects)) if story.subjects and created else None, follows_subjects=follows,
    )  # fmt: skip
    if bytes_slope <= 0:
        return known
    # values, and key names with protobuf around them, and managedFields, which hold each key once more
    names = story.names_bytes
    overhead = 6 * keys
    stored = size + overhead
    with_fields = stored + names + 8 * keys
    grown = max(1.0, bytes_slope * DAY)
    limits = {
        "values/1 MiB": (size - names, VALUES_LIMIT, 1.0),
        "stored object/1.5 MiB": (stored, OBJECT_LIMIT, stored / max(1, size)),
        "stored object with managedFields/1.5 MiB": (with_fields, OBJECT_LIMIT, with_fields / max(1, size)),
    }
    days = {limit: (allowed - used) / (grown * factor) for limit, (used, allowed, factor) in limits.items()}
    binding = min(days, key=days.__getitem__)
    full_at = last["at_us"] + int(max(0.0, days[binding]) * DAY)
    return dataclasses.replace(known, binding=binding, full_at=full_at)


def _troughs(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lower edge of a saw: points not above all that follow within the next eighth of the span."""
    reach = (points[-1]["at_us"] - points[0]["at_us"]) / 8
    kept = []
    for place, point in enumerate(points):
        later = [p["keys"] for p in points[place + 1 :] if p["at_us"] - point["at_us"] <= reach]
        if not later or point["keys"] <= min(later):
            kept.append(point)
    return kept if len(kept) >= 3 else points


def _theil_sen(points: list[tuple[int, float]]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile of the slopes between all pairs of points."""
    import statistics

    slopes = [
        (right[1] - left[1]) / (right[0] - left[0])
        for place, left in enumerate(points)
        for right in points[place + 1 :]
        if right[0] > left[0]
    ]
    if len(slopes) < 2:
        return (slopes[0],) * 3 if slopes else (0.0, 0.0, 0.0)
    low, middle, high = statistics.quantiles(slopes, n=4)
    return low, middle, high
