"""How a map grows, and when it will be full."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ghostkey.story.limits import limits
from ghostkey.story.rates import Law, law_of

if TYPE_CHECKING:
    from ghostkey.story.story import Story

MOSTLY = 0.95  # of the keys of a map whose subjects are known


@dataclass(frozen=True, slots=True)
class Forecast:
    """How a map grows now, per day, with the bounds of the 80 % interval of that rate; `shape` says what its growth is.

    `full_at` is when the limit that binds first is met, None when it is not growing, or too little was seen to say; `full_low`
    and `full_high` are the bounds of its 80 % interval. `since`: when the growth became what it is. `follows_subjects`: it
    grows as its subjects do, all of which are known.
    """

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
    full_low: int | None = None
    full_high: int | None = None
    since: int | None = None
    shape: str = "short"
    limits: dict[str, float] = field(default_factory=dict)  # limit → bytes of names and values at which it is met
    peak: int = 0  # the most keys it had at once


def forecast(story: Story) -> Forecast | None:
    """The growth law of a map; None when there is nothing to tell one from."""
    points = [point for point in story.growth if point["at_us"] is not None]
    if not points:
        return None
    last = points[-1]
    keys, size = int(last["keys"]), int(last["bytes"])
    ends = [row["until"] for row in story.coverage if not row["is_gap"] and row["until"] is not None]
    end = max([last["at_us"], *ends])
    present = [row for row in story.keys if row["is_present"] and not row["path"]]
    names, sizes = [str(row["key"]) for row in present], [max(0, row["value_bytes"] or 0) for row in present]
    rooms = limits(names, sizes, story.size) if names else {}
    binding = min(rooms, key=rooms.__getitem__) if rooms else ""
    # what is known of the keys one by one, and what their growth says, may differ by those that were never written
    scale = size / max(1, sum(map(len, names)) + sum(sizes)) if size > 0 and names else 1.0
    law = law_of([(p["at_us"], float(p["bytes"])) for p in points], end, rooms[binding] * scale) if rooms else Law("short")
    by_keys = law_of([(p["at_us"], float(p["keys"])) for p in points], end, float("inf"))
    created = sum(int(p["added"]) for p in points)
    return Forecast(
        keys, size, by_keys.rate, by_keys.low, by_keys.high, law.rate, binding if law.full_at is not None else "", law.full_at,
        _by_subject(story, keys) if created else None, _follows(story, keys), law.full_low,
        law.full_high, law.since or None, law.shape, {name: room * scale for name, room in rooms.items()},
        max(int(point["keys"]) for point in points),
    )  # fmt: skip


def _by_subject(story: Story, keys: int) -> float | None:
    """Keys of each subject; None where no subject is known."""
    told = {(row["subject_kind"], row["subject_namespace"], row["subject_name"]) for row in story.links.values()}
    return keys / len(told) if told else None


def _follows(story: Story, keys: int) -> bool:
    """Whether nearly each key has a subject that lives: what is not known may be a leak."""
    if story.ghosts or not story.subjects or not keys:
        return False
    places = {(kind, namespace) for kind, namespace, _ in story.subjects}
    if any(row["is_gap"] and any(row["kind"] in ("*", kind) and row["namespace"] in ("*", namespace) for kind, namespace in places)
           for row in story.coverage if row["origin"] != "dumps"):  # fmt: skip
        return False
    alive = sum(
        bool(story.links[spot]["is_alive"])
        for row in story.keys
        if row["is_present"] and not row["path"] and (spot := (row["field"], row["path"], row["key"])) in story.links
    )
    return alive >= MOSTLY * keys - 1
