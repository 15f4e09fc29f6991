"""Which key a removal of another name was meant for.

A key that somebody removed and that was not there is compared with the subjects of the keys that are: it names one of them as
a whole, or it is spelt nearly as its key is. What it was meant for is the nearest one, by what the two have in common, and of
several that are equally near the one whose subject went last before the attempt.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ghostkey.analyses.history._base import SKEW

ATTEMPTS = {
    "kind": "VARCHAR", "namespace": "VARCHAR", "name": "VARCHAR", "field": "VARCHAR", "path": "VARCHAR", "key": "VARCHAR",
    "wrong_key": "VARCHAR", "at_us": "BIGINT", "user": "VARCHAR", "agent": "VARCHAR", "audit_id": "VARCHAR", "error": "VARCHAR",
    "score": "DOUBLE",
}  # fmt: skip
SQL = """
    SELECT kind, namespace, name, key, at_us, "user", agent, audit_id, error FROM key_events
    WHERE op IN ('missed-delete', 'refused-delete') AND key <> '' ORDER BY at_us LIMIT 100000
"""
LEAST = 0.6  # how much a wrong key and the right one must have in common
CANDIDATES = 2_000  # keys of a map that are compared letter by letter
TOGETHER = 60_000_000  # microseconds within which subjects of one name may have gone together
WORDS = 12  # pieces of a key that are looked at
_PIECES = re.compile(r"[A-Za-z0-9]+")
Row = Mapping[str, Any]


class Linked(NamedTuple):
    """A key of a map, its subject, and when that went; None while it lives."""

    field: str
    path: str
    key: str
    kind: str
    namespace: str
    subject: str
    uid: str
    ended_at: int | None


class Names:
    """The names of all objects that were seen, of the kinds that keys are for."""

    def __init__(self, subjects: Iterable[tuple[str, str]]) -> None:
        self._known = set(subjects)
        self.names = {name for _, name in self._known}


def attempts(
    missed: Sequence[Row], linked: Mapping[tuple[str, str, str], Sequence[Linked]], names: Names
) -> Iterator[tuple[Any, ...]]:
    """Rows of ATTEMPTS: each removal of another name, with the key that it was meant for."""
    maps = {spot: _Map(keys, names) for spot, keys in linked.items()}
    for row in missed:
        known = maps.get((row["kind"], row["namespace"], row["name"]))
        if known is None:
            continue
        for found, score in known.meant(row["key"], row["at_us"]):
            yield (
                row["kind"], row["namespace"], row["name"], found.field, found.path, found.key, row["key"], row["at_us"],
                row["user"], row["agent"], row["audit_id"], row["error"], score,
            )  # fmt: skip


class _Map:
    """The keys of one map by what is in them."""

    def __init__(self, keys: Sequence[Linked], names: Names) -> None:
        self._names = names
        self._keys = {found.key for found in keys}
        self._by_name: dict[str, list[Linked]] = defaultdict(list)
        self._by_uid = {found.uid: found for found in keys if found.uid}
        self._by_piece: dict[str, list[Linked]] = defaultdict(list)
        self._by_letters: dict[str, list[Linked]] = defaultdict(list)
        for found in keys:
            self._by_name[found.subject.lower()].append(found)
            self._by_letters[_letters(found.key)].append(found)
            for piece in set(_pieces(found.key)):
                self._by_piece[piece].append(found)
        self._all = list(keys)
        self._cache: dict[str, list[tuple[Linked, float]]] = {}

    def meant(self, wrong: str, at: int | None) -> list[tuple[Linked, float]]:
        """The key that a removal of another was meant for, and how sure that is; nothing when it was meant for none of these."""
        if wrong in self._keys:
            return []  # it is a key of its own, which was removed before
        found = self._cache.get(wrong)
        if found is None:
            found = self._cache[wrong] = self._nearest(wrong)
        if len(found) < 2 or at is None:
            return found
        # of equals those whose subjects went last before the attempt, which may be several of one name
        ended = [one.ended_at for one, _ in found if one.ended_at is not None and one.ended_at <= at + SKEW]
        return [
            (one, score)
            for one, score in found
            if one.ended_at is not None and max(ended, default=0) - TOGETHER <= one.ended_at <= at + SKEW
        ]

    def _nearest(self, wrong: str) -> list[tuple[Linked, float]]:
        if wrong in self._by_uid:
            return [(self._by_uid[wrong], 1.0)]
        spans = list(_spans(wrong))
        for span in spans:
            if span in self._by_uid:
                return [(self._by_uid[span], 1.0)]
        for span in spans:  # the longest first
            named = self._by_name.get(span.lower())
            if named:
                fitting = [one for one in named if one.namespace and one.namespace in wrong]
                return [(one, 0.95) for one in fitting or named]
            if span in self._names.names and len(span) > 2:
                return []  # it names an object that has no key here
        same = self._by_letters.get(_letters(wrong))
        if same:
            return [(one, 0.95) for one in same]
        near: dict[int, Linked] = {}
        for piece in _pieces(wrong):
            for one in self._by_piece.get(piece, ())[:CANDIDATES]:
                near[id(one)] = one
        candidates = list(near.values())[:CANDIDATES] or (self._all if len(self._all) <= CANDIDATES else [])
        scored = [(one, likeness(wrong, one)) for one in candidates]
        best = max((score for _, score in scored), default=0.0)
        return [(one, score) for one, score in scored if score >= max(LEAST, best - 0.01)][:8] if best >= LEAST else []


def likeness(wrong: str, one: Linked) -> float:
    """From 0 to 0.9: how much a key that was removed and one that is there have in common, letters and whole parts."""
    return max(
        0.9 * max(_alike(wrong.lower(), text.lower()) for text in (one.key, one.subject, f"{one.namespace}.{one.subject}")),
        0.85 * _shared(wrong, f"{one.key} {one.namespace} {one.subject}"),
    )


def _shared(wrong: str, text: str) -> float:
    """Which share of its pieces stands in the other, if more than one does."""
    mine, others = set(_pieces(wrong)), set(_pieces(text))
    common = mine & others
    return len(common) / len(mine) if len(common) > 1 else 0.0


def _alike(left: str, right: str) -> float:
    """1 less the edit distance by the longer one's length."""
    longest = max(len(left), len(right))
    if not longest or longest > 300 or abs(len(left) - len(right)) > 0.5 * longest:
        return 0.0
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        last, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (a != b))
    return 1 - row[-1] / longest


def _letters(text: str) -> str:
    return "".join(_PIECES.findall(text)).lower()


def _pieces(text: str) -> list[str]:
    return [piece.lower() for piece in _PIECES.findall(text)[:WORDS]]


def _spans(text: str) -> Iterator[str]:
    """Every run of whole pieces of a text, with what stands between them, the longest first."""
    found = list(_PIECES.finditer(text))[:WORDS]
    runs = [text[a.start() : b.end()] for i, a in enumerate(found) for b in found[i:]]
    yield from sorted(runs, key=lambda run: -len(run))
