"""The story of a map or a key as lines for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ghostkey.model.counts import counted, outlive
from ghostkey.story import CLASSES, DAY, Forecast, Moment, Story, due, gap_line, kind_name, when

BARS = "▁▂▃▄▅▆▇█"
SHOWN = 5


def map_lines(story: Story) -> Iterator[str]:
    """What is wrong with a map, who writes it, how it grows, and what is not known."""
    if story.keys:
        present = sum(bool(row["is_present"]) for row in story.keys)
        yield f"{story.kind}/{story.name} in {story.namespace}: {counted(present, 'key')}, {len(story.ghosts):,} of them {outlive(len(story.ghosts))}"
        if unlinked := story.unlinked:
            one = f"{key_name(unlinked[0])}{' …' if len(unlinked) > 1 else ''}"
            is_one = len(unlinked) == 1
            what = (
                "is a setting, or nothing that was seen tells what it is for"
                if is_one
                else "are settings, or nothing that was seen tells what they are for"
            )
            yield f"  {len(unlinked):,} of them {what}: {one}"
            if 2 * len(unlinked) > present:
                yield "  who knows it can say so: --subject 'KIND={namespace}.{name}'"
    else:
        yield f"{story.kind}/{story.name} in {story.namespace}: none of its keys was seen"
    yield from hidden_lines(story)
    classes = Counter(row["class"] for row in story.ghosts)
    for name, number in classes.most_common():
        members = [row for row in story.ghosts if row["class"] == name]
        first = members[0]
        yield ""
        yield f"{name}: {counted(number, 'key')}: {CLASSES[name]}"
        yield f"  confidence: {confidence_words(members)}"
        for line in proof_lines(first):
            yield f"  {line}"
        shown = ", ".join(key_name(row) for row in members[:SHOWN])
        yield f"  keys: {shown}" + (f" … and {number - SHOWN:,} more" if number > SHOWN else "")
    for row in story.encoded_twice:
        begun = "at least since" if row["is_first_seen"] else "since"
        by = " as ".join(filter(None, dict.fromkeys([row["writer"], row["manager"]]))) or "?"
        yield ""
        yield f"encoded twice ({row['shape'].partition(':')[2]}): {counted(row['keys'], 'key')}, {begun} {when(row['since'])}, by {by}, first {row['key']}"
    yield from _growth(story)
    writers = [row for row in story.writers if row["op"] in ("set", "delete")]
    if writers:
        yield ""
        yield "written by"
    for row in writers[:SHOWN]:
        who = " as ".join(filter(None, dict.fromkeys([row["user"], row["manager"]]))) or "?"
        yield f"  {who}: {counted(row['events'], 'key')} {row['op']}, {when(row['first_at'])} to {when(row['last_at'])}"
    yield ""
    yield from coverage_lines(story)


def hidden_lines(story: Story) -> Iterator[str]:
    """Writes of which the log's level hides the keys, and who made the map immutable."""
    hidden = [row for row in story.writers if row["op"] == "hidden-write" and not row["error"]]
    if hidden:
        count = sum(row["events"] for row in hidden)
        who = ", ".join(f"{_user(row)} {row['events']:,}" for row in hidden[:SHOWN])
        yield f"  {count:,} {'write was' if count == 1 else 'writes were'} seen, the level hides their keys: {who}"
    for row in story.writers:
        if row["op"] == "hidden-write" and row["error"]:
            yield f"  {when(row['last_at'])} {_user(row)}: {row['error']}"
        if row["op"] == "sealed":
            yield f"  made immutable {when(row['first_at'])} by {_user(row)}: no key of it can be removed since"


def confidence_words(members: list[dict[str, Any]]) -> str:
    """How sure a class is of its members: one word, or how many have which."""
    counts = Counter(row["confidence"] for row in members)
    return ", ".join(f"{name} ({count:,})" for name, count in counts.most_common()) if len(counts) > 1 else next(iter(counts))


