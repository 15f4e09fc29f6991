"""Ways to write any text so that it may be a key: base64url, base32, hex, `-2F` for a slash. Decoded, they are keys like others."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

LEAST = 6  # characters; a shorter key is readable text by chance
_NAMES = re.compile(r"[A-Za-z0-9][-A-Za-z0-9._:/@ |]*")
# capitals alone: a name may well have `-2f` in it
_ESCAPED = re.compile(r"[-_.]([2357][A-F])")
_AT = re.compile(r"(?<=[a-z0-9])[-_.]at[-_.](?=[a-z0-9])")


@dataclass(frozen=True, slots=True)
class Codec:
    """One way to write text; `decode` gives None for what was not written so. `looks` finds candidates among joined lines.

    `trait`: what lines have among which there is a candidate: capitals, a line that is one word, or another mark.
    """

    name: str
    looks: re.Pattern[str]
    decode: Callable[[str], str | None]
    trait: str


def _text(raw: bytes) -> str | None:
    """Bytes as a text in which names may stand, else None."""
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError:
        return None
    return text if _NAMES.fullmatch(text) else None


def _from_base64url(key: str) -> str | None:
    try:
        raw = base64.b64decode(key + "=" * (-len(key) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    # many texts decode to the same bytes; only the one that encoding gives was written
    return _text(raw) if base64.urlsafe_b64encode(raw).rstrip(b"=") == key.encode() else None


def _from_base32(key: str) -> str | None:
    if key not in (key.upper(), key.lower()):
        return None
    padded = key.upper() + "=" * (-len(key) % 8)
    for decode in (base64.b32decode, base64.b32hexdecode):
        try:
            text = _text(decode(padded))
        except (binascii.Error, ValueError):
            continue
        if text is not None:
            return text
    return None


def _from_hex(key: str) -> str | None:
    try:
        return _text(bytes.fromhex(key))
    except ValueError:
        return None


def _from_escapes(key: str) -> str | None:
    """`a-2Fvelora` is `a/velora`; None when no escape stands for a mark, so that names with such a piece stay names."""
    found = False

    def mark(match: re.Match[str]) -> str:
        nonlocal found
        character = chr(int(match[1], 16))
        if character.isalnum() or character not in "/:@.-_ |%":
            return match[0]
        found = True
        return character

    text = _ESCAPED.sub(mark, key)
    return text if found else None


def _from_at(key: str) -> str | None:
    text = _AT.sub("@", key)
    return text if text != key else None


# The first of four characters of base64 holds the upper bits of a byte: names have few of them.
CODECS: Final[dict[str, Codec]] = {
    codec.name: codec
    for codec in [
        Codec("escaped", _ESCAPED, _from_escapes, "capitals"),
        Codec("_at_", _AT, _from_at, "at"),
        Codec("hex", re.compile(r"^(?:[2-7][0-9a-fA-F]){3,}$", re.MULTILINE), _from_hex, "word"),
        Codec("base32", re.compile(r"^(?:[A-Z2-7]{8,}|[a-v0-9]{8,}|[a-z2-7]{8,})$", re.MULTILINE), _from_base32, "word"),
        Codec(
            "base64url",
            re.compile(r"^(?:[LMNOQ-Za-f][-\w]{3})+(?:[LMNOQ-Za-f][-\w]{1,2})?$", re.MULTILINE | re.ASCII),
            _from_base64url,
            "capitals",
        ),
    ]
}


def may_be_encoded(keys: list[str], joined: str, lines: str, words: list[str]) -> bool:
    """Whether any of these keys decodes. `joined` are the keys as lines, `lines` the same canonical, `words` the keys of one word."""
    texts = {
        "at": joined if "-at-" in lines else "",
        "capitals": joined if joined != joined.lower() else "",  # six and more characters of base64 have one
        "word": "\n".join(words),
    }
    return any(codec.looks.search(texts[codec.trait]) and any(map(decoded, keys)) for codec in CODECS.values())


def decoded(key: str) -> list[tuple[str, str]]:
    """(codec, text) for every codec that this key may have been written with."""
    if len(key) < LEAST:
        return []
    return [
        (codec.name, text)
        for codec in CODECS.values()
        if codec.looks.search(key) and (text := codec.decode(key)) is not None and text != key
    ]
