"""Takes entries out of JSON and YAML documents, and puts them back, without touching another byte."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ghostkey.foreign import UnreadableError, decode_json, is_json, load_yaml
from ghostkey.model.errors import Refused

_scan_string = json.decoder.py_scanstring  # type: ignore[attr-defined]
_decoder = json.JSONDecoder()
_SPACE = " \t\r\n"


@dataclass(frozen=True, slots=True)
class _Span:
    """One entry of a mapping: where its key begins and where its value ends."""

    key: str
    start: int
    end: int


def _load(text: str) -> Any:
    """The decoded document; raises ValueError when it is neither JSON nor YAML."""
    try:
        return decode_json(text)
    except UnreadableError:
        return load_yaml(text)


def entries_at(text: str, path: Sequence[str]) -> dict[str, Any]:
    """The decoded entries at a path of a document; raises KeyError when there is no mapping."""
    try:
        level: Any = _load(text)
    except ValueError:
        raise KeyError("/".join(path)) from None
    for part in path:
        level = level[part] if isinstance(level, dict) else None
    if not isinstance(level, dict):
        raise KeyError("/".join(path))
    return level


def without_entries(text: str, path: Sequence[str], keys: Sequence[str]) -> str:
    """The document without these entries, every other byte as it was. Raises KeyError, or Refused when it cannot be done."""
    wanted = set(keys)
    spans, inner_start, inner_end = _spans(text, path)
    missing = wanted - {span.key for span in spans}
    if missing:
        raise KeyError(sorted(missing)[0])
    changed = (_cut_json if is_json(text) else _cut_yaml)(text, spans, wanted, inner_start, inner_end)
    _check(changed, _removed(text, path, wanted))
    return changed


def with_entries(text: str, path: Sequence[str], entries: dict[str, str]) -> str:
    """A JSON document with entries added at the end of a mapping; `entries` holds their values as JSON text."""
    if not is_json(text):
        raise Refused("entries of a YAML document can be put back only while nobody else has changed it")
    spans, _, inner_end = _spans(text, path)
    added = ", ".join(f"{json.dumps(key)}: {value}" for key, value in entries.items())
    if spans:
        place = spans[-1].end
        return text[:place] + ", " + added + text[place:]
    return text[:inner_end] + added + text[inner_end:]


def entry_text(text: str, path: Sequence[str], key: str) -> str:
    """The value of one entry, as JSON text."""
    return json.dumps(entries_at(text, path)[key], ensure_ascii=False, default=str)


def _removed(text: str, path: Sequence[str], wanted: set[str]) -> Any:
    expected = _load(text)
    level = expected
    for part in path:
        level = level[part]
    for key in wanted:
        del level[key]
    return expected


def _check(changed: str, expected: Any) -> None:
    try:
        now = _load(changed)
    except ValueError:
        now = object()
    if now != expected:
        raise Refused(
            "the entries cannot be cut out of this document without changing others (anchors, tags or odd layout)",
            "edit it by hand: kubectl edit",
        )


# JSON


def _cut_json(text: str, spans: list[_Span], wanted: set[str], inner_start: int, inner_end: int) -> str:
    kept = [span for span in spans if span.key not in wanted]
    if not kept:
        return text[:inner_start] + text[inner_end:]
    pieces: list[str] = []
    position = 0
    # With an entry goes the comma and space up to the next entry; behind the last kept one, those before it.
    for number, span in enumerate(spans):
        if span.key not in wanted:
            continue
        if span.start > kept[-1].start:
            pieces.append(text[position : kept[-1].end])
            position = spans[-1].end
            break
        pieces.append(text[position : span.start])
        position = spans[number + 1].start
    return "".join(pieces) + text[position:]


def _spans(text: str, path: Sequence[str]) -> tuple[list[_Span], int, int]:
    """Entries of the mapping at a path, and where its inside begins and ends."""
    if not is_json(text):
        return _yaml_spans(text, path)
    position = _skip(text, 0)
    for part in path:
        spans, _, _, values = _json_object(text, position)
        place = next((n for n, span in enumerate(spans) if span.key == part), None)
        if place is None:
            raise KeyError(part)
        position = values[place]
    spans, start, end, _ = _json_object(text, position)
    return spans, start, end


def _json_object(text: str, position: int) -> tuple[list[_Span], int, int, list[int]]:
    if text[position : position + 1] != "{":
        raise KeyError("not an object")
    position = _skip(text, position + 1)
    inner_start = position
    spans: list[_Span] = []
    values: list[int] = []
    while text[position] != "}":
        start = position
        key, position = _scan_string(text, position + 1, False)
        position = _skip(text, _skip(text, position) + 1)
        values.append(position)
        _, position = _decoder.raw_decode(text, position)
        spans.append(_Span(key, start, position))
        position = _skip(text, position)
        if text[position] == ",":
            position = _skip(text, position + 1)
    return spans, inner_start, position, values


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in _SPACE:
        position += 1
    return position


# YAML


def _yaml_spans(text: str, path: Sequence[str]) -> tuple[list[_Span], int, int]:
    """Each entry's span is whole lines: those of its key and value, and comments indented below its key.

    Comments and blank lines around it are its neighbours'. The two positions that follow are where the mapping's key ends
    (for `{}` to stand there, should all go) and where its last entry does.
    """
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise KeyError("/".join(path)) from None
    key_end = 0
    for part in path:
        found = next(((key, value) for key, value in _pairs(node) if key.value == part), None)
        if found is None:
            raise KeyError(part)
        key_end, node = found[0].end_mark.index, found[1]
    pairs = _pairs(node)
    if not pairs or getattr(node, "flow_style", False):
        raise Refused("entries of a YAML mapping in flow style are not cut out", "edit it by hand: kubectl edit")
    spans = []
    for number, (key, value) in enumerate(pairs):
        following = pairs[number + 1][0].start_mark.index if number + 1 < len(pairs) else len(text)
        spans.append(_Span(str(key.value), _line_start(text, key.start_mark.index), _entry_end(text, key, value, following)))
    return spans, key_end, spans[-1].end


def _line_start(text: str, position: int) -> int:
    return text.rfind("\n", 0, position) + 1


def _entry_end(text: str, key: Any, value: Any, following: int) -> int:
    """The beginning of the first line behind an entry that is not its own."""
    end = _content_end(key, value)
    if text[_line_start(text, end) : end].strip():
        newline = text.find("\n", end)
        end = len(text) if newline < 0 else newline + 1
    else:
        end = _line_start(text, end)  # a block scalar ends where the next line begins, its blank lines with it
    limit = min(_line_start(text, following) if following < len(text) else len(text), len(text))
    # comments that are indented below the key speak of what is in its value
    own, position = end, end
    while position < limit:
        newline = text.find("\n", position)
        after = limit if newline < 0 else newline + 1
        line = text[position:after]
        if line.strip() and (not line.lstrip().startswith("#") or len(line) - len(line.lstrip()) <= key.start_mark.column):
            break
        position = after
        own = after if line.strip() else own
    return own


def _content_end(key: Any, value: Any) -> int:
    """Where the last piece of an entry's text ends: a block collection's own mark lies behind the comments that follow it."""
    import yaml

    if isinstance(value, yaml.CollectionNode) and not value.flow_style and value.value:
        last = value.value[-1]
        inner = _content_end(*last) if isinstance(last, tuple) else _content_end(last, last)
        # an alias is the node it stands for, which lies elsewhere
        return inner if value.start_mark.index <= inner <= value.end_mark.index else int(value.end_mark.index)
    if key.start_mark.index <= value.start_mark.index:
        return int(value.end_mark.index)
    return int(key.end_mark.index)


def _pairs(node: Any) -> list[tuple[Any, Any]]:
    import yaml

    return list(node.value) if isinstance(node, yaml.MappingNode) else []


def _cut_yaml(text: str, spans: list[_Span], wanted: set[str], key_end: int, inner_end: int) -> str:
    pieces: list[str] = []
    position = 0
    if all(span.key in wanted for span in spans):
        colon = text.find(":", key_end) + 1 if key_end else 0
        pieces.append(text[:colon] + (" {}" if colon else "{}\n"))
        position = colon
    for span in spans:
        if span.key in wanted:
            pieces.append(text[position : span.start])
            position = span.end
    return "".join(pieces) + text[position:]