def _user(row: dict[str, Any]) -> str:
    return " as ".join(filter(None, dict.fromkeys([row["user"], row["manager"]]))) or "?"


def key_lines(story: Story, key: str, moments: list[Moment]) -> Iterator[str]:
    """The life of one key against that of its subject, and why it is still there."""
    life = next((row for row in story.keys if row["key"] == key), None)
    ghost = next((row for row in story.ghosts if row["key"] == key), None)
    yield f"{story.kind}/{story.name} in {story.namespace}: {key_name(life) if life else key}"
    for moment in moments:
        yield f"  {when(moment.at)}  {moment.what}  [{moment.proof}]"
    if ghost is not None:
        outliving = _span(ghost["outliving"])
        yield f"  still there at the end of what was seen, {outliving} after its subject went"
        yield f"why: {ghost['class']}: {CLASSES[ghost['class']]} (confidence: {ghost['confidence']})"
        yield from _attempt_lines(ghost)
        yield f"link: template {ghost['template']}"
    elif life is None:
        yield "  no source saw this key"
    elif not life["is_present"]:
        yield "  it is gone"
    elif not any(spot[2] == key for spot in story.links):
        yield "  its subject is not known: nothing that was seen tells what it is for"
    else:
        yield "  its subject lives"
    yield from coverage_lines(story)


def coverage_lines(story: Story) -> Iterator[str]:
    """Where the sources looked and where they were blind, as far as it touches this map or the subjects of its keys."""
    begins = [row["since"] for row in story.coverage if not row["is_gap"] and row["since"] is not None]
    if begins:
        first = next(row for row in story.coverage if row["since"] == min(begins) and not row["is_gap"])
        yield f"unknown before {when(min(begins))}: {first['origin']} begins"
    for row in story.coverage:
        if not row["is_gap"] and row["why"]:
            yield f"read: {row['origin']}: {row['why']}"
    for row in gaps_of(story):
        yield f"unknown: {gap_line(row)}"


def gaps_of(story: Story) -> list[dict[str, Any]]:
    """The rows of the coverage that touch a map, or a kind of which its subjects are."""
    places: dict[str, set[str]] = {story.kind: {story.namespace}}
    for kind, namespace, _ in story.subjects:
        places.setdefault(kind, set()).add(namespace)

    def touches(row: dict[str, Any]) -> bool:
        kinds = [row["kind"]] if row["kind"] != "*" else list(places)
        return any(row["namespace"] == "*" or row["namespace"] in places.get(kind, ()) for kind in kinds)

    return [row for row in story.coverage if row["is_gap"] and touches(row)]


def proof_lines(row: dict[str, Any]) -> Iterator[str]:
    """The chain for one key of a class."""
    subject = f"{kind_name(row['subject_kind'])} {row['subject_namespace'] + '/' if row['subject_namespace'] else ''}{row['subject_name']}"
    which = f", the last to go of {row['namesakes']:,} that it may be for" if row["namesakes"] > 1 else ""
    yield f"for example {key_name(row)}, written for {subject}{which} (template {row['template']})"
    first, last = row["first_set_at"], row["written_at"]
    if first is not None and first != last:
        yield f"first written {when(first)}"
    if last is not None and (first in (None, last) or row["class"] != "written-again"):
        yield f"written {when(last)} by {_who(row, 'writer', 'manager')}"
    elif last is None:
        there = "there" if first is None else "there with another value"
        seen = row["first_seen_at"] if first is None else row["last_set_at"]
        yield f"{there} before {when(seen)}, written by {_who(row, 'writer', 'manager')}"
    asked = f" (asked by {row['subject_deleter']})" if row["subject_deleter"] else ""
    went = {"namespace": " with its namespace", "kind": " with its kind"}.get(row["went_with"], "")
    yield f"{subject} went{went} {when(row['subject_deleted_at'])}{asked}"
    yield from _attempt_lines(row)
    yield f"outlives it by {_span(row['outliving'])} so far"


