"""What changed between two JSON objects of strings, told from the few bytes that differ; and whether a line is one line."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ghostkey.sources.history.audit.event import UNREADABLE, decode_pairs
from ghostkey.sources.history.common import common_beginning, common_end

_URI = b'"requestURI":"'


def holds_head(line: bytes, begin: int, end: int) -> bool:
    """Whether another line begins between two places: one that was cut, with the next one behind it.

    Every beginning has a path in it, and a slash is found many times as fast as anything longer.
    """
    for _ in range(32):
        begin = line.find(b"/", begin, end) + 1
        if not begin:
            return False
        if line[begin - 1 - len(_URI) : begin - 1] == _URI:
            return True
    return line.find(_URI, begin, end) >= 0


def predicted(before: bytes, after: bytes, asked: Mapping[str, str | None]) -> dict[str, bytes | None] | None:
    """What changed, when it is just the one key that was asked for; None when it is not, or when that cannot be told."""
    ((key, value),) = asked.items()
    name = b'"' + key.encode("utf-8", "surrogatepass") + b'":'
    if value is None:
        begin = before.find(name)
        if begin < 0:
            return {} if before == after else None
        stop, end = begin + len(before) - len(after), begin
        # an entry goes with the comma after it, the last one with the comma before it
        if before[stop - 1 : stop] != b",":
            begin, stop, end = begin - 1, stop - 1, end - 1
    else:
        entry = name + msgspec.json.encode(value)
        begin = after.find(entry)
        end = begin + len(entry)
        if after[end : end + 1] == b",":
            end += 1
        elif after[begin - 1 : begin] == b",":
            begin -= 1
        stop = len(before) - (len(after) - end)
    if begin < 1 or stop < begin or not before.startswith(after[:begin]) or not before.endswith(after[end:]):
        return None
    # between what is the same on both sides there may be nothing but the key as it was, if it was there
    there = before[begin:stop]
    if there or value is None:
        try:
            if decode_pairs(b"{" + there.strip(b",") + b"}").keys() != asked.keys():
                return None
        except UNREADABLE:
            return None
    return {key: None if value is None else value.encode("utf-8", "surrogatepass")}


def differing(before: bytes, after: bytes) -> dict[str, bytes | None] | None:
    """What changed from one JSON object of strings to the next: values, None for keys that went; None when it cannot be cut out.

    A cut falls between `"` and `,"`. Inside a string those bytes can stand as well, but then what is cut out begins in the
    middle of a string, a bare key follows, and it does not decode.
    """
    if before == after:
        return {}
    least = min(len(before), len(after))
    prefix = common_beginning(before, after, least)
    cut = before.rfind(b'","', 0, prefix)
    begin = cut + 2 if cut >= 0 else 1
    # the suffix may not reach into what is taken for the prefix
    suffix = common_end(before, after, least - begin, len(before), len(after))
    found = before.find(b'","', len(before) - suffix) if suffix else -1
    rest = len(before) - (found + 1) if found >= 0 else 1
    pieces = (before[begin : len(before) - rest], after[begin : len(after) - rest])
    try:
        old, new = (decode_pairs(b"{" + piece.strip(b",") + b"}") for piece in pieces)
    except UNREADABLE:
        return None
    changed: dict[str, bytes | None] = {key: None for key in old if key not in new}
    for key, value in new.items():
        if old.get(key) != value:
            changed[key] = value.encode("utf-8", "surrogatepass")
    return changed
