"""Tables that fit where they are shown: columns by their display width, cut in the middle on a terminal, whole in pipes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ghostkey.model.findings import Severity
from ghostkey.report.findings import Screen
from ghostkey.report.visible import marked, safe, shortened, width_of

COLORS = {Severity.CRITICAL: "31m", Severity.WARNING: "33m", Severity.INFO: "36m"}
CELL_CHARACTERS = 400  # of a table: more than any name has, and a line of a megabyte shows nothing to anybody
# how far columns are cut: as much as still tells a name, then to what may be guessed, then words of ours too
_STAGES = ((1, 12), (1, 6), (2, 6))
_GAP, _NARROW_GAP = 3, 2


@dataclass(frozen=True, slots=True)
class Column:
    """A column's header; in which stage it is cut, and in which order it is left out where there is no room (0: never)."""

    header: str
    cut: int = 0
    leaves: int = 0


Row = tuple[Severity, list[str]]


def table(columns: Sequence[Column], rows: Sequence[Row], screen: Screen) -> Iterator[str]:
    """The lines of a table, the column FINDING in the colour of its row's severity. Nothing without rows."""
    if not rows:
        return
    cells = [[column.header for column in columns], *([safe(_bounded(cell)) for cell in row] for _, row in rows)]
    widths = [max(map(width_of, column)) for column in zip(*cells, strict=True)]
    shown, widths, gap = _fitted(columns, widths, screen.width)
    colored = next((place for place, column in enumerate(columns) if column.header == "FINDING"), -1)
    for number, row in enumerate(cells):
        parts = []
        for place in shown:
            text = shortened(row[place], widths[place])
            padded = text + " " * (widths[place] - width_of(text))
            if screen.is_colored and number and place == colored:
                padded = f"{marked(COLORS[rows[number - 1][0]])}{padded}{marked('0m')}"
            parts.append(padded)
        line = (" " * gap).join(parts).rstrip()
        yield f"{marked('1m')}{line}{marked('0m')}" if screen.is_colored and not number else line


def with_origins(
    columns: Sequence[Column], rows: Sequence[Row], origins: Sequence[str]
) -> tuple[Sequence[Column], Sequence[Row]]:
    """The table with a column for the cluster that each row is of, where a dump holds several."""
    if not any(origins):
        return columns, rows
    told = [(severity, [*row, origin or "-"]) for (severity, row), origin in zip(rows, origins, strict=True)]
    return (*columns, Column("FROM", cut=1)), told


def _fitted(columns: Sequence[Column], widths: list[int], room: int | None) -> tuple[list[int], list[int], int]:
    """Which columns are shown, how wide each is, and how far apart they stand."""
    shown = list(range(len(columns)))

    def total(gap: int) -> int:
        return sum(widths[place] for place in shown) + gap * (len(shown) - 1)

    if room is None or total(_GAP) <= room:
        return shown, widths, _GAP
    least = _least(columns, widths, *_STAGES[0])
    # what is needed most stays; what is cut to a stump helps nobody
    for place in sorted((p for p in shown if columns[p].leaves), key=lambda place: columns[place].leaves):
        if sum(least[p] for p in shown) + _NARROW_GAP * (len(shown) - 1) <= room:
            break
        shown.remove(place)
    widths = list(widths)
    for stage in _STAGES:
        least = _least(columns, widths, *stage)
        while total(_NARROW_GAP) > room and (wider := [place for place in shown if widths[place] > least[place]]):
            widths[max(wider, key=lambda place: widths[place])] -= 1
    return shown, widths, _NARROW_GAP


def _least(columns: Sequence[Column], widths: Sequence[int], cut: int, narrowest: int) -> list[int]:
    """How narrow each column may become in a stage."""
    return [min(width, narrowest) if 0 < column.cut <= cut else width for column, width in zip(columns, widths, strict=True)]


def _bounded(cell: str) -> str:
    return cell if len(cell) <= CELL_CHARACTERS else cell[: CELL_CHARACTERS - 1] + "…"
