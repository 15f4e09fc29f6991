"""The two pictures of a story as SVG: lifetimes of keys against those of their subjects, and growth against its limits.

They are as wide as the page, on a telephone and on paper: places are shares of it, letters stay as large as they are, and what was
drawn is stretched between them. Of the ticks there are two sets, of which the page shows the one that fits.
"""

from __future__ import annotations

import datetime
import html
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from ghostkey.story import Forecast, Story, when

LIFELINES = 40
ROW = 36  # a line of text with the two bars under it
WIDTH, HEIGHT, MARGIN = 960, 280, 84  # of the picture of growth, and of churn's, whose labels take that much on the left
MANY, FEW = (6, 600), (3, 330)  # ticks at most, and pixels in which their labels must fit
SECOND = 1_000_000
_SECONDS = [
    *(n * unit for unit in (1, 10, 100, 1_000, 10_000, 100_000) for n in (1, 2, 5)),  # microseconds
    *(SECOND * n for n in (1, 2, 5, 10, 15, 30)),
    *(60 * SECOND * n for n in (1, 2, 5, 10, 15, 30)),
    *(3_600 * SECOND * n for n in (1, 2, 3, 6, 12)),
    *(86_400 * SECOND * n for n in (1, 2, 7, 14, 30, 61, 91, 182, 365, 730, 1825, 3650, 18250)),
]  # fmt: skip
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def e(text: object) -> str:
    """Text as HTML has it."""
    return html.escape(str(text))


