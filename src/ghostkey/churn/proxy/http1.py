"""HTTP/1.1 as clients of Kubernetes and the API server speak it: heads, bodies and chunks over asyncio streams.

Source: RFC 9112, sections 2 to 7.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

Headers = list[tuple[str, str]]
HOP_BY_HOP = frozenset({"host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "upgrade"})
BODY_MOST = 64 << 20  # bytes; the API server itself takes 3 MiB, and a list of everything is the operator's own affair
LINE_MOST = 1 << 20


class TooMuchError(ConnectionError):
    """A body that nobody should hold in memory."""


async def read_head(reader: asyncio.StreamReader) -> tuple[str, Headers]:
    """First line and headers. Raises IncompleteReadError at the end of the stream."""
    raw = await reader.readuntil(b"\r\n\r\n")
    first, *lines = raw[:-4].decode("latin1").split("\r\n")
    headers = []
    for line in lines:
        name, _, value = line.partition(":")
        headers.append((name, value.strip()))
    return first, headers


def value_of(headers: Headers, name: str) -> str:
    """The first value of a header; "" when it is not there."""
    return next((value for key, value in headers if key.lower() == name), "")


def without(headers: Headers, *names: str) -> Headers:
    """Headers to send on: none that speak of this connection alone."""
    dropped = {*HOP_BY_HOP, *names}
    return [(name, value) for name, value in headers if name.lower() not in dropped]


async def iter_chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The pieces of a chunked body. Raises ConnectionError or IncompleteReadError when it breaks off."""
    while True:
        line = await reader.readline()
        if not line:
            raise ConnectionError("the body breaks off")
        size = int(line.partition(b";")[0], 16)
        if size > BODY_MOST:
            raise TooMuchError(f"a chunk of {size} bytes")
        if size == 0:
            await reader.readuntil(b"\r\n")
            return
        piece = await reader.readexactly(size)
        await reader.readexactly(2)
        yield piece


async def read_body(reader: asyncio.StreamReader, headers: Headers) -> bytes:
    """The whole body. Raises TooMuchError over BODY_MOST."""
    if value_of(headers, "transfer-encoding").lower() == "chunked":
        pieces, size = [], 0
        async for piece in iter_chunks(reader):
            size += len(piece)
            if size > BODY_MOST:
                raise TooMuchError("a body that has no end")
            pieces.append(piece)
        return b"".join(pieces)
    length = int(value_of(headers, "content-length") or 0)
    if length > BODY_MOST:
        raise TooMuchError(f"a body of {length} bytes")
    return await reader.readexactly(length) if length else b""


def head(first: str, headers: Sequence[tuple[str, str]]) -> bytes:
    """First line and headers as bytes."""
    return (first + "\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n").encode("latin1")


def chunk(piece: bytes) -> bytes:
    """One piece of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(piece), piece)


LAST_CHUNK = b"0\r\n\r\n"
