"""Takes ownerReferences out of an object as it is sent: JSON, or Kubernetes' protobuf, edited on the wire.

Source: k8s.io/apimachinery/pkg/runtime/serializer/protobuf (the prefix `k8s\\0` and runtime.Unknown), generated.proto of
meta/v1 (ObjectMeta is field 1 of every object, ownerReferences field 13 of it), and the protobuf encoding.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

PREFIX = b"k8s\0"
RAW, METADATA, OWNER_REFERENCES = 2, 1, 13
_SIZES = {1: 8, 5: 4}


def strip_owner_references(body: bytes) -> bytes:
    """The body without ownerReferences; unchanged where it is not understood."""
    try:
        if body.startswith(PREFIX):
            return PREFIX + _edited(body[len(PREFIX) :], [RAW, METADATA])
        document = json.loads(body)
        metadata = document.get("metadata") if isinstance(document, dict) else None
        if isinstance(metadata, dict) and metadata.pop("ownerReferences", None) is not None:
            return json.dumps(document).encode()
    except (ValueError, IndexError, RecursionError):
        pass
    return body


def _edited(message: bytes, path: list[int]) -> bytes:
    out = []
    for number, value, raw in _fields(message):
        if not path:
            out.append(b"" if number == OWNER_REFERENCES else raw)
        elif number == path[0] and value is not None:
            out.append(_delimited(number, _edited(value, path[1:])))
        else:
            out.append(raw)
    return b"".join(out)


def _fields(message: bytes) -> Iterator[tuple[int, bytes | None, bytes]]:
    """Number, content (None for numbers) and raw bytes of each field. Raises ValueError or IndexError for what is no message."""
    at = 0
    while at < len(message):
        start = at
        tag, at = _varint(message, at)
        value = None
        kind = tag & 7
        if kind == 0:
            _, at = _varint(message, at)
        elif kind == 2:
            size, at = _varint(message, at)
            value = message[at : at + size]
            at += size
        elif kind in _SIZES:
            at += _SIZES[kind]
        else:
            raise ValueError(f"wire type {kind}")
        if at > len(message):
            raise ValueError("the message breaks off")
        yield tag >> 3, value, message[start:at]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _delimited(number: int, content: bytes) -> bytes:
    return _encoded(number << 3 | 2) + _encoded(len(content)) + content
