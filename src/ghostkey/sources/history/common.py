"""Small things that several sources of history need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

MAPS = frozenset({"configmaps", "secrets"})  # qualified resources whose keys are followed
REVISION_DIGITS = 18  # what fits 63 bits whatever they are


def common_beginning(left: bytes, right: bytes, most: int, left_begin: int = 0, right_begin: int = 0) -> int:
    """Length of the common beginning, at most `most`: by halves, since comparing slices is far quicker than counting."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if right.startswith(left[left_begin + low : left_begin + middle], right_begin + low):
            low = middle
        else:
            high = middle - 1
    return low


def common_end(left: bytes, right: bytes, most: int, left_end: int, right_end: int) -> int:
    """Length of the common end of what ends there, at most `most`."""
    low, high = 0, max(0, most)
    while low < high:
        middle = (low + high + 1) // 2
        if right.startswith(left[left_end - middle : left_end - low], right_end - middle):
            low = middle
        else:
            high = middle - 1
    return low


def paths_for(fields: Iterable[tuple[str, str]], qualified: str) -> list[str]:
    """The map-valued fields that were asked for of a kind; `fields` are (word for the kind, path)."""
    return [path for word, path in fields if _answers(word.lower(), qualified)]


def _answers(word: str, qualified: str) -> bool:
    name, _, group = word.partition(".")
    resource, _, its_group = qualified.partition(".")
    return name in {resource, resource.removesuffix("s")} and (
        not group or its_group == group or its_group.startswith(group + ".")
    )


def entries_at(document: Any, path: str) -> dict[str, Any] | None:
    """The map at a dotted path of a decoded object; None where there is none."""
    for part in path.split("."):
        document = document.get(part) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else None


def revision_of(resource_version: object) -> int | None:
    """etcd's revision in a resourceVersion; None where it is no number, since the API calls it opaque."""
    text = str(resource_version or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= REVISION_DIGITS else None
