"""Maps of a process as a table and as records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ghostkey.model.findings import Severity
from ghostkey.processes import SCHEMA_VERSION, Row, Taken, map_record
from ghostkey.report.findings import Screen
from ghostkey.report.formats._columns import Column, table

KEYS_SHOWN = 400  # characters of keys in a line

_HOLDER = Column("HOLDER", cut=1)
_TYPE = Column("TYPE", cut=1)
_NUMBERS = (Column("LEN"), Column("SLOTS"), Column("TOMBSTONES", leaves=2), Column("BYTES"))
_NOTE = Column("NOTE", cut=2, leaves=1)


def map_table(rows: Sequence[Row], screen: Screen, *, is_wide: bool = False) -> Iterator[str]:
    """A row for each map; how it grew where that is known; in wide form, which is never cut, its address, and how its type is known."""
    has_growth = any(row.growth for row in rows)
    columns = [_HOLDER, _TYPE, *_NUMBERS]
    columns += [Column("GROWN"), Column("A MINUTE")] if has_growth else []
    columns += [Column("ADDRESS"), Column("DESIGN"), Column("TYPE FROM")] if is_wide else []
    cells = [(Severity.INFO, [*_cells(row, has_growth=has_growth, is_wide=is_wide), row.note]) for row in rows]
    yield from table([*columns, _NOTE], cells, screen.uncut if is_wide else screen)


def _cells(row: Row, *, has_growth: bool, is_wide: bool) -> list[str]:
    found = row.map
    tombstones = f"{found.tombstones:,}" if found.tombstones >= 0 else "?"
    mark = "" if found.is_consistent else "~"
    cells = [found.holder or "-", type_words(row), f"{found.length:,}", f"{mark}{found.slots:,}", f"{mark}{tombstones}"]
    cells.append(f"{mark}{found.bytes:,}")
    if has_growth:
        growth = row.growth
        cells += (
            ["", ""] if growth is None else ["new" if growth.is_new else f"{growth.len:+,}", f"{growth.len_per_minute:+,.0f}"]
        )
    if is_wide:
        cells += [hex(found.address), found.design, found.certainty or "-"]
    return cells


def type_words(row: Row) -> str:
    """A map's type, or those it may have."""
    found = row.map
    if found.type:
        return found.type
    if not found.candidates:
        return "?"
    first, *others = found.candidates
    return f"{first} or {others[0]}" if len(others) == 1 else f"{first} or {len(others)} others" if others else first


def key_lines(rows: Sequence[Row]) -> Iterator[str]:
    """A line with the keys of each map."""
    for row in rows:
        if row.keys is None:
            continue
        shown: list[str] = []
        used = 0
        for text in row.keys.texts:
            used += len(text) + 2
            if used > KEYS_SHOWN and shown:
                break
            shown.append(text)
        more = row.map.length - len(shown)
        said = ", ".join(shown) + (f" … and {more:,} more" if more > 0 and shown else "")
        yield f"keys of {row.map.holder or hex(row.map.address)}: {said or row.keys.why or 'none'}"


def row_record(row: Row) -> dict[str, Any]:
    """A map as JSON, with its keys and its growth where they were asked for."""
    record = map_record(row.map)
    if row.note:
        record["note"] = row.note
    if row.growth is not None:
        growth = row.growth
        record["growth"] = {
            "len": growth.len,
            "slots": growth.slots,
            "bytes": growth.bytes,
            "seconds": round(growth.seconds, 3),
            "len_per_minute": round(growth.len_per_minute, 2),
            "is_new": growth.is_new,
        }
    if row.keys is not None:
        record["keys"] = row.keys.texts
        record["keys_are_all"] = row.keys.is_whole and len(row.keys.texts) >= row.map.length
        if row.keys.why:
            record["keys_missing"] = row.keys.why
    return record


def document(taken: Taken) -> dict[str, Any]:
    """A census as JSON."""
    maps = taken.census.maps
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "GhostkeyMaps",
        "at": taken.at.isoformat().replace("+00:00", "Z"),
        "process": {"name": taken.name, "pid": taken.pid, "go": taken.version},
        "summary": {
            "maps": len(maps),
            "entries": sum(found.length for found in maps),
            "slots": sum(found.slots for found in maps),
            "bytes": sum(found.bytes for found in maps),
            "inconsistent": sum(not found.is_consistent for found in maps),
            "lost": taken.census.lost,
            "shown": len(taken.rows),
        },
        "maps": [row_record(row) for row in taken.rows],
        "gone": taken.gone,
        "notes": taken.notes,
    }
