"""Whole objects named after others by a machine: few of the others may be left, the name alone may be all there is.

A person names objects by words, and two words alike prove nothing. Names that a machine made up (`c-5jtmb`, `0ppefk9szj`) are not
met twice by chance: where every live subject has an object of its name, an object of the same form without a subject has lost it.
What the same hand made for a subject that is known to be gone goes with it, whatever stands around the name.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.template import looks_hashed
from ghostkey.model.events import KeysSeen
from ghostkey.model.refs import Kind, canonical

PIECES = 12  # of a name: more dashes than that, and nobody's name stands between two of them
SAMPLE = 400  # names of one maker that are taken apart
KEYED = 0.8  # of the live subjects: what has just been made may have no object yet
LEAST_LIVE = 2
MADE_UP = 0.6  # of the live names: some that a machine makes up have no digit in them


@dataclass(frozen=True, slots=True)
class NamedAfter:
    """An object that lost its subject: its index among the names, the subject's name, the kinds it may have been of, and why."""

    index: int
    subject: str
    kinds: tuple[Kind, ...]
    template: str
    support: int
    why: str


def named_after(groups: Sequence[KeysSeen], index: SubjectIndex) -> Iterator[tuple[KeysSeen, NamedAfter]]:
    """Objects whose subject is gone. A group is of one maker in one namespace; `sizes` of those that have owners is 1."""
    worthy = _made_up_kinds(index)
    if not worthy:
        return
    gone: dict[tuple[Kind, str], dict[str, NamedAfter]] = {}
    told: set[tuple[int, int]] = set()
    for seen in groups:
        known = gone.setdefault((seen.holder.kind, seen.holder.namespace), {})
        for lost in _lost(seen, worthy, index):
            known.setdefault(lost.subject, lost)
            if not seen.sizes[lost.index] and (id(seen), lost.index) not in told:
                told.add((id(seen), lost.index))
                yield seen, lost
    for seen in groups:
        for lost in _siblings(seen, gone[seen.holder.kind, seen.holder.namespace]):
            if not seen.sizes[lost.index] and (id(seen), lost.index) not in told:
                yield seen, lost


def _made_up_kinds(index: SubjectIndex) -> dict[int, int]:
    """Custom kinds whose objects' names a machine made up → how many different names there are."""
    found = {}
    for kind in index.kind_sizes:
        if index.subjects.kinds[kind].is_custom:
            names = {index.subjects.names[row] for row in index.rows_of(kind)}
            if len(names) >= LEAST_LIVE and sum(map(_is_made_up, names)) >= MADE_UP * len(names):
                found[kind] = len(names)
    return found


def _lost(seen: KeysSeen, worthy: dict[int, int], index: SubjectIndex) -> Iterator[NamedAfter]:
    for (prefix, suffix), by_kind in _forms(seen, worthy, index).items():
        kinds = tuple(kind for kind, live in by_kind.items() if len(live) >= max(LEAST_LIVE, KEYED * worthy[kind]))
        if not kinds:
            continue
        live = set().union(*(by_kind[kind] for kind in kinds))
        made = _cores(seen, prefix, suffix)
        form = _Form(live)
        template = f"{prefix}{{name}}{suffix}"
        known = tuple(index.subjects.kinds[kind] for kind in kinds)
        why = f"{template}: every live {known[0].kind} has one, {len(live)} of {len(made)} are live"
        for core, i in made.items():
            if core not in live and form.fits(core) and not _lives(core, seen.holder.kind, index):
                yield NamedAfter(i, core, known, template, len(live), why)


def _lives(name: str, dependents: Kind, index: SubjectIndex) -> bool:
    """Whether anything of this name lives that is no dependent itself."""
    return any(index.subjects.kind(row) != dependents for row in index.all_named(canonical(name)))


def _forms(seen: KeysSeen, worthy: dict[int, int], index: SubjectIndex) -> dict[tuple[str, str], dict[int, set[str]]]:
    """What stands around names of live custom resources → their kinds → the names."""
    forms: dict[tuple[str, str], dict[int, set[str]]] = {}
    subjects = index.subjects
    step = max(1, len(seen.keys) // SAMPLE)
    # the few that are left may be anywhere, so with many names only those are taken apart in which a live name may stand
    for name in seen.keys if index.may_stand_in(seen.keys[::step]) or step > 1 else ():
        for prefix, core, suffix in _cuts(name):
            for row in index.named(core):
                kind = subjects.kind_of[row]
                if subjects.names[row] == core and kind in worthy:
                    forms.setdefault((prefix, suffix), {}).setdefault(kind, set()).add(core)
    return forms


def _cuts(name: str) -> Iterator[tuple[str, str, str]]:
    """(before, piece, behind) for every piece of a name that stands between dashes or at an end."""
    places = [i for i, character in enumerate(name) if character == "-"][:PIECES]
    for begin, end in itertools.combinations([-1, *places, len(name)], 2):
        piece = name[begin + 1 : end]
        if len(piece) >= 3:
            yield name[: begin + 1], piece, name[end:]


def _is_made_up(name: str) -> bool:
    """Whether a machine made a name up: its last word has digits among letters, as no word of a person's."""
    last = name.rpartition("-")[2]
    has_both = any(map(str.isdigit, last)) and any(map(str.isalpha, last))
    return len(last) >= 5 and looks_hashed(last) and (has_both or not set(last) & set("aeiou"))


def _cores(seen: KeysSeen, prefix: str, suffix: str) -> dict[str, int]:
    return {
        name[len(prefix) : len(name) - len(suffix)]: i
        for i, name in enumerate(seen.keys)
        if name.startswith(prefix) and name.endswith(suffix) and len(name) > len(prefix) + len(suffix)
    }


class _Form:
    """What made-up names have in common: words that all share, and the lengths of the others."""

    def __init__(self, names: set[str]) -> None:
        words = [name.split("-") for name in names]
        self._counts = {len(parts) for parts in words}
        columns = list(zip(*words, strict=True)) if len(self._counts) == 1 else []
        self._shared = [column[0] if len(set(column)) == 1 else "" for column in columns]
        self._lengths = [{len(word) for word in column} for column in columns]

    def fits(self, name: str) -> bool:
        """Whether a name is of this form."""
        parts = name.split("-")
        if len(self._counts) != 1 or len(parts) not in self._counts:
            return False
        return all(
            part == shared if shared else len(part) in lengths and part.isalnum() and part.islower() | part.isdigit()
            for part, shared, lengths in zip(parts, self._shared, self._lengths, strict=True)
        ) and (_is_made_up(name) or len(parts[-1]) >= 5)


def _siblings(seen: KeysSeen, gone: dict[str, NamedAfter]) -> Iterator[NamedAfter]:
    """Objects beside those of gone subjects in whose names the same made-up name stands."""
    for i, name in enumerate(seen.keys) if gone else ():
        for prefix, core, suffix in _cuts(name):
            if core in gone and (prefix or suffix):
                first = gone[core]
                template = f"{prefix}{{name}}{suffix}"
                why = f"{template}: {first.template} of the same {first.kinds[0].kind} tells that it is gone"
                yield NamedAfter(i, core, first.kinds, template, first.support, why)
                break
