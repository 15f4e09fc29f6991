"""JSON in base64, as the values of Kafka and the bodies of Event Hubs hold it: of an object or a list, with any letters and line ends.

A token has dots in it, and what else is written so (certificates, values of Secrets) holds nothing of an audit event: all of
that is told apart by what it stands for.
"""

from __future__ import annotations

import base64
import re

LEAST = 200  # letters: no event is shorter
# {" { \n and [{, with and without a space or a newline between
_BEGINNINGS = ("eyJ", "eyA", "ewo", "ew0", "IHs", "W3s", "Wwo", "WyB")
_BEGIN = f"(?:{'|'.join(_BEGINNINGS)})"
_TEXT = re.compile(rf"\s*{_BEGIN}[A-Za-z0-9+/_-][A-Za-z0-9+/_=\s-]{{{LEAST},}}")
_QUOTED = re.compile(rf'"(?:\\[nr])*({_BEGIN}(?:[A-Za-z0-9+/_=-]|\\[nr]){{{LEAST},}})'.encode())
_MARKS = tuple(f'"{begin}'.encode() for begin in (*_BEGINNINGS, "\\n", "\\r"))
_LETTERS = bytes.maketrans(b"-_", b"+/")
_REST = re.compile(rb"\\[nr]|[^A-Za-z0-9+/]")  # ends of lines, in JSON too


def is_encoded(text: str) -> bool:
    """Whether a text is called as base64 of JSON is."""
    return len(text) >= LEAST and _TEXT.fullmatch(text) is not None


def decoded(text: bytes) -> bytes:
    """What base64 stands for, as far as it goes; its letters may be those of URLs, and its end may be missing."""
    letters = _REST.sub(b"", text.translate(_LETTERS))
    letters = letters[: len(letters) - (len(letters) % 4 == 1)]
    return base64.b64decode(letters + b"=" * (-len(letters) % 4))


def holds(text: bytes, words: tuple[bytes, ...]) -> bool:
    """Whether base64 in quotes stands for something that has one of these words in it."""
    return any(mark in text for mark in _MARKS) and any(
        any(word in content for word in words) for content in map(decoded, _QUOTED.findall(text))
    )
