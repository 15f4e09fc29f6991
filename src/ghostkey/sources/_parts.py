"""Tells several clusters, or base and overlays, in one folder apart: by the UIDs of objects of one name, and by folders.

Where two folders hold objects of the same names that are others (other UIDs, or without UIDs other content), each is a part of its
own. What stands beside the parts belongs to each of them.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ghostkey.sources._sheets import Sheet

CHILDREN_COMPARED = 16  # folders that have one object in common, beyond which a pair more tells nothing new
PATH_OF_A_FILE = 2  # its name, and the number of the list in it
UNLIKE = 0.1  # which share of it differs, without UIDs to tell
PARALLEL = 0.5  # which share of what a folder holds is there again, in folders that are for the same thing
_FIRST_WORD = re.compile(r"(?P<word>[^-_.]+)[-_.](?P<rest>.+)")
_LAST_WORD = re.compile(r"(?P<rest>.+?)[-_.](?P<word>[^-_.]+)(?:\.[a-z0-9]+)+")


@dataclass(slots=True)
class Divided:
    """One part: its own sheets, by number, and those that live there as well as elsewhere.

    `has_uids`: it is a cluster. `root` is what the paths of its sheets begin with.
    """

    name: str
    own: list[int]
    shared: list[int] = field(default_factory=list)
    has_uids: bool = False
    root: tuple[str, ...] = ()

    def is_for(self, sheet: Sheet, parts: Sequence[Divided]) -> bool:
        """Whether a sheet without objects is of this part: it lies within it, or within none."""
        held = [part.root for part in parts if part.root and sheet.path[: len(part.root)] == part.root]
        return not held or self.root == max(held, key=len)


@dataclass(frozen=True, slots=True)
class Twin:
    """An object that stands in several sheets: the sheet of each, and its UID, or what its content digests to."""

    sheets: tuple[int, ...]
    identities: tuple[str, ...]
    has_uid: bool


def divide(sheets: Sequence[Sheet], twins: Sequence[Twin], sizes: Sequence[int]) -> list[Divided]:
    """The parts of a dump; a single one without a name where nothing tells its sheets apart. `sizes` counts objects by sheet."""
    if not twins:
        return [Divided("", list(range(len(sheets))))]
    parts, rest = _split(sheets, list(range(len(sheets))), list(twins), sizes, 0)
    if not parts:
        return [Divided("", rest)]
    _shorten(parts)
    for part in parts:
        part.shared += rest
    if any(sizes[number] for number in rest):
        beside = [number for part in parts for number in part.own]
        parts.append(Divided("beside them", rest, beside))
    return parts


def _shorten(parts: list[Divided]) -> None:
    """Leaves out of their names what leads to all of them."""
    paths = [part.name.split("/") for part in parts]
    common = 0
    while all(len(path) > common + 1 and path[common] == paths[0][common] for path in paths):
        common += 1
    files = [path[common:-1] for path in paths]
    for part, path in zip(parts, paths, strict=True):
        # the number of a list in its file is needed only where the file has several parts
        is_alone = path[-1].isdigit() and len(path) > common + 1 and "." in path[-2] and files.count(path[common:-1]) == 1
        part.name = "/".join(path[common : -1 if is_alone else None])


def _split(
    sheets: Sequence[Sheet], numbers: list[int], twins: list[Twin], sizes: Sequence[int], depth: int
) -> tuple[list[Divided], list[int]]:
    """The parts below one folder, and the sheets that are in none of them."""
    children: dict[str, list[int]] = {}
    for number in numbers:
        path = sheets[number].path
        children.setdefault(path[depth] if depth < len(path) else "", []).append(number)
    if not twins or (len(children) == 1 and "" in children):
        return [], numbers
    if len(children) == 1:
        return _split(sheets, numbers, twins, sizes, depth + 1)
    files = {child for child, held in children.items() if all(len(sheets[n].path) - depth == PATH_OF_A_FILE for n in held)}
    children = _named_apart(children, files, twins)
    files &= children.keys()
    child_of = {number: child for child, held in children.items() for number in held}
    weights = {child: sum(sizes[n] for n in held) for child, held in children.items()}
    groups = _groups(list(children), child_of, twins, weights, files)
    parts: list[Divided] = []
    rest: list[int] = []
    for names, has_conflict in groups:
        inside: list[Divided] = []
        left: list[int] = []
        for name in names:
            here = set(children[name])
            deeper = [kept for twin in twins if (kept := _within(twin, here)) is not None]
            found, over = _split(sheets, children[name], deeper, sizes, depth + 1) if deeper else ([], children[name])
            inside += found
            left += over
        for part in inside:
            part.shared += left
        parts += inside
        if has_conflict:
            path = (*sheets[children[names[0]][0]].path[:depth], names[0])
            uids = any(twin.has_uid and len(set(twin.sheets) & set(left)) for twin in twins)
            is_folder = names[0] == sheets[children[names[0]][0]].path[depth]
            within = [number for part in inside for number in part.own]
            parts.append(Divided("/".join(path), left, within, uids, path if is_folder else ()))
        else:
            rest += left
    return parts, rest


def _named_apart(children: dict[str, list[int]], files: set[str], twins: Sequence[Twin]) -> dict[str, list[int]]:
    """The files of several clusters in one folder, by the word that their names begin or end with: `prod-pods.json`, `stage-pods.json`.

    Only where the names of files that hold other objects of one name are the same but for that word; else as they were.
    """
    clashing = _clashing(children, twins) if files else set()
    if not clashing or not {name for pair in clashing for name in pair} <= files:
        return children
    for pattern in (_FIRST_WORD, _LAST_WORD):
        words = {name: (found["word"], found["rest"]) for name in files if (found := pattern.fullmatch(name))}
        by_word: dict[str, list[str]] = {}
        for name, (word, _) in words.items():
            by_word.setdefault(word, []).append(name)
        are_alike = all(
            left in words and right in words and words[left][0] != words[right][0] and words[left][1] == words[right][1]
            for left, right in clashing
        )
        is_free = by_word.keys().isdisjoint(children)  # a folder `prod` beside `prod-pods.json` may be of another cluster
        if are_alike and is_free and all(len(names) > 1 for names in by_word.values()):
            joined = {word: [number for name in sorted(names) for number in children[name]] for word, names in by_word.items()}
            return joined | {name: held for name, held in children.items() if name not in words}
    return children


def _clashing(children: dict[str, list[int]], twins: Sequence[Twin]) -> set[tuple[str, str]]:
    """Pairs of children that hold other objects of one name, told by UIDs; of many that hold the same one, the first few."""
    child_of = {number: child for child, held in children.items() for number in held}
    clashing: set[tuple[str, str]] = set()
    for twin in twins:
        if twin.has_uid:
            clashing |= {pair for pair, is_same in _compared(twin, child_of) if not is_same}
    return clashing


def _compared(twin: Twin, child_of: dict[int, str]) -> Iterator[tuple[tuple[str, str], bool]]:
    """Pairs of the first few children that have an object, and whether it is the same in both."""
    held: dict[str, set[str]] = {}
    for sheet, identity in zip(twin.sheets, twin.identities, strict=True):
        held.setdefault(child_of[sheet], set()).add(identity)
    for left, right in itertools.combinations(sorted(held)[:CHILDREN_COMPARED], 2):
        yield (left, right), bool(held[left] & held[right])


def _within(twin: Twin, here: set[int]) -> Twin | None:
    pairs = [(s, i) for s, i in zip(twin.sheets, twin.identities, strict=True) if s in here]
    if len(pairs) < 2:
        return None
    return Twin(tuple(s for s, _ in pairs), tuple(i for _, i in pairs), twin.has_uid)


def _groups(
    children: list[str], child_of: dict[int, str], twins: Sequence[Twin], sizes: dict[str, int], files: set[str]
) -> list[tuple[list[str], bool]]:
    """Children that belong together, and whether they stand against another group."""
    same: Counter[tuple[str, str]] = Counter()
    other: Counter[tuple[str, str]] = Counter()
    by_uid: Counter[tuple[str, str]] = Counter()
    for twin in twins:
        for pair, is_same in _compared(twin, child_of):
            if is_same:
                same[pair] += 1
            else:
                other[pair] += 1
                by_uid[pair] += twin.has_uid

    def differ(pair: tuple[str, str]) -> bool:
        both = other[pair] + same[pair]
        if by_uid[pair]:
            return other[pair] > same[pair]  # else it is one cluster at two moments, in which something was made again
        # without UIDs the same name twice is chance, unless both hold the same things throughout; one object in each of two
        # files beside one another is a patch
        is_alike = both >= PARALLEL * min(sizes[pair[0]], sizes[pair[1]])
        return is_alike and other[pair] >= UNLIKE * both and (both > 1 or files.isdisjoint(pair))

    group = {child: child for child in children}

    def head(child: str) -> str:
        while group[child] != child:
            child = group[child]
        return child

    against = {child for pair in other if differ(pair) for child in pair}
    for pair in same:
        if not differ(pair):
            group[head(pair[0])] = head(pair[1])
    groups: dict[str, list[str]] = {}
    for child in children:
        groups.setdefault(head(child), []).append(child)
    return [(names, any(name in against for name in names)) for names in groups.values()]
