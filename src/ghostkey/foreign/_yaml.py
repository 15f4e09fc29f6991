"""YAML built from the parser's events, one node at a time: nothing is there before it was counted.

PyYAML's own loader composes all nodes first (700 bytes each) and recurses; this takes a third of its time.
Source: YAML 1.1 types as PyYAML resolves them (yaml/resolver.py, yaml/constructor.py of 6.0).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import yaml
from yaml import events

from ghostkey.foreign import DEPTH, DIGITS, SupportsRead, TooMuchError, UnreadableError

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVERS: dict[str, list[tuple[str, Any]]] = yaml.SafeLoader.yaml_implicit_resolvers
_PREFIX = "tag:yaml.org,2002:"
_BOOLEANS = {"yes": True, "no": False, "true": True, "false": False, "on": True, "off": False}
_NOTHING = object()
_MERGE = object()  # the key `<<`
_COLLECTIONS = {None, "!", *(_PREFIX + name for name in ("map", "set", "seq", "omap", "pairs"))}


Found = tuple[bool, Any]  # whether it is an item or a document


class _Frame:
    """A collection that is being read."""

    __slots__ = ("anchor", "before", "is_items", "is_set", "key", "merged", "value")

    def __init__(self, value: Any, anchor: str | None, before: int) -> None:
        self.value, self.anchor, self.before = value, anchor, before
        self.key: Any = _NOTHING
        self.merged: list[Any] = []
        self.is_set = self.is_items = False


def read_document(text: str | bytes, nodes: int) -> Any:
    """The one document in a text; None when it is empty."""
    found: list[Any] = []
    for _, document in _Reader(nodes, streams=False).read(text):
        if found:
            raise UnreadableError("more than one document")
        found.append(document)
    return found[0] if found else None


def read_items(text: str | bytes | SupportsRead, nodes: int) -> Iterator[Found]:
    """(True, item) of a list one by one, each of at most so many nodes; then (False, the document with an empty list)."""
    return _Reader(nodes, streams=True).read(text)


class _Reader:
    def __init__(self, nodes: int, *, streams: bool) -> None:
        self._nodes, self._streams = nodes, streams
        self._count = self._anchored = 0
        self._anchors: dict[str, tuple[Any, int]] = {}  # what it names, and how many nodes that is; 0 while it is being read
        self._stack: list[_Frame] = []

    def read(self, text: str | bytes | SupportsRead) -> Iterator[Found]:
        """(True, item) where they are streamed, (False, document). Raises UnreadableError or TooMuchError."""
        raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        loader = None
        try:
            loader = _LOADER(raw)
            next_event = loader.get_event
            while (event := next_event()) is not None:
                if (found := self._event(event)) is not None:
                    yield found
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            # the parser's problem is one of its own sentences; its context quotes the text
            problem = getattr(error, "problem", None) or getattr(error, "reason", None)
            if "nesting depth" in str(problem):
                raise TooMuchError(f"it is nested more than {DEPTH} deep") from None
            raise UnreadableError(str(problem or "it is no YAML"), mark.line + 1 if mark else 0) from None
        except RecursionError:
            raise TooMuchError(f"it is nested more than {DEPTH} deep") from None
        finally:
            if loader is not None:
                loader.dispose()

    def _event(self, event: Any) -> Found | None:
        kind = event.__class__
        if kind is events.ScalarEvent:
            self._one()
            value = _scalar(event.tag, event.implicit[0], event.value)
            if event.anchor:
                self._name(event.anchor, value, 1)
            return self._add(value)
        if kind is events.MappingStartEvent or kind is events.SequenceStartEvent:
            self._open(event, kind)
        elif kind is events.MappingEndEvent or kind is events.SequenceEndEvent:
            return self._close()
        elif kind is events.AliasEvent:
            return self._alias(event.anchor)
        elif kind is events.DocumentStartEvent:
            self._count = self._anchored = 0
            self._anchors.clear()
        return None

    def _one(self) -> None:
        self._count += 1
        if self._count > self._nodes:
            raise TooMuchError(f"it has more than {self._nodes:,} nodes")

    def _open(self, event: Any, kind: Any) -> None:
        self._one()
        if len(self._stack) >= DEPTH:
            raise TooMuchError(f"it is nested more than {DEPTH} deep")
        if event.tag not in _COLLECTIONS:
            raise UnreadableError("a tag that is none of YAML's own", event.start_mark.line + 1)
        frame = _Frame({} if kind is events.MappingStartEvent else [], event.anchor, self._count - 1)
        frame.is_set = event.tag == _PREFIX + "set"
        if event.anchor:
            self._anchors[event.anchor] = (None, 0)
        if self._streams and len(self._stack) == 1 and self._stack[0].key == "items" and kind is events.SequenceStartEvent:
            frame.is_items = True
        self._stack.append(frame)

    def _close(self) -> Found | None:
        frame = self._stack.pop()
        value = frame.value
        for other in frame.merged:
            for key, content in other.items():
                value.setdefault(key, content)
        if frame.is_set:
            value = set(value)
        size = self._count - frame.before
        if frame.anchor:
            self._name(frame.anchor, value, size)
        return self._add(value)

    def _name(self, anchor: str, value: Any, size: int) -> None:
        self._anchored += size
        if self._anchored > self._nodes:
            raise TooMuchError(f"more than {self._nodes:,} nodes in it have a name")
        self._anchors[anchor] = (value, size)

    def _alias(self, anchor: str) -> Found | None:
        value, size = self._anchors.get(anchor, (None, -1))
        if size < 0:
            raise UnreadableError("an alias of nothing")
        if size == 0:
            raise TooMuchError("it holds itself")
        self._count += size
        if self._count > self._nodes:
            raise TooMuchError(f"it stands for more than {self._nodes:,} nodes")
        return self._add(value)

    def _add(self, value: Any) -> Found | None:
        """Puts a node that is whole where it belongs; gives it back when it is an item or a document."""
        if not self._stack:
            return False, None if value is _MERGE else value
        frame = self._stack[-1]
        into = frame.value
        if into.__class__ is list:
            if frame.is_items:
                # an item is its own document, as far as the budget goes
                self._count = frame.before + 1
                return True, value
            into.append("<<" if value is _MERGE else value)
            return None
        key = frame.key
        if key is _NOTHING:
            if not isinstance(value, Hashable):
                raise UnreadableError("a key that is a collection")
            frame.key = value
            return None
        frame.key = _NOTHING
        if key is _MERGE:
            self._merge(frame, value)
        else:
            into[key] = "<<" if value is _MERGE else value
        return None

    @staticmethod
    def _merge(frame: _Frame, value: Any) -> None:
        # the first of several counts, and what stands in the mapping itself more than any
        others = value if isinstance(value, list) else [value]
        if not all(isinstance(other, dict) for other in others):
            raise UnreadableError("`<<` with what is no mapping")
        frame.merged += others


def _scalar(tag: str | None, is_plain: bool, value: str) -> Any:
    if tag is None:
        if not is_plain:
            return value
        for found, expression in _RESOLVERS.get(value[:1], ()):
            if expression.match(value):
                typed = _TYPED.get(found)
                return _MERGE if found == _PREFIX + "merge" else typed(value) if typed else value
        return value
    if tag == "!":
        return value
    tagged = _TAGGED.get(tag)
    if tagged is None:
        raise UnreadableError("a tag that is none of YAML's own")
    try:
        return tagged(value)
    except TooMuchError:
        raise
    except (ValueError, KeyError, OverflowError):
        raise UnreadableError("a value that is not what its tag says") from None


def _integer(text: str) -> Any:
    if len(text) > DIGITS:
        raise TooMuchError("a number in it has too many digits")
    digits = text.replace("_", "")
    sign = -1 if digits[:1] == "-" else 1
    digits = digits.lstrip("+-")
    if digits == "0":
        return 0
    if digits.startswith(("0b", "0x")):
        return sign * int(digits[2:], 2 if digits[1] == "b" else 16)
    if ":" in digits:
        return sign * _sixties(list(map(int, digits.split(":"))))
    return sign * int(digits, 8 if digits[0] == "0" else 10)


def _float(text: str) -> Any:
    if len(text) > DIGITS:
        raise TooMuchError("a number in it has too many digits")
    digits = text.replace("_", "").lower()
    sign = -1.0 if digits[:1] == "-" else 1.0
    digits = digits.lstrip("+-")
    if digits in {".inf", ".nan"}:
        return sign * float(digits[1:])
    if ":" in digits:
        return sign * _sixties(list(map(float, digits.split(":"))))
    return sign * float(digits)


def _sixties(parts: list[Any]) -> Any:
    total = parts[0]
    for part in parts[1:]:
        total = total * 60 + part
    return total


def _boolean(text: str) -> bool:
    return _BOOLEANS[text.lower()]


def _nothing(text: str) -> None:
    if text not in {"", "~", "null", "Null", "NULL"}:
        raise ValueError(text)


def _binary(text: str) -> bytes:
    try:
        return base64.decodebytes(text.encode("ascii"))
    except binascii.Error:
        raise ValueError from None


# times stay text: Kubernetes turns YAML into JSON, which has none
_TYPED: dict[str, Callable[[str], Any]] = {
    _PREFIX + "bool": _boolean,
    _PREFIX + "int": _integer,
    _PREFIX + "float": _float,
    _PREFIX + "null": _nothing,
}
_TAGGED: dict[str, Callable[[str], Any]] = {
    **_TYPED,
    _PREFIX + "str": str,
    _PREFIX + "binary": _binary,
    _PREFIX + "timestamp": str,
    _PREFIX + "value": str,
}
