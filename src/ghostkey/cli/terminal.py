"""The one way out: all text that the program prints goes through here, whatever the terminal, its encoding and the text.

Names and messages come from strangers. Characters that move the cursor, change the direction of text or cannot be seen are
written out, and what the encoding lacks is replaced; commands need not think of it. Colour and the progress line are ours,
and told apart by marks that no stranger can write.
"""

from __future__ import annotations

import codecs
import io
import re
import secrets
import sys
from typing import Any

# control, bidirectional, zero-width, filler and tag characters, other spaces, variation selectors, halves of surrogate pairs;
# not the two that text is laid out with
_INVISIBLE = (
    "\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f"
    "\u205f-\u206f\u2800\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
INVISIBLE = re.compile(f"[{_INVISIBLE}]")
_ONE_LINE = re.compile(f"[\t\n{_INVISIBLE}]")
_OURS = secrets.token_hex(8)  # marks what the program itself may do to a terminal
_MARKED = re.compile(f"\x00{_OURS}:([^\x00]*)\x00")
# our own punctuation, for terminals that have none
_PLAIN = {"…": "...", "→": "->", "·": "-", "─": "-", "│": "|", "•": "*", "✓": "ok", "—": "-", "–": "-"}


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def safe(text: str) -> str:
    """Text for one line: nothing in it can move the cursor, hide or turn other text."""
    return text if text.isascii() and text.isprintable() else _ONE_LINE.sub(_escape, text)


def marked(codes: str) -> str:
    """What only the program may send: an escape sequence, without its escape."""
    return f"\x00{_OURS}:{codes}\x00"


CLEAR = marked("") + marked("2K")  # to the beginning of the line, and all of it away


def json_safe(raw: bytes) -> bytes:
    """JSON text that says the same and shows all its characters: those that cannot be seen are escaped as JSON does."""
    if raw.isascii() and b"\x7f" not in raw:
        return raw
    return INVISIBLE.sub(_escape_json, raw.decode("utf-8", "surrogatepass")).encode()


def _escape_json(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))


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
        pieces = _MARKED.split(text)
        for number, piece in enumerate(pieces):
            super().write("\x1b[" + piece if number % 2 and piece else "\r" if number % 2 else INVISIBLE.sub(_escape, piece))
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
