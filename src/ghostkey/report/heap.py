"""What heap profiles say of maps, as a tree and as records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ghostkey.census.profiles import Branch, callers_of
from ghostkey.heap_profiles import CANNOT_KNOW, HeapGrowth
from ghostkey.report.stacks import calls

BRANCHES, DEPTH, CALLERS = 6, 5, 3
GOROUTINES = 5


def text(told: HeapGrowth) -> Iterator[str]:
    """The calls that made tables of maps, or made them grow, largest first, each with where it is called from."""
    is_growth = told.in_use_before is not None
    what = "tables of maps" if told.is_of_maps else "what is in use"
    if is_growth:
        before = f"{told.in_use_before:,}" if told.in_use_before is not None else "?"
        yield f"{what} grew by {told.total:+,} bytes in {told.seconds:.0f} s ({before} → {told.in_use_after:,} in all), by the calls that allocate"
    else:
        yield f"{what}: {told.total:,} of {told.in_use_after:,} bytes, by the calls that allocated them; two profiles tell what grows"
    for branch in told.tree[:BRANCHES]:
        yield from _branch(branch, "  ", is_growth=is_growth)
    if len(told.tree) > BRANCHES:
        yield f"  … and {len(told.tree) - BRANCHES} other calls, {sum(b.value for b in told.tree[BRANCHES:]):{'+' if is_growth else ''},} bytes"
    if told.goroutines:
        inside = {stack: n for stack, n in told.goroutines.items() if any(f.function.endswith(").Reconcile") for f in stack)}
        yield f"goroutines: {sum(told.goroutines.values())}, {sum(inside.values())} of them in Reconcile"
        for stack, count in sorted(inside.items(), key=lambda item: -item[1])[:GOROUTINES]:
            yield f"  {count:>6,}  {calls(stack)}"


def _branch(branch: Branch, indent: str, *, is_growth: bool, depth: int = 0) -> Iterator[str]:
    sign = "+" if is_growth else ""
    yield f"{indent}{branch.value:>{sign}14,}  {branch.frame.function} {branch.frame.place}"
    if depth < DEPTH:
        for caller in callers_of(branch)[:CALLERS]:
            yield from _branch(caller, indent + "  ", is_growth=is_growth, depth=depth + 1)


def document(told: HeapGrowth) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "schema_version": 1,
        "kind": "GhostkeyHeapProfile",
        "is_growth": told.in_use_before is not None,
        "seconds": round(told.seconds, 3),
        "in_use_before_bytes": told.in_use_before,
        "in_use_after_bytes": told.in_use_after,
        "bytes": told.total,
        "is_of_maps_alone": told.is_of_maps,
        "stacks": [
            {"bytes": value, "stack": [{"function": f.function, "file": f.file, "line": f.line} for f in stack]}
            for stack, value in sorted(told.stacks.items(), key=lambda item: -abs(item[1]))
        ],
        "goroutines": sum(told.goroutines.values()),
        "notes": list(CANNOT_KNOW),
    }
