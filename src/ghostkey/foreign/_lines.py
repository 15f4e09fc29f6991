"""At which line each object of a YAML or JSON file begins, and each key of its maps; for those who show where a finding is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml import events

from ghostkey.foreign import DEPTH

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAPS = ("data", "binaryData", "stringData")
_EVENTS = 1_000_000  # of one file; some two seconds
_ITEM = object()


@dataclass(slots=True)
class ObjectLines:
    """Where one object stands in a file; lines count from 1."""

    line: int
    kind: str = ""
    namespace: str = ""
    name: str = ""
    keys: dict[str, int] = field(default_factory=dict)


def object_lines(content: bytes) -> Iterator[ObjectLines]:
    """The objects of a file, those of lists included, as far as the file can be read."""
    loader = None
    try:
        loader = _LOADER(content)
        yield from _objects(loader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        return
    finally:
        if loader is not None:
            loader.dispose()


class _Level:
    """A collection that is being read: of a mapping `key` is the key whose value comes next, None before a key."""

    __slots__ = ("found", "is_mapping", "key")

    def __init__(self, is_mapping: bool, found: ObjectLines | None) -> None:
        self.is_mapping, self.found = is_mapping, found
        self.key: Any = None if is_mapping else _ITEM


def _objects(loader: Any) -> Iterator[ObjectLines]:
    stack: list[_Level] = []
    for _ in range(_EVENTS):
        event = loader.get_event()
        if event is None:
            return
        kind = event.__class__
        if kind is events.MappingStartEvent or kind is events.SequenceStartEvent:
            if len(stack) >= DEPTH:
                return
            is_mapping = kind is events.MappingStartEvent
            begins = is_mapping and [level.key for level in stack] in ([], ["items", _ITEM])
            stack.append(_Level(is_mapping, ObjectLines(event.start_mark.line + 1) if begins else None))
        elif kind is events.MappingEndEvent or kind is events.SequenceEndEvent:
            closed = stack.pop()
            if closed.found is not None and closed.found.name:
                yield closed.found
            _close(stack)
        elif kind is events.ScalarEvent and stack and stack[-1].is_mapping and stack[-1].key is None:
            stack[-1].key = event.value
            _note_key(stack, event)
        elif kind is events.ScalarEvent or kind is events.AliasEvent:
            if kind is events.ScalarEvent:
                _note_value(stack, event.value)
            _close(stack)


def _close(stack: list[_Level]) -> None:
    if stack and stack[-1].is_mapping:
        # a collection as key has no name
        stack[-1].key = None if stack[-1].key is not None else ""


def _object(stack: list[_Level], depth: int) -> ObjectLines | None:
    return stack[-depth].found if len(stack) >= depth else None


def _note_key(stack: list[_Level], event: Any) -> None:
    found = _object(stack, 2)
    if found is not None and stack[-2].key in _MAPS:
        found.keys[event.value] = event.start_mark.line + 1


def _note_value(stack: list[_Level], value: str) -> None:
    if (own := _object(stack, 1)) is not None and stack[-1].key == "kind":
        own.kind = value
    elif (found := _object(stack, 2)) is not None and stack[-2].key == "metadata":
        if stack[-1].key == "name":
            found.name = value
        elif stack[-1].key == "namespace":
            found.namespace = value
