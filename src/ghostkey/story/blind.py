"""Where nobody looked: the gaps of the sources, and the holes between what was imported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ghostkey.model.history import BY_MAP
from ghostkey.store.engines import Engine

AUDIT = "audit"
HOLE = 10_000_000  # microseconds between the end of one import and the beginning of the next
LATE = 2_000_000  # and from the end of the last one to the end of what was seen at all
BLIND = {"kind": "VARCHAR", "namespace": "VARCHAR", "since": "BIGINT", "until": "BIGINT", "why": "VARCHAR"}
Row = dict[str, Any]


def coverage(engine: Engine) -> list[Row]:
    """Every row of the coverage, and those of the holes between imports, gaps last."""
    rows = engine.rows("SELECT * FROM coverage ORDER BY is_gap, origin, kind, namespace, since")
    return rows + list(_holes(rows))


def load(engine: Engine) -> list[Row]:
    """Makes `blind` known: when nobody would have seen a request, of no matter which map. Returns the coverage."""
    rows = coverage(engine)
    gaps = [row for row in rows if row["is_gap"] and row["origin"] == AUDIT and not row["why"].endswith(BY_MAP)]
    engine.load("blind", BLIND, [tuple(row[name] for name in BLIND) for row in gaps])
    return rows


def _holes(rows: Sequence[Row]) -> Iterator[Row]:
    """Times at which other sources saw something, and no audit log was there."""
    seen = [row for row in rows if not row["is_gap"] and row["since"] is not None and row["until"] is not None]
    spans = sorted((row["since"], row["until"]) for row in seen if row["origin"] == AUDIT)
    if not spans:
        return
    first, last = min(row["since"] for row in seen), max(row["until"] for row in seen)
    end = first
    for since, until in spans:
        if since - end > (HOLE if end > first or spans[0][0] == first else LATE):
            why = "a hole between two audit logs" if end > spans[0][0] else "the audit log begins later"
            yield _gap(end, since, why)
        end = max(end, until)
    if last - end > LATE:
        yield _gap(end, last, "the audit log ends before the other sources")


def _gap(since: int, until: int, why: str) -> Row:
    return {
        "origin": AUDIT, "kind": "*", "namespace": "*", "since": since, "until": until, "since_revision": None,
        "until_revision": None, "is_gap": True, "why": why,
    }  # fmt: skip
