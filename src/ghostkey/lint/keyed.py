"""Types that have keys, as Go writes them: maps, sets, and what of their type is the key."""

from __future__ import annotations

import re

_KEYED = re.compile(
    r"^\*?(?:map\[|sync\.Map$|.*\bsets?\.(?:New|Set|String|Int|Empty)|(?:\w+\.)?\w*(?:SyncMap|ConcurrentMap|Map|Set)\[|xsync\.Map|cmap\.ConcurrentMap)"
)


def is_keyed_type(kind: str) -> bool:
    """Whether a type is a map or a set, by how it is written."""
    return not kind.startswith("[") and _KEYED.match(kind) is not None  # an index of an array is no key


def key_type(kind: str) -> str:
    """The type of a map's keys, or of a set's members."""
    end = _end_of_key(kind)
    if end:
        return kind[kind.index("[") + 1 : end].strip()
    inside = re.search(r"(\w*)\[([^\],]+)([\],])", kind)
    if inside is None or kind.startswith("[") or (inside[3] == "]" and inside[1].endswith("Map")):
        return ""  # a map with one type in brackets says its values'
    return inside[2].strip()


def value_type(kind: str) -> str:
    """The type of a map's values; empty where it is none."""
    end = _end_of_key(kind)
    return kind[end + 1 :].strip() if end else ""


def _end_of_key(kind: str) -> int:
    """Where the type of a map's keys ends; 0 where it is no map."""
    found = re.match(r"\*?map\[", kind)
    if found is None:
        return 0
    depth, place = 1, found.end()
    while place < len(kind) and depth:
        depth += {"[": 1, "]": -1}.get(kind[place], 0)
        place += 1
    return place - 1
