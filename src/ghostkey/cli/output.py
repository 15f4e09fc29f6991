"""Prints: reports in the formats of `report/formats/`, and JSON of every other command."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ghostkey.cli.terminal import columns_of, safe
from ghostkey.model.errors import UsageError
from ghostkey.report.findings import finding_record
from ghostkey.report.formats import format_names

if TYPE_CHECKING:
    from ghostkey.report.findings import Report, Screen

__all__ = ["FORMATS", "echo_json", "echo_table", "finding_record", "print_report", "screen", "shows", "write_page"]

FORMATS = format_names()
GAP, LEAST_ROOM = 3, 20  # columns between cells, and of a last cell that goes on below itself
BELOW = "  "  # before the cells of a row for which its first line has no room


def echo_json(document: Any) -> None:
    """Prints a document as JSON for people and programs: indented, in UTF-8, all its characters visible."""
    from ghostkey.report.formats._json import json_bytes

    click.echo(json_bytes(document), nl=False)


def echo_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints rows of cells under their headings, columns side by side; nothing where there is no row.

    Where a terminal is narrower, the last column goes on below itself, broken at words; columns for which there is no room
    even so stand in a line below, headings and cells. No word is broken, so that ids can be copied.
    """
    import textwrap

    from ghostkey.report.visible import width_of

    made = [[safe(cell) for cell in row] for row in (header, *rows)]
    if len(made) == 1:
        return
    room = columns_of(sys.stdout)
    widths = [max(map(width_of, column)) for column in zip(*made, strict=True)]
    longest = max(width_of(word) for row in made for word in (row[-1].split() or [""]))
    shares = _shared(widths, max(longest, min(widths[-1], LEAST_ROOM)), room)
    for row in made:
        for number, (first, end) in enumerate(shares):
            lead = BELOW * bool(number)
            for place in range(first, end - 1):
                lead += row[place] + " " * (widths[place] - width_of(row[place]) + GAP)
            begin, last = width_of(lead), row[end - 1]
            is_long = room is not None and end == len(row) and begin + width_of(last) > room > begin
            lines = (
                textwrap.wrap(last, (room or 0) - begin, break_long_words=False, break_on_hyphens=False) if is_long else [last]
            )
            click.echo((lead + lines[0]).rstrip())
            for line in lines[1:]:
                click.echo(" " * begin + line)


def _shared(widths: Sequence[int], least: int, room: int | None) -> list[tuple[int, int]]:
    """Which columns stand in each line of a row, from the first to before the end; `least` is what the last of all needs."""
    shares, first, used = [], 0, 0
    for place, width in enumerate(widths):
        needed = least if place == len(widths) - 1 else width
        if room is not None and place > first and used + needed > room:
            shares.append((first, place))
            first, used = place, len(BELOW)
        used += width + GAP
    return [*shares, (first, len(widths))]


def screen(*, is_colored: bool, is_local: bool) -> Screen:
    """What standard output is: a terminal of some width, or a pipe that gets everything whole."""
    from ghostkey.report.findings import Screen

    return Screen(columns_of(sys.stdout), is_colored, is_local, shows)


def print_report(report: Report, form: str) -> None:
    """Prints a report to stdout in one of FORMATS."""
    from ghostkey.report.formats import load

    for piece in load(form).pieces(report):
        click.echo(piece, nl=isinstance(piece, str), color=report.screen.is_colored)


def shows(text: str) -> bool:
    """Whether standard output can show all characters of a text."""
    try:
        text.encode(getattr(sys.stdout, "shows", None) or getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def write_page(path: Path, text: str) -> None:
    """Writes a page that only the user can read, whatever was there; a device or a pipe takes it as it is."""
    from ghostkey.store.state import write_private

    path = path.resolve()
    content = text.encode("utf-8", "replace")
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    if not path.parent.is_dir():
        raise UsageError(f"cannot write {path}: its folder does not exist", "make it, or name another file with --html")
    write_private(path, content)