def ticks(begin: int, end: int, most: int = 6) -> list[tuple[int, str]]:
    """(time, label) of at most so many ticks at round times, whose labels all differ; the first one says the date."""
    span = max(1, end - begin)
    step = next((step for step in _SECONDS if span / step < most), _SECONDS[-1])
    first = -(-begin // step) * step
    places = list(range(first, end + 1, step)) or [begin]
    form = (
        "%Y-%m-%d"
        if step >= 86_400 * SECOND
        else "%H:%M"
        if step >= 60 * SECOND
        else "%H:%M:%S"
        if step >= SECOND
        else "%H:%M:%S.%f"
    )
    labels: list[tuple[int, str]] = []
    day = ""
    for place in places:
        try:
            moment = _EPOCH + datetime.timedelta(microseconds=place)
        except OverflowError:
            continue
        text = moment.strftime(form)
        if step < SECOND:
            text = text.rstrip("0").removesuffix(".")
        now = moment.strftime("%m-%d")
        if step < 86_400 * SECOND and now != day:
            text = f"{now} {text}"
        day = now
        labels.append((place, text))
    return labels


def size_words(number: float, step: float = 0.0) -> str:
    """Bytes in the unit that fits, with as many digits as tell it from its neighbours a step away."""
    unit, length = next(((name, size) for name, size in (("MiB", 1 << 20), ("KiB", 1 << 10)) if number >= size), ("B", 1))
    digits = 0
    while digits < 3 and length > 1 and step and round(step / length, digits) != step / length:
        digits += 1
    return f"{number / length:,.{digits}f} {unit}"


def size_ticks(top: float) -> list[tuple[float, str]]:
    """(bytes, label) of three to six round sizes up to the top."""
    steps = (n * unit for unit in (1, 1 << 10, 1 << 20, 1 << 30) for n in (1, 2, 5, 10, 20, 50, 100, 200, 256, 512))
    step = next((step for step in steps if top / step <= 5), max(1.0, top / 4))
    return [(n * step, size_words(n * step, step)) for n in range(int(top // step) + 1)]


def _axis(begin: int, end: int, height: int) -> Iterator[str]:
    """Lines and labels of times."""
    for name, (most, pixels) in (("many", MANY), ("few", FEW)):
        yield f"<g class={name}>"
        right = 0.0
        for at, label in ticks(begin, end, most):
            share, wide = _share(at, begin, end), 7 * len(label)
            place = share * pixels / 100
            anchor = "start" if place < wide / 2 else "end" if place > pixels - wide / 2 else "middle"
            left = place - {"start": 0, "end": wide, "middle": wide / 2}[anchor]
            yield f"<line class=grid x1='{share:.2f}%' x2='{share:.2f}%' y1=0 y2='{height - 22}'/>"
            if left >= right:
                yield f"<text class=tick x='{share:.2f}%' y='{height - 6}' text-anchor={anchor}>{e(label)}</text>"
                right = left + wide + 8
        yield "</g>"


def _share(at: int, begin: int, end: int) -> float:
    """Where in a span a time lies, in hundredths."""
    return 100 * (at - begin) / max(1, end - begin)


def _link(story: Story, key: str) -> dict[str, Any]:
    return next((row for spot, row in story.links.items() if spot[2] == key), {})


def chosen_keys(story: Story) -> list[str]:
    """The keys that have a bar: of each class one before many of any, then those whose subjects are known."""
    by_class: dict[str, list[str]] = {}
    for row in story.ghosts:
        by_class.setdefault(row["class"], []).append(row["key"])
    order = [keys[0] for keys in by_class.values()]
    order += [key for keys in by_class.values() for key in keys[1:]]
    linked = {spot[2] for spot in story.links}
    order += [row["key"] for row in story.keys if row["key"] in linked and (not row["path"] or row["key"] in order)]
    return list(dict.fromkeys(order))[:LIFELINES]


def lifelines(story: Story) -> Iterator[str]:
    """Bars of keys above bars of their subjects, one of each class first; nothing where no time is known."""
    chosen = chosen_keys(story)
    known = {row["key"]: row for row in reversed(story.keys) if row["key"] in chosen}
    classes = {row["key"]: row["class"] for row in story.ghosts}
    times = [
        row[column]
        for key in chosen
        for row, columns in (
            (known.get(key, {}), ("first_seen_at", "last_set_at")),
            (_link(story, key), ("created_at", "deleted_at")),
        )
        for column in columns
        if row.get(column) is not None
    ]
    if not chosen or not times:
        return
    ends = [row["until"] for row in story.coverage if row["until"] is not None and not row["is_gap"]]
    begin, end = min(times), max([*times, *ends])
    height = ROW * len(chosen) + 26

    def x(at: int | None, default: int = begin) -> float:
        return _share(at if at is not None else default, begin, end)

    yield "<h2 id=lives>Keys and their subjects</h2>"
    total = sum(not row["path"] for row in story.keys)
    yield f"<p class=dim>{len(chosen)} of {max(total, len(chosen)):,} keys, one of each class first. Times are UTC.</p>"
    yield (
        "<ul class=legend>"
        + _swatch("<rect class=key width=24 height=6 rx=2 />", "the key was there")
        + _swatch("<rect class=subject width=24 height=5 rx=2 />", "its subject lived")
        + "</ul>"
    )
    yield (
        f"<svg class=chart width='100%' height={height} role=img aria-labelledby=lives>"
        "<title>Lifetimes of keys against those of their subjects</title>"
    )
    yield from _axis(begin, end, height)
    for number, key in enumerate(chosen):
        row, link, top = known.get(key, {}), _link(story, key), number * ROW + 16
        stop = end if row.get("is_present") else row.get("last_delete_at")
        why = classes.get(key, "")
        said = f"{key}: key from {when(row.get('first_seen_at'))}, subject gone {when(link.get('deleted_at'))}" + (
            f": {why}" if why else ""
        )
        room = 46 - len(why)
        shown = key if len(key) <= room else key[: room - 1] + "…"
        yield f"<g><title>{e(said)}</title><text y={top - 5}>{e(shown)}</text>"
        yield f"<text class=class x='100%' y={top - 5} text-anchor=end>{e(why)}</text>" if why else ""
        yield _bar("key", x(row.get("first_seen_at")), x(stop, end), top, 6)
        if link:
            gone = None if link.get("is_alive") else link.get("deleted_at")
            yield _bar("subject", x(link.get("created_at")), x(gone, end), top + 8, 5)
        yield "</g>"
    yield "</svg>"


def _bar(name: str, begin: float, end: float, top: int, height: int) -> str:
    wide = max(0.5, end - begin)  # what began at the end has a bar, too
    return f"<rect class={name} x='{min(begin, 100 - wide):.2f}%' y={top} width='{wide:.2f}%' height={height} rx=2 />"


def _swatch(shape: str, words: str) -> str:
    return f"<li><svg class=swatch viewBox='0 0 24 8' aria-hidden=true>{shape}</svg> {e(words)}</li>"


def growth(story: Story, law: Forecast, said: str) -> Iterator[str]:
    """Bytes over time as the steps that they are, the limits, and where the forecast meets the one that binds first."""
    points = story.growth
    begin, last = points[0]["at_us"], points[-1]["at_us"]
    seen = [row["until"] for row in story.coverage if row["until"] is not None and not row["is_gap"]]
    until = max([last, *seen])
    end = until
    if law.full_at is not None:
        end = min(law.full_high or law.full_at, until + 2 * max(1, until - begin))
    peak = float(max(int(point["bytes"]) for point in points))
    limit = law.limits.get(law.binding, 0.0)
    reached = float(points[-1]["bytes"]) + max(0.0, law.bytes_per_day) * (end - until) / 86_400_000_000
    top = max(1.15 * peak, 1.1 * min(reached, limit or reached), 1.0)
    if limit and limit <= 2.5 * top:
        top = max(top, 1.1 * limit)

    def x(at: int) -> float:
        return 10 * _share(at, begin, end)

    def y(size: float) -> float:
        return float(HEIGHT - 26 - (HEIGHT - 56) * min(size, top) / top)

    within = [(name, size) for name, size in law.limits.items() if size <= top]
    beyond = [(name, size) for name, size in law.limits.items() if size > top]
    yield (
        "<ul class=legend>"
        + _swatch("<path class=area d='M0 6H8V4H16V2H24'/>", "bytes of keys and values")
        + (
            _swatch("<path class=forecast d='M0 6L24 1'/>", "at this rate, with its 80 % interval")
            if law.full_at is not None
            else ""
        )
        + _swatch("<line class=limit x1=0 x2=24 y1=4 y2=4 />", "a limit")
        + "</ul>"
    )
    yield f"<svg class=chart width='100%' height={HEIGHT} role=img aria-labelledby=growth><title>{e(said)}</title>"
    yield from _axis(begin, end, HEIGHT)
    for size, _ in size_ticks(top):
        yield f"<line class=grid x1=0 x2='100%' y1='{y(size):.1f}' y2='{y(size):.1f}'/>"
    for _, size in within:
        yield f"<line class=limit x1=0 x2='100%' y1='{y(size):.1f}' y2='{y(size):.1f}'/>"
    if beyond:
        yield "<line class=limit x1=0 x2='100%' y1=3 y2=3 />"
    yield f"<svg viewBox='0 0 1000 {HEIGHT}' preserveAspectRatio=none width='100%' height={HEIGHT}>"
    steps = [f"M{x(begin):.1f} {y(float(points[0]['bytes'])):.1f}"]
    for left, right in pairwise(points):
        steps.append(f"H{x(right['at_us']):.1f}")
        if right["bytes"] != left["bytes"]:
            steps.append(f"V{y(float(right['bytes'])):.1f}")
    steps.append(f"H{x(until):.1f}")
    yield f"<path class=area d='{''.join(steps)}'/>"
    if law.full_at is not None and law.full_low is not None and law.full_high is not None and limit:
        now = float(points[-1]["bytes"])

        def at(date: int) -> tuple[float, float]:
            share = min(1.0, (end - until) / max(1, date - until))
            return x(until + int(share * (date - until))), y(now + share * (limit - now))

        (a, b), (c, d), (f, g) = at(law.full_low), at(law.full_high), at(law.full_at)
        yield f"<polygon class=band points='{x(until):.1f},{y(now):.1f} {a:.1f},{b:.1f} {c:.1f},{d:.1f}'/>"
        yield f"<path class=forecast d='M{x(until):.1f} {y(now):.1f}L{f:.1f} {g:.1f}'/>"
    yield "</svg>"
    for size, label in size_ticks(top):
        yield f"<text class=size y='{y(size) - 4:.1f}'>{e(label)}</text>"
    for name, size in within:
        yield f"<text class=of x='100%' y='{y(size) - 4:.1f}' text-anchor=end>{e(name)}</text>"
    for number, (name, size) in enumerate(sorted(beyond, key=lambda pair: pair[1])):
        said = f"↑ {name}: {size / max(1.0, peak):,.1f} × what was seen"
        yield f"<text class=of x='100%' y={16 + 14 * number} text-anchor=end>{e(said)}</text>"
    yield "</svg>"
