"""The one way out: all text that the program prints goes through here, whatever the terminal, its encoding and the text.

Names and messages come from strangers. Characters that move the cursor, change the direction of text or cannot be seen are
written out, and what the encoding lacks is replaced; commands need not think of it. Colour and the progress line are ours,
and told apart by marks that no stranger can write.
"""

from __future__ import annotations

import codecs
import io
import sys
from typing import Any

from ghostkey.report.visible import INVISIBLE, MARKED, escaped, json_safe, marked, safe

__all__ = ["CLEAR", "INVISIBLE", "Terminal", "install", "json_safe", "marked", "safe"]

# our own punctuation, for terminals that have none
_PLAIN = {"…": "...", "→": "->", "·": "-", "─": "-", "│": "|", "•": "*", "✓": "ok", "—": "-", "–": "-"}


CLEAR = marked("") + marked("2K")  # to the beginning of the line, and all of it away


def _replaced(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lacking), error.end


class Terminal(io.TextIOWrapper):
    """Standard output or error, on which text appears as it is or escaped."""

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
