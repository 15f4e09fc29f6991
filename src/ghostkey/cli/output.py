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


def echo_json(document: Any) -> None:
    """Prints a document as JSON for people and programs: indented, in UTF-8, all its characters visible."""
    from ghostkey.report.formats._json import json_bytes

    click.echo(json_bytes(document), nl=False)


def echo_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints rows of cells under their headings, columns side by side; nothing where there is no row.

    Where a terminal is narrower, the last column goes on below itself, broken at words.
    """
    import textwrap

    from ghostkey.report.visible import width_of

    made = [[safe(cell) for cell in row] for row in (header, *rows)]
    widths = [max(width_of(row[column]) for row in made) for column in range(len(header) - 1)]
    begin, room = sum(widths) + GAP * len(widths), columns_of(sys.stdout)
    for *cells, last in made if len(made) > 1 else []:
        lead = "".join(cell + " " * (width - width_of(cell) + GAP) for cell, width in zip(cells, widths, strict=True))
        is_long = room is not None and room - begin >= LEAST_ROOM and begin + width_of(last) > room
        lines = textwrap.wrap(last, (room or 0) - begin, break_long_words=False, break_on_hyphens=False) if is_long else [last]
        click.echo((lead + lines[0]).rstrip())
        for line in lines[1:]:
            click.echo(" " * begin + line)


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
