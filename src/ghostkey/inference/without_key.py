"""Live names of which a map has no key: one of them, cut and hashed, may be what another key is."""

from __future__ import annotations

import functools
from bisect import bisect_left

from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.matching import Match
from ghostkey.inference.template import LEAST_HASH, is_hex, looks_hashed, may_be_hash

LEAST_CUT_STEM = 5  # characters of a name that are left before the hash
NAMES_BEGUN_ALIKE = 64
TRIMMED = 1  # a mark at the end of what is left of a name, which goes as well
MANY = 4  # of so many names one: then it is how these objects are called


class WithoutKey:
    """Live names of some kinds that a template makes no key of."""

    def __init__(self, match: Match, kinds: list[int], index: SubjectIndex) -> None:
        self._match, self._kinds, self._index = match, kinds, index
        self._longest = max(map(index.longest_name, kinds), default=0)

    def may_be(self, name: str) -> bool:
        """Whether a name is the beginning of one of them with a hash behind, and shorter.

        What is cut within a word (`radabk` of `radabkater`) was cut by a program, whatever stands behind it. Names are cut to one
        length, which none has that is a key as it is; and where these end with what looks like a hash, it says nothing.
        """
        stem, mark, tail = name.rpartition("-")
        if not mark or len(stem) < LEAST_CUT_STEM or len(name) >= self._longest or not may_be_hash(tail):
            return False
        if len(name) + TRIMMED < self._longest_key:
            return False
        names = self._without_key
        place = bisect_left(names, stem)
        is_hashed = _is_hashed(tail) and not self._are_hashed
        return any(
            found.startswith(stem) and len(found) > len(name) and (is_hashed or found[len(stem)].isalnum())
            for found in names[place : place + NAMES_BEGUN_ALIKE]
        )

    @functools.cached_property
    def _rows(self) -> list[tuple[str, bool]]:
        """Each live name, and whether it has a key."""
        template, subjects, cores = self._match.template, self._index.subjects, self._match.cores
        rows = [row for kind in self._kinds for row in self._index.rows_of(kind)]
        if template.is_plain_name:
            return [(name, name in cores) for row in rows if (name := subjects.names[row])]
        return [(subjects.names[row], self._index.render(template, row) in cores) for row in rows]

    @functools.cached_property
    def _without_key(self) -> list[str]:
        return sorted(name for name, has_key in self._rows if not has_key and len(name) > LEAST_CUT_STEM + 1)

    @functools.cached_property
    def _with_key(self) -> set[str]:
        return {name for name, has_key in self._rows if has_key}

    @functools.cached_property
    def _longest_key(self) -> int:
        return max(map(len, self._with_key), default=0)

    @functools.cached_property
    def _are_hashed(self) -> bool:
        """Whether names that are keys as they are end with what looks like a hash."""
        return MANY * sum(_is_hashed(name.rpartition("-")[2]) for name in self._with_key) > len(self._with_key)


def _is_hashed(tail: str) -> bool:
    return looks_hashed(tail) or (len(tail) > LEAST_HASH and is_hex(tail, len(tail)))  # `cafe` is a word
