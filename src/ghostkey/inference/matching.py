"""Which templates could have made the keys of a map: sampled keys vote, and what has votes is checked over all keys."""

from __future__ import annotations

import dataclasses
import os.path
from collections.abc import Iterable
from dataclasses import dataclass

from ghostkey.inference.explain import digests_among, explain_cut, explain_digest, explain_key, explain_squashed
from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.template import UNDASHED_UUID, UUID, Template
from ghostkey.model.events import KeysSeen

TEMPLATES_OF_A_MAP = 12
SILENT_MOST = 64  # keys without any explanation that are looked at once more
KEYS_REMEMBERED = 4096  # `default` and `ca.crt` stand in thousands of maps

_Votes = dict[Template, dict[str, set[int]]]  # template → names of live objects → their kinds
_Found = list[tuple[Template, str, int]]


@dataclass(slots=True)
class Match:
    """One template checked over one map: which keys it makes, and of which live objects."""

    template: Template
    kinds: dict[int, set[str]]  # kind → cores with a live object
    cores: dict[str, int]  # core → index of the (first) key that has it
    more: dict[str, list[int]]  # core → indexes of its further keys; only hashes and open ends make several keys of one core

    def indexes(self, core: str) -> list[int]:
        """Indexes of all keys of a core."""
        return [self.cores[core], *self.more.get(core, ())]

    @property
    def best(self) -> int:
        """How many live objects the best kind has."""
        return max((len(cores) for cores in self.kinds.values()), default=0)


class Matcher:
    """Matches maps against the live objects. With `of_objects`, keys are objects' names, and their own kind is no subject."""

    def __init__(self, index: SubjectIndex, *, of_objects: bool = False) -> None:
        self.index, self.subjects, self.of_objects = index, index.subjects, of_objects
        self._plain: tuple[KeysSeen | None, dict[str, int]] = (None, {})
        self._explained: dict[tuple[str, int], _Found] = {}

    def matches(self, seen: KeysSeen, sample: list[str]) -> list[Match]:
        """Templates with votes from sampled keys, each checked over the whole map."""
        keys = seen.keys
        if not self.index.may_stand_in(sample):
            return []
        votes: _Votes = {}
        explained: dict[str, _Found] = {}
        own = self.subjects.number_of(seen.holder.kind) if self.of_objects else -1
        for key in sample:
            found = self._explain(key, own)
            for template, name, kind in found:
                votes.setdefault(template, {}).setdefault(name, set()).add(kind)
            explained[key] = found
        # a reading that only one object has says nothing: `risk-jade.fjord70.ex-a62b00` is more than a namespace and some text
        silent = [key for key, found in explained.items() if all(_is_lonely(template, votes) for template, _, _ in found)]
        if 4 * len(silent) >= len(sample):
            self._vote_rarer(keys, silent, votes)
        _drop_loose(votes)
        # more different subjects first; among equals the simpler template
        ranked = sorted(votes, key=lambda template: (-len(votes[template]), len(str(template)), str(template)))
        whole = len(sample) == len(keys)
        matches = []
        for template in ranked[:TEMPLATES_OF_A_MAP]:
            single = whole and len(votes[template]) < 2 and len(keys) > 3 and not template.is_unmistakable
            # one subject only is chance; families of small maps still need to hear of it when the template is plain
            if single and (template.prefix or template.suffix or template.order == "name"):
                continue
            kinds = set().union(*votes[template].values()) if whole else None
            match = self.match(seen, template, kinds)
            if match.best:
                matches.append(match)
        return matches

    def _explain(self, key: str, but: int) -> _Found:
        found = self._explained.get((key, but))
        if found is None:
            names, kind_of = self.subjects.names, self.subjects.kind_of
            found = [(template, names[row], kind_of[row]) for template, row in explain_key(key, self.index, but)]
            if len(self._explained) < KEYS_REMEMBERED:
                self._explained[key, but] = found
        return found

    def _vote_rarer(self, keys: list[str], silent: list[str], votes: _Votes) -> None:
        # a name that a plain template has made a key of was not cut to make another
        spoken = {name for template, names in votes.items() if template.is_bare for name in names}
        longest = max(map(len, keys))
        names, kind_of = self.subjects.names, self.subjects.kind_of
        for key in silent[:SILENT_MOST]:
            for template, row in (*explain_cut(key, self.index, longest), *explain_squashed(key, self.index)):
                if not template.cut or names[row] not in spoken:
                    votes.setdefault(template, {}).setdefault(names[row], set()).add(kind_of[row])
        prefix = os.path.commonprefix(silent)  # noqa: RUF071 (text, not a path)
        prefix = prefix[: max(prefix.rfind(mark) for mark in "-._") + 1]
        stripped = [key[len(prefix) :] for key in silent]
        if len(stripped) >= 2:
            whole = [key[len(prefix) :] for key in keys if key.startswith(prefix)]
            alike = digests_among(stripped, whole)
            for found in explain_digest(alike, self.index) if alike else ():
                votes[dataclasses.replace(found, prefix=prefix)] = {"": set(self.index.kind_sizes), " ": set()}

    def match(self, seen: KeysSeen, template: Template, kinds: Iterable[int] | None = None) -> Match:
        """One template over all keys of a map, for these kinds or for all."""
        cores: dict[str, int] = {}
        more: dict[str, list[int]] = {}
        if template.is_bare:
            cores = self._plain_cores(seen)
        else:
            core_of = template.core_of
            for i, key in enumerate(seen.keys):
                if (core := core_of(key)) is not None and cores.setdefault(core, i) != i:
                    more.setdefault(core, []).append(i)
        if template.order == "uid":
            uid = UNDASHED_UUID if template.transform == "plain" else UUID
            cores = {core: i for core, i in cores.items() if uid.fullmatch(core)}
        found: dict[int, set[str]] = {}
        for kind in self.index.kind_sizes if kinds is None else kinds:
            if kind < 0 or (template.has_namespace and not self.subjects.kinds[kind].namespaced):
                continue
            if self.of_objects and self.subjects.kinds[kind] == seen.holder.kind:
                continue
            if live := cores.keys() & self.index.rendered(template, kind):
                found[kind] = live
        return Match(template, found, cores, more)

    def _plain_cores(self, seen: KeysSeen) -> dict[str, int]:
        """Key → index, made once for the map at hand."""
        if self._plain[0] is not seen:
            self._plain = (seen, dict(zip(seen.keys, range(len(seen.keys)), strict=True)))
        return self._plain[1]


def _is_lonely(template: Template, votes: _Votes) -> bool:
    return bool(template.prefix or template.suffix) and len(votes[template]) < 2


def _drop_loose(votes: _Votes) -> None:
    """Forgets templates with varying text where the text does not vary: a stricter one has nearly as many votes."""
    strict: dict[str, int] = {}
    for template, names in votes.items():
        if not template.is_open:
            strict[template.order] = max(strict.get(template.order, 0), len(names))
    for template in [template for template in votes if template.is_open]:
        # two nodes behind all Pods' names share the votes of what is open, as namespaces do before all UIDs
        least = 0.9 if template.is_loose else 0.75
        if strict.get(template.order, 0) > least * len(votes[template]):
            del votes[template]
