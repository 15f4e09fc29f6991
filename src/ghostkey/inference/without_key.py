"""Live names of which a map has no key: one of them, cut and hashed, may be what another key is."""

from __future__ import annotations

from bisect import bisect_left

from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.matching import Match
from ghostkey.inference.template import LEAST_HASH, is_hex, looks_hashed, may_be_hash

LEAST_CUT_STEM = 5  # characters of a name that are left before the hash
NAMES_BEGUN_ALIKE = 64


class WithoutKey:
    """Live names of some kinds that a template makes no key of."""

    def __init__(self, match: Match, kinds: list[int], index: SubjectIndex) -> None:
        self._match, self._kinds, self._index = match, kinds, index
        self._longest = max(map(index.longest_name, kinds), default=0)
        self._names: list[str] | None = None

    def may_be(self, name: str) -> bool:
        """Whether a name is the beginning of one of them with a hash behind, and shorter.

        What is cut within a word (`radabk` of `radabkater`) was cut by a program, whatever stands behind it.
        """
        stem, mark, tail = name.rpartition("-")
        if not mark or len(stem) < LEAST_CUT_STEM or len(name) >= self._longest or not may_be_hash(tail):
            return False
        if self._names is None:
            self._names = self._without_key()
        place = bisect_left(self._names, stem)
        is_hashed = looks_hashed(tail) or (len(tail) > LEAST_HASH and is_hex(tail, len(tail)))  # `cafe` is a word
        return any(
            found.startswith(stem) and len(found) > len(name) and (is_hashed or found[len(stem)].isalnum())
            for found in self._names[place : place + NAMES_BEGUN_ALIKE]
        )

    def _without_key(self) -> list[str]:
        template, subjects, cores = self._match.template, self._index.subjects, self._match.cores
        rows = [row for kind in self._kinds for row in self._index.rows_of(kind) if len(subjects.names[row]) > LEAST_CUT_STEM + 1]
        if template.is_plain_name:
            return sorted(name for row in rows if (name := subjects.names[row]) not in cores)
        return sorted(subjects.names[row] for row in rows if self._index.render(template, row) not in cores)
