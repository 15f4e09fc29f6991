"""Who changes a map: as text, as records, as folded stacks and as a profile for pprof."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from ghostkey.census.functions import Frame
from ghostkey.census.gomap import GoMap
from ghostkey.census.profiles import Profile
from ghostkey.census.writers import CLEAR, DELETE, INSERT, Changes, Watched
from ghostkey.model.counts import counted

STACKS_SHOWN = 8  # of each operation
CALLS_SHOWN = 6  # of each stack
BY = " ← "  # called by
OPERATIONS = ((INSERT, "inserts"), (DELETE, "deletes"), (CLEAR, "clears"))


def calls(stack: Sequence[Frame], most: int = CALLS_SHOWN) -> str:
    """`main.(*R).Reconcile main.go:51 ← controller.go:223 ← …`: the innermost whole, its callers by their places."""
    if not stack:
        return "(no stack)"
    first, *others = stack
    told = [
        f"{first.function} {first.place}",
        *(f"{_short(frame.function)} {frame.place.rpartition('/')[2]}" for frame in others),
    ]
    return BY.join([*told[:most], *(["…"] if len(told) > most else [])])


_TYPE_ARGUMENTS = re.compile(r"\[.*\]")


def _short(function: str) -> str:
    """A function without the path of its package and the types it was made for."""
    return _TYPE_ARGUMENTS.sub("[…]", function).rpartition("/")[2]


def text(seen: Watched) -> Iterator[str]:
    """For people: what was done by whom, and whether that is all."""
    for changes in seen.changes:
        found = changes.map
        yield f"{found.holder or hex(found.address)}  {found.type or 'map'}  at {found.address:#x}"
        if seen.way == "poll":
            yield from _polled(changes, seen)
            continue
        for operation, word in OPERATIONS:
            yield from _operation(changes, operation, word)
        yield f"  {accounting(changes, seen)}"
    if seen.busy:
        yield from _busy(
            seen.busy, "goroutines that were seen in Reconcile" if seen.way == "poll" else "goroutines in Reconcile now"
        )


def _operation(changes: Changes, operation: str, word: str) -> Iterator[str]:
    total = changes.count(operation)
    if not total:
        if operation != CLEAR:
            yield f"  {word}: none seen"
        return
    share = " (sampled)" if changes.share < 1 else ""
    yield f"  {word}: {total:,}{share}"
    ranked = [(stack, times) for (done, stack), times in changes.stacks.most_common() if done == operation]
    for stack, times in ranked[:STACKS_SHOWN]:
        count = f"{times:>9,}" if changes.share >= 1 else f"{'':>9}"
        first, *callers = calls(stack).split(BY)
        yield f"  {count} {times / total:>5.0%}  {first}"
        for caller in callers:
            yield f"  {'':>17}{BY.lstrip()}{caller}"
    if len(ranked) > STACKS_SHOWN:
        yield f"  {sum(times for _, times in ranked[STACKS_SHOWN:]):>9,}        from {counted(len(ranked) - STACKS_SHOWN, 'other stack')}"


def accounting(changes: Changes, seen: Watched) -> str:
    """Whether what was seen is what the map did."""
    lost = f"{seen.lost:,} lost" + (f", held back {counted(seen.throttled, 'time')} by the kernel" if seen.throttled else "")
    length = f"len {changes.len_before:,} → {changes.len_after:,} ({changes.len_after - changes.len_before:+,})"
    if changes.share < 1:
        return f"{length}; watched {changes.share:.0%} of the time, since it is written so often: shares are right, counts are not; {lost}"
    done = f"inserts − deletes seen: {changes.seen:+,}"
    clears = changes.count(CLEAR)
    if clears:
        return f"{length}; {done}; {counted(clears, 'clear')}, each of which takes any number away; {lost}"
    if not changes.stacks and changes.len_before == changes.len_after:
        return f"{length}: its length did not change while it was watched; {lost}"
    verdict = "every change was seen" if changes.is_exact else "not every change was seen (a new thread, or a lost record)"
    return f"{length}; {done}; {verdict}; {lost}"


def _polled(changes: Changes, seen: Watched) -> Iterator[str]:
    grown = changes.len_after - changes.len_before
    rate = 60 * grown / seen.seconds if seen.seconds else 0.0
    yield f"  len {changes.len_before:,} → {changes.len_after:,} ({grown:+,}, {rate:+,.0f} a minute)"
    yield "  by looking at its length alone: who inserts is not known, and what came and went between two looks was not seen"


def _busy(busy: Counter[tuple[str, tuple[Frame, ...]]], title: str) -> Iterator[str]:
    yield f"{title}: {sum(busy.values())}"
    for (state, stack), count in busy.most_common(STACKS_SHOWN):
        yield f"  {count:>9,}  {state}  {calls(stack)}"


def document(seen: Watched, name: str, pid: int, version: str) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "schema_version": 1,
        "kind": "GhostkeyStacks",
        "process": {"name": name, "pid": pid, "go": version},
        "seconds": round(seen.seconds, 3),
        "by": seen.way,
        "threads": seen.threads,
        "lost": seen.lost,
        "throttled": seen.throttled,
        "ended": seen.ended or None,
        "maps": [_changes_record(changes) for changes in seen.changes],
        "reconciling": [
            {"state": state, "count": count, "stack": _stack_record(stack)} for (state, stack), count in seen.busy.most_common()
        ],
    }


def _changes_record(changes: Changes) -> dict[str, Any]:
    found: GoMap = changes.map
    return {
        "address": hex(found.address),
        "holder": found.holder or None,
        "type": found.type or None,
        "len_before": changes.len_before,
        "len_after": changes.len_after,
        "inserts": changes.count(INSERT),
        "deletes": changes.count(DELETE),
        "clears": changes.count(CLEAR),
        "seen": changes.seen,
        "is_exact": changes.is_exact,
        "is_sampled": changes.share < 1,
        "share_watched": round(changes.share, 3),
        "stacks": [
            {
                "operation": operation,
                "count": times,
                "share": round(times / changes.count(operation), 4),
                "stack": _stack_record(stack),
            }
            for (operation, stack), times in changes.stacks.most_common()
        ],
    }


def _stack_record(stack: Sequence[Frame]) -> list[dict[str, Any]]:
    return [{"function": frame.function, "file": frame.file, "line": frame.line} for frame in stack]


def folded(seen: Watched) -> Iterator[str]:
    """A line a stack, outermost call first, as flame graphs take them: `insert;main.main;main.run 10`."""
    for changes in seen.changes:
        for (operation, stack), times in changes.stacks.most_common():
            names = [frame.function.replace(";", ":") for frame in reversed(stack)]
            yield f"{';'.join([operation, *names])} {times}"


def profile(seen: Watched) -> Profile:
    """The stacks as a profile with three numbers each: inserts, deletes and clears."""
    found = Profile([(word, "count") for _, word in OPERATIONS], {}, time.time_ns(), int(seen.seconds * 1e9))
    places = {operation: place for place, (operation, _) in enumerate(OPERATIONS)}
    for changes in seen.changes:
        for (operation, stack), times in changes.stacks.items():
            held = list(found.stacks.get(stack, (0, 0, 0)))
            held[places[operation]] += times
            found.stacks[stack] = tuple(held)
    return found
