"""Text that shows all its characters: what cannot be seen, or would move a cursor or turn other text, is written out."""

from __future__ import annotations

import re
import secrets
import unicodedata

# control, bidirectional, zero-width, filler and tag characters, other spaces, variation selectors, halves of surrogate pairs,
# what is no character; not the two that text is laid out with
_INVISIBLE = (
    "\x00-\x08\x0b-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f"
    "\u205f-\u206f\u2800\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
INVISIBLE = re.compile(f"[{_INVISIBLE}]")
_ONE_LINE = re.compile(f"[\t\n{_INVISIBLE}]")
_OURS = secrets.token_hex(8)  # marks what the program itself may do to a terminal
MARKED = re.compile(f"\x00{_OURS}:([^\x00]*)\x00")


def escaped(found: re.Match[str]) -> str:
    """The character as its number: `\\x1b`, `\\u202e`."""
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def safe(text: str) -> str:
    """Text for one line: nothing in it can move the cursor, hide or turn other text."""
    return text if text.isascii() and text.isprintable() else _ONE_LINE.sub(escaped, text)


def width_of(text: str) -> int:
    """Columns of a terminal that a text takes."""
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def shortened(text: str, width: int) -> str:
    """The text with its middle left out where it is wider: names differ at their ends more often than in between."""
    if width_of(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{_upto(text, head)}…{_upto(text[::-1], width - 1 - head)[::-1]}"


def _upto(text: str, width: int) -> str:
    used = 0
    for place, character in enumerate(text):
        used += width_of(character)
        if used > width:
            return text[:place]
    return text


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def marked(codes: str) -> str:
    """What only the program may send: an escape sequence, without its escape."""
    return f"\x00{_OURS}:{codes}\x00"


def json_safe(raw: bytes) -> bytes:
    """JSON text that says the same and shows all its characters: those that cannot be seen are escaped as JSON does."""
    if raw.isascii() and b"\x7f" not in raw:
        return raw
    return INVISIBLE.sub(_escape_json, raw.decode("utf-8", "surrogatepass")).encode()


def _escape_json(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))
