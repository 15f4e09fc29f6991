"""What strangers write: JSON and YAML, decoded within a budget of nodes, depth and digits, whatever the text is.

Every document that comes from outside is read through here: values of maps, dumps, audit logs, kubeconfigs, managedFields,
answers of servers, receipts and plans. What is over the budget raises TooMuchError before it takes memory or time, what is no
JSON or YAML raises UnreadableError; neither says what stands in the document, which may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import msgspec

# Objects of the API are at most 1.5 MiB in etcd, some 100,000 nodes. A node takes up to 150 bytes.
NODES = 500_000
YAML_NODES = 200_000  # about a second; YAML takes twenty times as long as JSON
# deeper than any schema of Kubernetes, and shallow enough for everything that walks a document by recursion
DEPTH = 200
DIGITS = 400  # of a number: more than any float has, and far from the 4,300 of which Python makes no text
ITEMS = 1_000_000  # of a list that is read item by item; a reference to one takes 72 bytes
OBJECT_BYTES = 4 << 20  # of JSON: what etcd takes, escaped
_SHORT = 256  # bytes that cannot be over any budget
_STEP = re.compile(rb'(?s)(?:[^{}\[\]"]++|"(?:[^"\\]++|\\.)*+")*+[{}\[\]]')
_SPACE = b" \t\r\n"
_NO_MARKS = bytes(set(range(256)) - set(b'[{,:"'))
Bytes = bytes | bytearray


class SupportsRead(Protocol):
    """Bytes that come one after the other."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        ...


class UnreadableError(ValueError):
    """The text is no such document; `line` says where it goes wrong, 0 when that is not known."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


class TooMuchError(UnreadableError):
    """The document is larger, deeper or more entangled than anything that is worth reading."""


# JSON


_decode = msgspec.json.Decoder().decode


def decode_json(text: str | Bytes | msgspec.Raw, nodes: int = NODES) -> Any:
    """The decoded document. Raises UnreadableError or TooMuchError."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(raw) <= _SHORT:
        return _decoded(raw)
    if isinstance(raw, msgspec.Raw):
        raw = bytes(raw)
    opened = raw.count(b"{") + raw.count(b"[")
    if opened + raw.count(b",") + raw.count(b":") > nodes and (len(raw) > OBJECT_BYTES or _nodes(raw) > nodes):
        raise TooMuchError(f"it has more than {nodes:,} nodes")
    document = _decoded(raw)
    if opened > DEPTH:
        _check_depth(document)
    return document


def is_json(text: str | Bytes) -> bool:
    """Whether a document is JSON, within the budget."""
    try:
        decode_json(text)
    except UnreadableError:
        return False
    return True


def _nodes(raw: Bytes) -> int:
    """How many nodes a JSON document has at most: what stands in its strings does not count."""
    if b"\\" in raw:
        raw = re.sub(rb"(?s)\\.", b"", raw)
    outside = re.sub(rb'"[^"]*+"?', b"", raw.translate(None, _NO_MARKS))
    return len(outside)


def _decoded(raw: Bytes | msgspec.Raw) -> Any:
    try:
        return _decode(raw)
    except RecursionError:
        raise TooMuchError(f"it is nested more than {DEPTH} deep") from None
    except msgspec.ValidationError:
        raise TooMuchError("a number in it is out of range") from None
    except UnicodeDecodeError:
        raise UnreadableError("not UTF-8") from None
    except msgspec.DecodeError as error:
        # msgspec says what it expected and where, and never quotes the text
        raise UnreadableError(f"not JSON: {error}") from None


def _check_depth(document: Any) -> None:
    level = [document] if isinstance(document, dict | list) else []
    for _ in range(DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return
    raise TooMuchError(f"it is nested more than {DEPTH} deep")


class _List(msgspec.Struct, rename="camel"):
    items: list[msgspec.Raw] | None = None
    kind: Any = None
    api_version: Any = None
    metadata: Any = None


class _Item(msgspec.Struct, gc=False):
    metadata: msgspec.Raw


class _Items(msgspec.Struct):
    items: list[_Item] | None = None


# Made here, and not where they are used: several threads that come to a type first at once crash the interpreter (msgspec 0.22)
_decode_list = msgspec.json.Decoder(_List).decode
_decode_items = msgspec.json.Decoder(_Items).decode
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_item_array = msgspec.json.Decoder(list[_Item]).decode


class JsonList(msgspec.Struct):
    """A list whose items are not decoded yet."""

    kind: str
    api_version: str
    items: list[msgspec.Raw]
    metadata: Any = None


def json_list(content: Bytes) -> JsonList | None:
    """The items of a list of Kubernetes, each still as its bytes; None when the document has no `items` of that sort.

    Takes memory for the items, not for what is in them. Raises UnreadableError or TooMuchError.
    """
    found = _listed(content, _decode_items, _decode_list)
    if found is None or found.items is None:
        return None
    kind, version = (word if isinstance(word, str) else "" for word in (found.kind, found.api_version))
    return JsonList(kind, version, found.items, found.metadata)


def json_array(content: Bytes) -> JsonList | None:
    """The same of a bare array of objects; None when the document is none. Raises UnreadableError or TooMuchError."""
    if content.lstrip()[:1] != b"[":
        return None
    items = _listed(content, _decode_item_array, _decode_array)
    return None if items is None else JsonList("", "", items)


def _listed(content: Bytes, checked: Callable[[Bytes], Any], wanted: Callable[[Bytes], Any]) -> Any:
    """A document as `wanted` decodes it, None when it is of another type; what is very long has to pass `checked` first."""
    if content.count(b",") > ITEMS:
        # what has no metadata is no object: this ends at the first that has none
        if content.count(b'"metadata"') > ITEMS:
            raise TooMuchError(f"it has more than {ITEMS:,} items")
        try:
            checked(content)
        except msgspec.ValidationError:
            raise TooMuchError("it is a long list of what is no object") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass  # the next line says why
    try:
        return wanted(content)
    except RecursionError:
        raise TooMuchError(f"it is nested more than {DEPTH} deep") from None
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableError(f"not JSON: {error}") from None


def split_json(content: Bytes) -> Iterator[Bytes]:
    """JSON documents that stand one after the other, each as its bytes. Raises UnreadableError where that ends."""
    position, size = 0, len(content)
    while True:
        while position < size and content[position] in _SPACE:
            position += 1
        if position >= size:
            return
        start, depth = position, 0
        if content[start] not in b"{[":
            raise UnreadableError("not JSON: no object begins there")
        while depth or position == start:
            found = _STEP.match(content, position)
            if found is None:
                raise UnreadableError("not JSON: cut short")
            position = found.end()
            depth += 1 if content[position - 1] in b"{[" else -1
            if depth > DEPTH:
                raise TooMuchError(f"it is nested more than {DEPTH} deep")
        yield content[start:position]


# YAML


def load_yaml(text: str | bytes, nodes: int = YAML_NODES) -> Any:
    """The decoded document; aliases count as what they stand for. Raises UnreadableError or TooMuchError.

    Times stay text, as in Kubernetes; a tag that is none of YAML's own is unreadable.
    """
    from ghostkey.foreign._yaml import read_document

    return read_document(text, nodes)


def yaml_items(text: str | bytes | SupportsRead, nodes: int = YAML_NODES) -> Iterator[tuple[bool, Any]]:
    """(True, item) of a list one by one, each of at most so many nodes, then (False, the document with an empty list).

    A document that is no list is just itself. Takes memory for one item. Raises UnreadableError or TooMuchError on the way.
    """
    from ghostkey.foreign._yaml import read_items

    return read_items(text, nodes)
