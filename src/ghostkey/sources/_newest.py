"""Of one object that stands in several files, as it was at several times, what counts is the newest.

Source: KEP-5504 (Kubernetes v1.35): of one object, resource versions are decimal numbers that may be compared.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any

from ghostkey.model.events import Note

DIGITS = 39  # of 128 bits


def revision_of(resource_version: Any) -> int:
    """A resource version as a number; 0 where there is none, or it is not one."""
    text = resource_version if isinstance(resource_version, str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS else 0


class Newest:
    """The newest state of each object that was seen in several."""

    def __init__(self, seen: Iterable[tuple[Hashable, int]]) -> None:
        first: dict[Hashable, int] = {}
        self._newest: dict[Hashable, int] = {}
        for identity, revision in seen:
            if first.setdefault(identity, revision) != revision:
                self._newest[identity] = max(revision, self._newest.get(identity, first[identity]))

    def is_older(self, identity: Hashable, revision: int) -> bool:
        """Whether a newer state of an object was seen than this one."""
        return revision < self._newest.get(identity, 0)

    def notes(self) -> Iterator[Note]:
        """That there were several, where there were."""
        if self._newest:
            objects = "object stands" if len(self._newest) == 1 else "objects stand"
            yield Note(f"{len(self._newest)} {objects} in several files as of several times; the newest was looked at")
