"""Where in a record the events are, once that was found in one like it: what is there is cut out, and the rest is not walked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Annotated, Any

import msgspec

from ghostkey.foreign import decode_json
from ghostkey.sources.history.audit.encoded import LEAST, decoded, is_encoded
from ghostkey.sources.history.audit.found import Found, Path

BARE = b'{"kind":"Event"'
PREFIX_BYTES = 4_096
RECEIVED = b"requestReceivedTimestamp"  # once in each event; the longer a word, the sooner it is counted
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, AttributeError)


def _typed(rest: Path, leaf: Any) -> Any:
    """A type that has this path in it and nothing else, with the leaf at its end."""
    if not rest:
        return leaf
    if rest[0] == "*":
        return list[_typed(rest[1:], leaf)]  # type: ignore[misc]
    return msgspec.defstruct("Record", [("f", _typed(rest[1:], leaf))], rename={"f": rest[0]})


def _short(value: Any) -> Any:
    """A type of what is like a value of a record and too short for an event. Raises TypeError where there is none."""
    if isinstance(value, dict):
        return _record([(f"o{number}", name, _short(child)) for number, (name, child) in enumerate(value.items())])
    if isinstance(value, str) or value is None:
        return Annotated[str, msgspec.Meta(max_length=LEAST - 1)] | None
    if isinstance(value, int | float):  # a bool, too
        return bool | float
    raise TypeError(type(value))


def _record(fields: list[tuple[str, str, Any]]) -> Any:
    """A type of an object that has some of these fields, as (our name, its name, type), and no others."""
    return msgspec.defstruct(
        "Record", [(ours, typed, None) for ours, _, typed in fields], rename={ours: name for ours, name, _ in fields},
        forbid_unknown_fields=True,
    )  # fmt: skip


def _around(value: Any, rest: Path) -> Any:
    """A type of what is like a record in which a text is here, and has nothing else in which an event could be."""
    if not rest:
        return str
    if not isinstance(value, dict):
        raise TypeError(type(value))
    return _record([
        ("f", name, _around(child, rest[1:])) if name == rest[0] else (f"o{number}", name, _short(child))
        for number, (name, child) in enumerate(value.items())
    ])  # fmt: skip


def one_way(path: Path, record: bytes) -> Callable[[bytes], bytes] | None:
    """What cuts the event out of a record like this one, in which it is text in one field and all else is short, as most are.

    It gives nothing where a record is another one.
    """
    try:
        decode = msgspec.json.Decoder(_around(decode_json(record), path)).decode
    except (TypeError, ValueError):
        return None
    text_of = attrgetter(".".join("f" for _ in path))

    def cut(record: bytes) -> bytes:
        try:
            event: bytes = text_of(decode(record)).encode("utf-8", "surrogatepass")
        except _FAILURES:
            return b""
        return event if event.startswith(BARE) and event.endswith((b"}", b"}\n")) else b""

    return cut


def way(path: Path, unwrap: Callable[[bytes], Found]) -> Callable[[bytes], list[bytes]] | None:
    """What cuts the events out of a record that is made as another one, in which this path led to them."""
    try:
        decode = msgspec.json.Decoder(_typed(path, msgspec.Raw)).decode
        decode_text = msgspec.json.Decoder(str).decode
    except (TypeError, ValueError):
        return None

    def leaves(node: Any, rest: Path) -> Iterator[bytes]:
        if not rest:
            yield bytes(node)
        elif rest[0] == "*":
            for child in node:
                yield from leaves(child, rest[1:])
        else:
            yield from leaves(node.f, rest[1:])

    def cut(line: bytes) -> list[bytes]:
        events: list[bytes] = []
        try:
            for leaf in leaves(decode(line), path):
                raw = decode_text(leaf).encode("utf-8", "surrogatepass") if leaf[:1] == b'"' else leaf
                raw = decoded(raw) if raw[:1] not in b"{[" and is_encoded(raw.decode("ascii", "replace")) else raw
                if raw.startswith(BARE) and raw.rstrip().endswith(b"}"):
                    events.append(raw)
                else:
                    found = unwrap(raw)
                    if found.is_damaged or not found.events:
                        return []  # the long way says so, or finds it
                    events += found.events
        except _FAILURES:
            return []
        return events

    return cut
