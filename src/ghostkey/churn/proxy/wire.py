"""Edits an object's metadata as it is sent: JSON, or Kubernetes' protobuf, on the wire.

Source: k8s.io/apimachinery/pkg/runtime/serializer/protobuf (the prefix `k8s\\0` and runtime.Unknown), generated.proto of
meta/v1 (ObjectMeta is field 1 of every object; name 1, namespace 3 and ownerReferences 13 of it), and the protobuf encoding.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

PREFIX = b"k8s\0"
RAW, METADATA, NAME, NAMESPACE, OWNER_REFERENCES = 2, 1, 1, 3, 13
_SIZES = {1: 8, 5: 4}


def strip_owner_references(body: bytes) -> bytes:
    """The body without ownerReferences; unchanged where it is not understood."""
    if body.startswith(PREFIX):
        return _edited_object(body, OWNER_REFERENCES, lambda _: None)
    metadata = _json_metadata(body)
    if metadata is None or metadata[1].pop("ownerReferences", None) is None:
        return body
    return json.dumps(metadata[0]).encode()


def renamed(body: bytes, change: Callable[[str], str]) -> bytes:
    """The body with another metadata.name; unchanged where it is not understood."""
    return _changed(body, NAME, "name", change)


def moved(body: bytes, namespace: str) -> bytes:
    """The body with another metadata.namespace, where it has one; unchanged where it is not understood."""
    return _changed(body, NAMESPACE, "namespace", lambda _: namespace)


def _changed(body: bytes, number: int, word: str, change: Callable[[str], str]) -> bytes:
    if body.startswith(PREFIX):
        return _edited_object(body, number, lambda text: change(text.decode()).encode())
    metadata = _json_metadata(body)
    if metadata is None or not isinstance(metadata[1].get(word), str):
        return body
    metadata[1][word] = change(metadata[1][word])
    return json.dumps(metadata[0]).encode()


def name_of(body: bytes) -> str:
    """metadata.name; empty where it is not understood."""
    found: list[str] = []

    def look(name: str) -> str:
        found.append(name)
        return name

    renamed(body, look)
    return found[0] if found else ""


def _json_metadata(body: bytes) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """A document and its metadata; None for what is no object."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    metadata = document.get("metadata") if isinstance(document, dict) else None
    return (document, metadata) if isinstance(metadata, dict) else None


_Edit = Callable[[bytes], bytes | None]


def _edited_object(body: bytes, number: int, edit: _Edit) -> bytes:
    try:
        return PREFIX + _edited(body[len(PREFIX) :], [RAW, METADATA], number, edit)
    except (ValueError, IndexError):
        return body


def _edited(message: bytes, path: list[int], wanted: int, edit: _Edit) -> bytes:
    out = []
    for number, value, raw in _fields(message):
        if value is not None and not path and number == wanted:
            edited = edit(value)
            out.append(b"" if edited is None else _delimited(number, edited))
        elif value is not None and path and number == path[0]:
            out.append(_delimited(number, _edited(value, path[1:], wanted, edit)))
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
