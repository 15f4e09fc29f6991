"""Names that stand for one subject and nothing else, and all the ways in which they are written down."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ghostkey.model.refs import UID_PATTERN

ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
TOKEN = re.compile(rb"(?i)gk[a-z2-9]{7}x")
TOKEN_TEXT = re.compile(r"(?i)gk[a-z2-9]{7}x")
UID = re.compile(UID_PATTERN)
LONG_TAIL = "-of-a-subject-with-a-long-name"  # what makes a name long enough to be cut
# as much of it as somebody left
_TAIL = re.compile(
    "<S>(?:" + "|".join(LONG_TAIL[:end] for end in range(len(LONG_TAIL), 1, -1) if LONG_TAIL[end - 1] != "-") + ")"
)
_HEX = re.compile(rb"(?<![0-9a-f])[0-9a-f]{8}")
ENCODED = frozenset({"secrets"})  # resources whose values are base64
_ENCODED = re.compile(rb"[A-Za-z0-9+/]{12,}")  # no token has less
_HASHES = ("sha256", "sha1", "md5")


def new_token(chance: random.Random) -> str:
    """A name's first part: ten characters that no cluster has by chance, and that truncation leaves whole."""
    return "gk" + "".join(chance.choice(ALPHABET) for _ in range(7)) + "x"


def tokens_in(content: bytes) -> set[str]:
    """Tokens that stand in the content as they are."""
    return {found.decode().lower() for found in TOKEN.findall(content)}


def words_in(content: bytes, resource: str) -> set[str]:
    """Tokens that stand in an object of a resource, as JSON: in values that are encoded, too."""
    found = tokens_in(content)
    if resource in ENCODED:
        for value in _ENCODED.findall(content):
            with contextlib.suppress(binascii.Error):
                found |= tokens_in(base64.b64decode(value + b"=" * (-len(value) % 4)))
    return found


@dataclass(frozen=True, slots=True)
class Named:
    """What a subject is called: its token, name, namespace ("" for cluster-scoped kinds) and uid."""

    token: str
    name: str
    namespace: str = ""
    uid: str = ""

    def spellings(self) -> Iterator[str]:
        """Texts that programs take a hash of."""
        yield self.name
        if self.namespace:
            for joint in "/.-_":
                yield f"{self.namespace}{joint}{self.name}"
        if self.uid:
            yield self.uid


class Spellings:
    """Finds subjects in bytes: plain, by uid, by the first eight digits of a usual hash, in base64 of any alignment."""

    def __init__(self, subjects: Iterable[Named]) -> None:
        self._tokens: set[str] = set()
        self._hex: dict[bytes, tuple[str, str]] = {}
        self._base64: dict[bytes, str] = {}
        for subject in subjects:
            self._add(subject)
        pieces = b"|".join(map(re.escape, self._base64))
        self._encoded = re.compile(pieces) if pieces else None

    def _add(self, subject: Named) -> None:
        self._tokens.add(subject.token)
        for text in subject.spellings():
            content = text.encode()
            for name in _HASHES:
                self._hex[hashlib.new(name, content, usedforsecurity=False).hexdigest()[:8].encode()] = (subject.token, "hash")
            self._hex[b"%08x" % _fnv32a(content)] = (subject.token, "hash")
        if subject.uid:
            self._hex[subject.uid[:8].encode()] = (subject.token, "uid")
        for shift in range(3):
            self._base64[_inner_base64(subject.token.encode(), shift)] = subject.token

    def find(self, content: bytes) -> dict[str, set[str]]:
        """Token → how it is written: `plain`, `uid`, `hash`, `base64`."""
        found: dict[str, set[str]] = {}
        for token in tokens_in(content) & self._tokens:
            found.setdefault(token, set()).add("plain")
        for match in _HEX.finditer(content):
            if known := self._hex.get(match.group()):
                found.setdefault(known[0], set()).add(known[1])
        for match in self._encoded.finditer(content) if self._encoded else ():
            found.setdefault(self._base64[match.group()], set()).add("base64")
        return found


def masked(text: str) -> str:
    """The text with everything that is one subject's replaced: what the same mistake leaves of another one is the same text."""
    text = _TAIL.sub("<S>", TOKEN_TEXT.sub("<S>", text))
    text = UID.sub("<uid>", text)
    return re.sub(r"(?<![0-9a-f])[0-9a-f]{8,64}(?![0-9a-z])", "<hash>", text)


def _inner_base64(content: bytes, shift: int) -> bytes:
    """The digits that stand for the content alone when it begins `shift` bytes into a group of three."""
    encoded = base64.b64encode(b"\0" * shift + content).rstrip(b"=")
    # the first and last digit share bits with their neighbours
    first = -(-shift * 8 // 6)
    last = (shift + len(content)) * 8 // 6
    return encoded[first:last]


def _fnv32a(content: bytes) -> int:
    """Source: FNV-1a, 32 bits, as Go's hash/fnv."""
    value = 0x811C9DC5
    for byte in content:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value
