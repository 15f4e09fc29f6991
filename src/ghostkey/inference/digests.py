"""Hashes that keys are made of: which there are, what is hashed, and how many have to be right before that is no chance."""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Callable
from typing import Final


def _fnv(raw: bytes, offset: int, prime: int, bits: int) -> str:
    """FNV-1a, as Go's hash/fnv: what operators shorten names with."""
    state = offset
    for byte in raw:
        state = ((state ^ byte) * prime) & ((1 << bits) - 1)
    return f"{state:0{bits // 4}x}"


DIGESTS: Final[dict[str, Callable[[bytes], str]]] = {
    "sha256": lambda raw: hashlib.sha256(raw).hexdigest(),
    "sha1": lambda raw: hashlib.sha1(raw, usedforsecurity=False).hexdigest(),
    "md5": lambda raw: hashlib.md5(raw, usedforsecurity=False).hexdigest(),
    "sha512": lambda raw: hashlib.sha512(raw).hexdigest(),
    # the first characters of a UID are as good as a hash of it
    "first": lambda raw: raw.decode(),
    "fnv32a": lambda raw: _fnv(raw, 0x811C9DC5, 0x01000193, 32),
    "fnv64a": lambda raw: _fnv(raw, 0xCBF29CE484222325, 0x100000001B3, 64),
    "crc32": lambda raw: f"{zlib.crc32(raw):08x}",
    "decimal crc32": lambda raw: str(zlib.crc32(raw)),
    "decimal fnv32a": lambda raw: str(int(_fnv(raw, 0x811C9DC5, 0x01000193, 32), 16)),
}
DIGEST_LENGTHS: Final = {"fnv32a": 8, "fnv64a": 16, "crc32": 8, "decimal crc32": 10, "decimal fnv32a": 10}  # nobody cuts these
DECIMAL: Final = frozenset(name for name in DIGESTS if name.startswith("decimal"))
"""Hashes written as numbers, of ten digits or fewer: what `fmt.Sprint(h.Sum32())` makes."""
MOST_DIGITS: Final = 10
LEAST_DIGITS: Final = 9  # one of 43 hashes of 32 bits is shorter, and most dates and numbers that people choose
_MARKS: Final = "/.-:_"
_DIGESTED_WORDS: Final = (
    "{name}", "{uid}", "{namespace}{name}", "{name}.{namespace}", "{name}/{namespace}",
    *(f"{{namespace}}{mark}{{name}}" for mark in _MARKS),
    *(f"{{{kind}}}{mark}{{namespace}}{mark}{{name}}" for kind in ("kind", "Kind", "resource") for mark in _MARKS),
    *(f"{{namespace}}{mark}{{{kind}}}{mark}{{name}}" for kind in ("kind", "Kind") for mark in _MARKS),
    *(f"{{{kind}}}{mark}{{name}}" for kind in ("kind", "Kind") for mark in _MARKS),
)  # fmt: skip
DIGESTED: Final[dict[str, Callable[..., str]]] = {words: words.format for words in _DIGESTED_WORDS}
"""What is digested → a function of its fields: namespace, name, uid, Kind, and kind (in lower case) and resource."""
_CHANCE_AT_MOST = 0.001
NAMED_ALIKE = 4  # objects that one cut name may be of


def digests_that_tell(length: int, keys: int, objects: int) -> int:
    """How many keys have to be digests of live objects before that is no chance: one, or two where digests are short and many."""
    return 1 if keys * objects * len(DIGESTS) * len(DIGESTED) < _CHANCE_AT_MOST * 16.0**length else 2


def seals_that_tell(length: int, keys: int) -> int:
    """How many hashes behind names have to be those of the live objects so named before that is no chance: short ones come by it."""
    by_chance = min(0.5, keys * NAMED_ALIKE / 16.0**length)
    return max(2, math.ceil(math.log(_CHANCE_AT_MOST / (len(DIGESTS) * len(DIGESTED))) / math.log(by_chance)))
