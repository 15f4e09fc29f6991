"""Mutations of text and bytes: what breaks readers, put where it does not belong."""

from __future__ import annotations

import random
from collections.abc import Sequence

MOST_BYTES = 60_000
TOKENS = [
    b"[" * 1513, b"{" * 300, b'{"a":' * 400, b"- " * 500, b"? " * 300, b"&a [*a]", b"a: &a [*a]\n", b"*a", b"&a ", b"<<: *a\n",
    b"<<: [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n", b"&a {k: v}", b"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n",
    b"1" * 5000, b"-" + b"9" * 4400, b"0x" + b"f" * 6000, b"1e400", b"1e999999", b"-1e-999999", b"NaN", b"Infinity", b".nan", b"-.inf",
    b"1_000", b"1:30:59", b"0o17", b"2024-99-99", b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:60+99:99", b"!!python/object:os.system x",
    b"!!binary ====", b"!!timestamp 0000-00-00", b"!!set {a, b}", b"!!omap [a: b]", b"!!int x", b"!!float x", b"! x", b"!u x",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x00", b"\r\n", b"\t", b"\x1b[31m", b"\xe2\x80\xae", b"\\ud800", b"\\u0000", b"\xed\xa0\x80", b"\xff",
    b"---\n", b"...\n", b"%YAML 9.9\n", b"{}", b"[]", b"{},", b"null", b"true", b'""', b'"', b"'", b"\\", b",", b":", b": ", b"|\n", b">-\n",
    b'{"a":1,"a":2}', b'{"":{"":{"":{"":{}}}}}', b'{"items":[' + b"{}," * 300 + b"{}]}", b'"' + b"k" * 70_000 + b'":', b"\n" * 500,
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", b"\xff\xff\xff\xff\xff\xff\xff\xff", b"\xff\xff\xff\x7f",
]  # fmt: skip


def mutate(raw: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """One to five changes: bytes, pieces, numbers, tokens that readers stumble over, and pieces of other inputs."""
    data = bytearray(raw)
    for _ in range(rng.randint(1, 5)):
        place = rng.randrange(len(data) + 1)
        length = rng.choice((1, 2, 4, 8, 40, 300))
        match rng.randrange(10):
            case 0 if data:
                data[place - 1] = rng.randrange(256)
            case 1 if data:
                data[place - 1] ^= 1 << rng.randrange(8)
            case 2:
                del data[place : place + length]
            case 3:
                data[place:place] = data[place : place + length] * rng.choice((1, 1, 2, 50))
            case 4:
                data[place:place] = rng.randbytes(rng.randint(1, 8))
            case 5 | 6:
                token = rng.choice(TOKENS)
                data[place : place + rng.choice((0, 0, len(token)))] = token
            case 7:
                other = rng.choice(others)
                begin = rng.randrange(len(other) + 1)
                data[place:place] = other[begin : begin + rng.choice((20, 200, 2000))]
            case 8:
                # in place of a value, so that all around it still holds together
                end = min((found for mark in b',}]\n"' if (found := data.find(mark, place)) >= 0), default=place)
                data[place:end] = rng.choice(TOKENS)
            case 9 if rng.random() < 0.2:
                del data[place:]
            case _:
                pass
    return bytes(data[:MOST_BYTES])