def _attempt_lines(row: dict[str, Any]) -> Iterator[str]:
    """What was done about a key after its subject went, as far as it says why it is there."""
    if row["class"] == "wrong-key-name":
        refused = f": {row['error']}" if row["error"] else ""
        yield f"{when(row['attempt_at'])} {row['attempt_by'] or '?'} ({row['attempt_agent'] or '?'}) removed `{row['wrong_key']}`, which is not there{refused}"
    elif row["class"] == "delete-failed":
        yield f"{when(row['attempt_at'])} {row['attempt_by'] or '?'}: {row['error']}"
    elif row["class"] == "written-again":
        yield f"removed {when(row['last_delete_at'])} by {row['key_deleter'] or '?'}, written again {when(row['written_at'] or row['last_set_at'])} by {_who(row, 'writer', 'manager')}"
    elif row["class"] == "ownership-stuck":
        yield f"{when(row['attempt_at'])} {row['attempt_by'] or '?'} applied without it"
    if row["put_back_at"] is not None:
        yield f"trimmed by ghostkey, and put back {when(row['put_back_at'])}"
    if row.get("idle_at") is not None and row["class"] in ("no-delete", "unknown"):
        yield f"{row['idle_by'] or '?'} wrote the map {_span(row['idle_at'] - row['ended_at'])} later and changed nothing"


def _growth(story: Story) -> Iterator[str]:
    law = story.forecast
    if law is None or not story.growth:
        return
    counts = [int(point["keys"]) for point in story.growth]
    step = max(1, -(-len(counts) // 60))
    thinned = counts[step - 1 :: step]
    top = max([*thinned, 1])
    yield ""
    yield f"growth {''.join(BARS[min(7, 8 * max(0, count) // (top + 1))] for count in thinned)} {counts[-1]:,} keys, {law.bytes:,} bytes"
    if law.follows_subjects:
        yield "  it grows as its subjects do: no leak"
    if law.keys_per_day:
        unit, share = rate_unit(story.growth)
        low, middle, high, size = (number / share for number in (law.low, law.keys_per_day, law.high, law.bytes_per_day))
        yield f"  {rounded(middle)} keys a {unit} (80 %: {rounded(low)} to {rounded(high)}), {rounded(size)} bytes a {unit}, since {when(law.since)}"
    said = shape_words(law)
    if said:
        yield f"  {said}"
    if law.full_at is not None:
        yield f"  binds first: {law.binding}; full at this rate {due(law.full_at, law.full_low, law.full_high)}"


def shape_words(law: Forecast) -> str:
    """What growth is that has no rate; empty where it has one."""
    return {
        "short": "too little was seen to tell a rate",
        "ended": f"its growth ended {when(law.since)}",
        "import": "it grew by one import, and not since",
        "flat": "it does not grow",
        "shrinking": "it shrinks",
    }.get(law.shape, "")


def rounded(number: float) -> str:
    """A number for people: three digits are enough, but none is left out before the point."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def rate_unit(points: list[dict[str, Any]]) -> tuple[str, int]:
    """The unit that fits how long was looked, and how many are in a day: nobody believes a day's growth from ten seconds."""
    span = points[-1]["at_us"] - points[0]["at_us"]
    return ("day", 1) if span >= DAY else ("hour", 24) if span >= DAY // 24 else ("minute", 24 * 60)


def key_name(row: dict[str, Any]) -> str:
    return f"{row['path']}/{row['key']}" if row["path"] else str(row["key"])


def _who(row: dict[str, Any], user: str, manager: str) -> str:
    return " as ".join(filter(None, dict.fromkeys([row[user], row[manager]]))) or "?"


def _span(microseconds: int | None) -> str:
    if microseconds is None:
        return "an unknown time"
    seconds = microseconds / 1e6
    if 0 <= seconds < 1:
        return f"{microseconds / 1e3:,.0f} ms"
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:,.0f} s"
