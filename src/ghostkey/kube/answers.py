"""What a server answered, read within bounds and held against what was asked: a login page is no list of ConfigMaps."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

import msgspec

from ghostkey.foreign import TooMuchError, UnreadableError, decode_json
from ghostkey.kube.objects import ListMetadata, decode_raw_list
from ghostkey.model.errors import NotAsked

BODY_BYTES = 64 << 20  # of one answer; a page of the largest objects is asked for again with fewer of them
LINE_BYTES = 32 << 20  # of one event of a watch: an object of 1.5 MiB, escaped, and its managedFields
PAGE_BYTES = 8 << 20
NODES = 2_000_000  # of one page: what is decoded of them takes some 50 bytes each
METADATA_LIST = "PartialObjectMetadataList"
WATCHED = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"}
_BLOCK = 1 << 20
_KIND = re.compile(r"[A-Za-z]{1,63}")
T = TypeVar("T")


class TooLargeError(http.client.HTTPException):
    """An answer does not end where any answer would."""

    def __init__(self) -> None:
        super().__init__(f"the answer is larger than {BODY_BYTES >> 20} MiB")


def read_body(response: http.client.HTTPResponse) -> bytes:
    """The body of an answer. Raises TooLargeError, and IncompleteRead where it was cut."""
    if response.length is not None:
        if response.length > BODY_BYTES:
            raise TooLargeError
        return response.read()
    pieces, size = [], 0
    while piece := response.read(_BLOCK):
        pieces.append(piece)
        size += len(piece)
        if size > BODY_BYTES:
            raise TooLargeError
    return b"".join(pieces)


def read_line(response: http.client.HTTPResponse) -> bytes:
    """The next line of a watch; empty at its end. Raises IncompleteRead when it was cut within a line, TooLargeError."""
    line = response.readline(LINE_BYTES + 1)
    if len(line) > LINE_BYTES:
        raise TooLargeError
    if line and not line.endswith(b"\n"):
        raise http.client.IncompleteRead(line[:0])
    return line


def is_large(body: bytes) -> bool:
    """Whether decoding a page could take more memory than there should be for one."""
    return len(body) > PAGE_BYTES and sum(map(body.count, (b"{", b"[", b",", b":"))) > NODES


def described(body: bytes) -> str:
    """What an answer is, in words; nothing of it but its kind is quoted: it may echo what was sent."""
    start = body[:4096].lstrip()
    if not start:
        return "nothing"
    if start.startswith(b"<"):
        return f"a web page of {len(body):,} bytes"
    try:
        found = decode_json(body)
    except TooMuchError as error:
        return f"a document that is not read: {error}"
    except UnreadableError:
        return f"{len(body):,} bytes that are no JSON"
    if not isinstance(found, dict):
        return {list: "a JSON list", str: "a JSON text", type(None): "null"}.get(type(found), "a JSON number")
    kind = found.get("kind")
    return f"an object of kind {kind}" if isinstance(kind, str) and _KIND.fullmatch(kind) else "an object of no kind"


def not_asked(path: str, body: bytes, wanted: str) -> NotAsked:
    """The error for an answer that is not what was asked for."""
    return NotAsked(
        f"the server answered {path.partition('?')[0]} with {described(body)}, not with {wanted}",
        "is it the API server, or something in front of it? kubectl get --raw /version",
    )


def decode_object(path: str, body: bytes, wanted: str = "an object") -> dict[str, Any]:
    """The decoded JSON object of an answer. Raises NotAsked for anything else."""
    try:
        found = decode_json(body)
    except UnreadableError:
        found = None
    if not isinstance(found, dict):
        raise not_asked(path, body, wanted)
    return found


def decode_named(path: str, body: bytes) -> dict[str, Any]:
    """The one object that the last part of a path names. Raises NotAsked for anything else."""
    found = decode_object(path, body)
    metadata = found.get("metadata")
    if (
        not isinstance(found.get("kind"), str)
        or not isinstance(metadata, dict)
        or metadata.get("name") != path.rpartition("/")[2]
    ):
        raise not_asked(path, body, f"{path.rpartition('/')[2]}")
    return found


class Listed(Protocol):
    """What the decoders of lists give."""

    kind: str
    items: Any


def decode_list(path: str, body: bytes, decode: Callable[[bytes], Any], kinds: Iterable[str] = ()) -> list[Any]:
    """The items of a page of a LIST, by one of the decoders of `kube.objects`.

    `kinds` are those that the list may be of: any when there are none. Raises NotAsked for what is no list, or one without
    items, and msgspec.ValidationError when an item is not as the API defines it.
    """
    wanted = f"a {'/'.join(kinds) or 'list'}"
    try:
        found: Listed = decode(body)
    except msgspec.ValidationError:
        # is it the list, or one of its items?
        try:
            whole = decode_raw_list(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise not_asked(path, body, wanted) from None
        if not _is_list(whole.kind, kinds) or not isinstance(whole.items, list):
            raise not_asked(path, body, wanted) from None
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise not_asked(path, body, wanted) from None
    # Go makes null of a slice that nothing was put into, and the API server does of the metadata of no objects
    is_empty = found.items is None and found.kind == METADATA_LIST
    if not _is_list(found.kind, kinds) or not (is_empty or isinstance(found.items, list)):
        raise not_asked(path, body, wanted)
    return found.items or []


def _is_list(kind: str, kinds: Iterable[str]) -> bool:
    wanted = tuple(kinds)
    return kind in wanted if wanted else kind.endswith("List")


def decode_event(path: str, line: bytes) -> dict[str, Any]:
    """One event of a watch, with the object it is about. Raises NotAsked for any other line."""
    wanted = "an event of a watch"
    event = decode_object(path, line, wanted)
    what, found = event.get("type"), event.get("object")
    metadata = found.get("metadata") if isinstance(found, dict) else None
    held = metadata if isinstance(metadata, dict) else {}
    is_event = isinstance(what, str) and what in WATCHED and isinstance(found, dict)
    has_version = isinstance(held.get("resourceVersion"), str) or what == "ERROR"
    has_name = isinstance(held.get("name"), str) or what in {"ERROR", "BOOKMARK"}
    if not (is_event and has_version and has_name):
        raise not_asked(path, line, wanted)
    return event


def list_version(path: str, body: bytes) -> str:
    """The resourceVersion of a list, from which a watch goes on. Raises NotAsked when it has none."""
    try:
        version = _decode_listed(body).metadata.resource_version
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        version = None
    if not version:
        raise not_asked(path, body, "a list with a resourceVersion")
    return version


class _Listed(msgspec.Struct):
    metadata: ListMetadata


_decode_listed = msgspec.json.Decoder(_Listed).decode
