"""The one way out: all text that the program prints goes through here, whatever the terminal, its encoding and the text.

Names and messages come from strangers. Characters that move the cursor, change the direction of text or cannot be seen are
written out, and what the encoding lacks is replaced; commands need not think of it. Colour and the progress line are ours,
and told apart by marks that no stranger can write.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Any

import click

from ghostkey.report.visible import INVISIBLE, MARKED, escaped, json_safe, marked, safe

__all__ = ["CLEAR", "INVISIBLE", "Terminal", "columns_of", "install", "json_safe", "marked", "safe", "say", "say_page"]

# our own punctuation, for terminals that have none
_PLAIN = {"…": "...", "→": "->", "·": "-", "─": "-", "│": "|", "•": "*", "✓": "ok", "—": "-", "–": "-"}


NARROWEST = 40  # columns: a terminal that says less does not know
CLEAR = marked("") + marked("2K")  # to the beginning of the line, and all of it away


def columns_of(stream: Any) -> int | None:
    """How wide the terminal is that a stream goes to; None where it is none, and nothing is to be broken or cut."""
    try:
        if not stream.isatty() or os.environ.get("TERM") == "dumb":
            return None
        told = os.environ.get("COLUMNS", "")
        columns = int(told) if told.isascii() and told.isdecimal() else os.get_terminal_size(stream.fileno()).columns
    except (AttributeError, OSError, ValueError):
        return None
    return max(NARROWEST, columns or 80)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lacking), error.end


class Terminal(io.TextIOWrapper):
    """Standard output or error, on which text appears as it is or escaped.

    What `is_speech` is for people alone: its lines are broken at words where the terminal is narrower.
    """

    is_speech = False

    @property
    def shows(self) -> str:
        """The encoding of what arrives."""
        return str(super().encoding)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The same, but for ASCII: click takes that for a mistake, and would write UTF-8 past this stream."""
        return "latin-1" if self.shows == "ascii" else self.shows

    def write(self, text: str) -> int:
        """Writes text; marks of ours become what they stand for."""
        if self.is_speech and text.endswith("\n") and (width := columns_of(self)) is not None:
            from ghostkey.report.wrapping import wrapped

            text = "\n".join(wrapped(line, width) for line in text.split("\n"))
        if text.isascii() and text.isprintable():
            return super().write(text)
        pieces = MARKED.split(text)
        for number, piece in enumerate(pieces):
            super().write("\x1b[" + piece if number % 2 and piece else "\r" if number % 2 else INVISIBLE.sub(escaped, piece))
        return len(text)


def install() -> None:
    """Puts Terminals in place of standard output and error."""
    codecs.register_error("ghostkey", _replaced)
    sys.stdout, sys.stderr = _terminal(sys.stdout), _terminal(sys.stderr)
    if isinstance(sys.stderr, Terminal):
        sys.stderr.is_speech = True


def _terminal(stream: Any) -> Any:
    buffer = getattr(stream, "buffer", None)
    if buffer is None or isinstance(stream, Terminal):
        return stream
    stream.flush()
    try:
        encoding = codecs.lookup(stream.encoding or "ascii").name
    except LookupError:
        encoding = "ascii"
    return Terminal(buffer, encoding, "ghostkey", line_buffering=stream.line_buffering, write_through=stream.write_through)


def say(*lines: str) -> None:
    """Prints lines for people to standard output: broken at words on a terminal, and whole in a pipe, for grep."""
    from ghostkey.report.wrapping import wrapped

    width = columns_of(sys.stdout)
    for line in map(safe, lines):
        click.echo(line if width is None else wrapped(line, width))


def say_page(text: str) -> None:
    """Prints a page of paragraphs; on a terminal each is filled anew, but for examples and tables."""
    if columns_of(sys.stdout) is None:
        click.echo(text)
        return
    for number, paragraph in enumerate(text.split("\n\n")):
        lines = paragraph.split("\n")
        is_prose = not any(line.startswith((" ", "\t", "|", "`", "#", "- ")) for line in lines)
        say(*([""] if number else []), *([" ".join(lines)] if is_prose else lines))
