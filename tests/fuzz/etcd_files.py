"""Small files as etcd writes them, made by hand: protobuf, bbolt and the write-ahead log."""

from __future__ import annotations

import struct
from collections.abc import Iterable

PAGE = 4096


def varint(number: int) -> bytes:
    """A number in protobuf."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, content: bytes | int) -> bytes:
    """A field of a protobuf message."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def config_map(name: str, data: dict[str, str]) -> bytes:
    """A ConfigMap as kube-apiserver stores it."""
    managed = field(1, b"op") + field(2, b"Update") + field(4, field(1, 1_767_225_600)) + field(7, field(1, b'{"f:data":{}}'))
    metadata = (
        field(1, name.encode()) + field(3, b"a") + field(5, b"u-1") + field(8, field(1, 1_767_225_600)) + field(17, managed)
    )
    body = field(1, metadata) + b"".join(field(2, field(1, k.encode()) + field(2, v.encode())) for k, v in data.items())
    return b"k8s\0" + field(1, field(1, b"v1") + field(2, b"ConfigMap")) + field(2, body)


def key_value(key: bytes, created: int, modified: int, version: int, value: bytes) -> bytes:
    """A mvccpb.KeyValue."""
    return field(1, key) + field(2, created) + field(3, modified) + field(4, version) + field(5, value)


def _fnv64a(raw: bytes) -> int:
    state = 0xCBF29CE484222325
    for byte in raw:
        state = ((state ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return state


def _leaf(number: int, items: list[tuple[int, bytes, bytes]]) -> bytes:
    elements, content = b"", b""
    for place, (flags, key, value) in enumerate(items):
        elements += struct.pack("<IIII", flags, 16 * (len(items) - place) + len(content), len(key), len(value))
        content += key + value
    whole = struct.pack("<QHHI", number, 2, len(items), 0) + elements + content
    return whole.ljust(-(-len(whole) // PAGE) * PAGE, b"\0")


def snapshot(revisions: Iterable[tuple[int, bytes]]) -> bytes:
    """A bbolt file with these revisions (number, KeyValue), one page of them."""
    items = [(0, struct.pack(">Q1sQ", main, b"_", 0), value) for main, value in revisions]
    meta = (0, b"finishedCompactRev", struct.pack(">Q1sQ", 1, b"_", 0))
    pages = [_leaf(3, items), _leaf(4, [meta])]
    root = _leaf(2, [(1, b"key", struct.pack("<QQ", 3, 0)), (1, b"meta", struct.pack("<QQ", 4, 0))])
    metas = b""
    for number in (0, 1):
        body = struct.pack("<IIIIQQQQQ", 0xED0CDAED, 2, PAGE, 0, 2, 0, 5, 6, 7 + number)
        head = struct.pack("<QHHI", number, 4, 0, 0)
        metas += (head + body + struct.pack("<Q", _fnv64a(body))).ljust(PAGE, b"\0")
    return metas + root + b"".join(pages)


def put(key: bytes, value: bytes, lease: int = 0) -> bytes:
    """An InternalRaftRequest that writes."""
    return field(4, field(1, key) + field(2, value) + (field(3, lease) if lease else b""))


def wal(requests: Iterable[bytes]) -> bytes:
    """A write-ahead log of these requests, with its CRCs."""
    from google_crc32c import extend

    out, crc = bytearray(), 0

    def frame(kind: int, body: bytes | None) -> None:
        nonlocal crc
        crc = extend(crc, body) if body is not None else crc
        record = field(1, kind) + field(2, crc) + (field(3, body) if body is not None else b"")
        padding = -len(record) % 8
        head = len(record) | ((0x80 | padding) << 56 if padding else 0)
        out.extend(struct.pack("<Q", head) + record + b"\0" * padding)

    frame(4, None)
    frame(1, b"meta")
    count = 0
    for count, request in enumerate(requests, 1):
        frame(2, field(1, 0) + field(2, 1) + field(3, count) + field(4, request))
    frame(3, field(1, 1) + field(2, 1) + field(3, count))
    return bytes(out)
