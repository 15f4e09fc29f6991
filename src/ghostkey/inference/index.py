"""All live objects by name and by UID, for looking up pieces of keys."""

from __future__ import annotations

import functools
import itertools
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator

from ghostkey.inference.codecs import may_be_encoded
from ghostkey.inference.template import Template
from ghostkey.model.refs import canonical
from ghostkey.store.snapshot import Subjects

_DROPPED = str.maketrans("", "", "-._:/@ ")
# rows of one name that are looked at; `default` and `kube-root-ca.crt` stand in every namespace
ROWS_OF_A_NAME = 64


# names shorter than LEAST_CUT are not cut; BEGINNING characters of a longer one tell whether a key could be a cut of it
LEAST_CUT = 14
BEGINNING = 8
LEAST_HASH = 8
LEAST_SQUASHED = 3  # of a namespace that is looked for in a word
LEAST_JOINED = 8  # of a word that may be a whole name, or a namespace and a name, without what is between
FEW_NAMESAKES = 4  # are looked at one by one
# so many names with one first word, and some of them will stand in any text that has the word
MANY_NAMES = 32


def squashed(text: str) -> str:
    """Lower-cased, without any separator."""
    return text.lower().translate(_DROPPED)


class Namesakes:
    """Many objects of one name, told apart by where they are and by kind; made once for a name."""

    def __init__(self, subjects: Subjects, rows: list[int]) -> None:
        self._namespaces = subjects.namespaces
        self._in: dict[str, list[int]] = {}
        self._alike: dict[tuple[int, str], list[int]] = {}
        for row in rows:
            self._in.setdefault(subjects.namespaces[row], []).append(row)
            self._alike.setdefault((subjects.kind_of[row], subjects.names[row]), []).append(row)

    def within(self, namespaces: Iterable[str]) -> list[int]:
        """Rows in these namespaces."""
        return [row for namespace in namespaces for row in self._in.get(namespace, ())]

    def beyond(self, namespaces: Collection[str]) -> Iterator[int]:
        """One row of each kind and spelling that is in none of these namespaces."""
        for rows in self._alike.values():
            yield from itertools.islice((row for row in rows if self._namespaces[row] not in namespaces), 1)


class SubjectIndex:
    """Looks objects up by canonical name, UID, or what a template renders. Built once for a snapshot.

    Cost: about 0.6 s and 150 MB for a million objects; `by_uid` and `rendered` are made when first asked for.
    """

    def __init__(self, subjects: Subjects) -> None:
        self.subjects = subjects
        self.namespaces = frozenset(namespace for namespace in set(subjects.namespaces) if namespace)
        self._rows = subjects.rows_by_kind()
        self.kind_sizes = {number: len(rows) for number, rows in self._rows.items()}
        self.live_namespaces = self.namespaces | {
            subjects.names[row]
            for number, rows in self._rows.items()
            if subjects.kinds[number].kind == "Namespace"
            for row in rows
        }
        self.longest_namespace = max(map(len, self.live_namespaces), default=0)
        self.canonical_namespaces = frozenset(map(canonical, self.live_namespaces))
        self._build()
        self.by_first_word: defaultdict[str, list[str]] = defaultdict(list)
        for name in self.by_name:
            self.by_first_word[name.partition("-")[0]].append(name)
        # names whose first word is cut itself; those with a short first word are found by it
        self.beginnings = frozenset(
            name[:BEGINNING] for word, names in self.by_first_word.items() if len(word) > BEGINNING for name in names
        )
        self._by_uid: dict[str, int] | None = None
        self._by_undashed_uid: dict[str, int] | None = None
        self._rendered: dict[tuple[object, ...], dict[str, list[int]] | set[str]] = {}
        self._longest: dict[int, int] = {}
        self._sorted_names: list[str] | None = None
        self.seals: dict[int, list[tuple[str, str]]] = {}  # length → what hashes behind names were found to be of, and how
        self.seals_missed: Counter[int] = Counter()
        self._by_squashed: dict[str, list[str]] | None = None
        self._by_namespace: dict[int, dict[str, list[int]]] = {}
        self._namesakes: dict[str, Namesakes] = {}

    def _build(self) -> None:
        names = self.subjects.names
        # all names at once; a dump may hold a name with a newline in it, which would be counted as two
        words = canonical("\n".join(names)).split("\n")
        if len(words) != len(names):
            words = list(map(canonical, names))
        by_name: dict[str, int | list[int]] = dict(zip(words, range(len(words)), strict=True))
        self.by_name = by_name
        if len(by_name) == len(words):
            return
        by_name.clear()
        for row, word in enumerate(words):
            held = by_name.setdefault(word, row)
            if isinstance(held, list):
                held.append(row)
            elif held != row:
                by_name[word] = [held, row]

    def is_namespace(self, text: str) -> bool:
        """Whether the text is a live namespace, as it is or as sanitising would have made it."""
        return text in self.live_namespaces or canonical(text) in self.canonical_namespaces

    def may_stand_in(self, keys: list[str]) -> bool:
        """Whether a name, a UID, a hash or a cut name could stand in any of these keys; most maps of settings end here."""
        lines = canonical("\n".join(keys))
        joined = "-" + lines.replace("\n", "-") + "-"
        words = joined.split("-")
        by_first_word = self.by_first_word
        if not by_first_word.keys().isdisjoint(words):
            for word in by_first_word.keys() & words:
                names = by_first_word[word]
                if len(names) > MANY_NAMES or any(map(joined.__contains__, self._traces(names))):
                    return True
        if self.beginnings and not self.beginnings.isdisjoint([key[:BEGINNING] for key in lines.split("\n")]):
            return True
        if max(map(len, words)) >= LEAST_HASH and _HASHED.search(joined) is not None:
            return True
        joined = "\n".join(keys)
        single = _ONE_WORD.findall(joined)
        if may_be_encoded(keys, joined, lines, single):
            return True
        # one word of a key may be all words of a name
        return any(
            word in self.by_squashed or self._is_squashed_pair(word)
            for word in map(squashed, single)
            if len(word) >= LEAST_JOINED
        )

    def _is_squashed_pair(self, word: str) -> bool:
        return any(self.squashed_pairs(word))

    def squashed_pairs(self, word: str) -> Iterator[tuple[str, str]]:
        """(namespace, canonical name) of which a word could be made by leaving out all that is between them."""
        for end in range(LEAST_SQUASHED, len(word) - 2):
            for namespace in self.squashed_namespaces.get(word[:end], ()):
                rest = word[end:]
                for name in (*self.by_squashed.get(rest, ()), *((rest,) if rest in self.by_name else ())):
                    yield namespace, name

    @staticmethod
    def _traces(names: list[str]) -> Iterable[str]:
        """What must stand in joined keys if one of these names, or a cut of it, does."""
        for name in names:
            yield f"-{name}-"
            if len(name) > LEAST_CUT:
                yield f"-{name[:BEGINNING]}"

    def named(self, canonical_name: str) -> Iterable[int]:
        """Rows of the objects with this canonical name, at most ROWS_OF_A_NAME."""
        held = self.by_name.get(canonical_name)
        if held is None:
            return ()
        return held[:ROWS_OF_A_NAME] if isinstance(held, list) else (held,)

    def told_apart(self, canonical_name: str, before: str, after: str) -> tuple[Iterable[int], Iterable[int]]:
        """Rows of a name whose namespace may stand beside it in a key, and rows of the others: one of each kind and spelling.

        `before` and `after` are what stands around the name, canonical. Few namesakes are all taken for the first.
        """
        held = self.all_named(canonical_name)
        if len(held) <= FEW_NAMESAKES:
            return held, ()
        known = self._namesakes.get(canonical_name)
        if known is None:
            known = self._namesakes[canonical_name] = Namesakes(self.subjects, held)
        heads, tails = before.strip("-").split("-"), after.strip("-").split("-")
        runs = {"".join(heads[place:]) for place in range(len(heads))} | {
            "".join(tails[: place + 1]) for place in range(len(tails))
        }
        around = {namespace for run in runs if run for namespace in self.squashed_namespaces.get(run, ())}
        return known.within(around), known.beyond(around)

    def all_named(self, canonical_name: str) -> list[int]:
        """Every row of the objects with this canonical name."""
        held = self.by_name.get(canonical_name)
        return [] if held is None else held if isinstance(held, list) else [held]

    @property
    def by_uid(self) -> dict[str, int]:
        """UID → row."""
        if self._by_uid is None:
            self._by_uid = {uid: row for row, uid in enumerate(self.subjects.uids) if uid}
        return self._by_uid

    @property
    def by_undashed_uid(self) -> dict[str, int]:
        """UID without its dashes → row."""
        if self._by_undashed_uid is None:
            self._by_undashed_uid = {uid.replace("-", ""): row for uid, row in self.by_uid.items()}
        return self._by_undashed_uid

    def begun(
        self, beginning: str, namespace: str | None = None, kinds: Collection[int] | None = None, longer_than: int = 0
    ) -> bool:
        """Whether a live object's name goes on after this canonical beginning, and is longer than so many characters.

        Only objects of `kinds` count, and of this canonical namespace, when they are given.
        """
        names, subjects = self.sorted_names, self.subjects
        for place in range(bisect_left(names, beginning), len(names)):
            if not names[place].startswith(beginning):
                return False
            if len(names[place]) > max(longer_than, len(beginning)) and any(
                (namespace is None or canonical(subjects.namespaces[row]) == namespace)
                and (kinds is None or subjects.kind_of[row] in kinds)
                for row in self.all_named(names[place])
            ):
                return True
        return False

    @property
    def by_squashed(self) -> dict[str, list[str]]:
        """Letters and digits of a name → canonical names that have more than these."""
        if self._by_squashed is None:
            self._by_squashed = {}
            for name in self.by_name:
                if (short := squashed(name)) != name:
                    self._by_squashed.setdefault(short, []).append(name)
        return self._by_squashed

    @functools.cached_property
    def squashed_namespaces(self) -> dict[str, list[str]]:
        """Letters and digits of live namespaces → the namespaces."""
        found: dict[str, list[str]] = {}
        for namespace in self.live_namespaces:
            found.setdefault(squashed(namespace), []).append(namespace)
        return found

    def rows_in(self, kind: int, namespace: str) -> list[int]:
        """Rows of one kind in one namespace."""
        held = self._by_namespace.get(kind)
        if held is None:
            held = self._by_namespace[kind] = defaultdict(list)
            rows = self.rows_of(kind)
            for row, place in zip(rows, map(self.subjects.namespaces.__getitem__, rows), strict=True):
                held[place].append(row)
        return held.get(namespace, [])

    def rows_of(self, kind: int) -> list[int]:
        """Rows of one kind."""
        return self._rows.get(kind, [])

    def render(self, template: Template, row: int) -> str:
        """What the template makes of one object, without prefix, suffix and hash."""
        subjects = self.subjects
        return template.render_core(subjects.namespaces[row], subjects.names[row], subjects.uids[row], subjects.kind(row))

    def rendered(self, template: Template, kind: int) -> set[str]:
        """What the template makes of every live object of the kind, without prefix, suffix and hash."""
        signature = (*template.core, kind)
        found = self._rendered.get(signature)
        if not isinstance(found, set):
            names, namespaces, uids = self.subjects.names, self.subjects.namespaces, self.subjects.uids
            render = template.render_core
            rows = self.rows_of(kind)
            if template.is_plain_name:
                found = {names[row] for row in rows}
            elif template.is_plain_pair:
                separator = template.separator
                first, second = (namespaces, names) if template.order == "namespace-name" else (names, namespaces)
                if len(rows) < len(names):
                    first, second = [first[row] for row in rows], [second[row] for row in rows]
                found = set(map(separator.join, zip(first, second, strict=True)))
            else:
                known = self.subjects.kinds[kind]
                found = {render(namespaces[row], names[row], uids[row], known) for row in rows}
            self._rendered[signature] = found
        return found

    def longest_name(self, kind: int) -> int:
        """Length of the longest name of an object of the kind."""
        if kind not in self._longest:
            self._longest[kind] = max(map(len, map(self.subjects.names.__getitem__, self.rows_of(kind))), default=0)
        return self._longest[kind]

    def rendered_in(self, template: Template, kind: int, namespace: str) -> set[str]:
        """As `rendered`, for the objects of one namespace."""
        signature = (*template.core, kind, namespace)
        found = self._rendered.get(signature)
        if not isinstance(found, set):
            subjects = self.subjects
            found = {
                template.render_core(namespace, subjects.names[row], subjects.uids[row], subjects.kinds[kind])
                for row in self.rows_in(kind, namespace)
            }
            self._rendered[signature] = found
        return found

    @property
    def sorted_names(self) -> list[str]:
        """Canonical names in order, for finding the names that begin with a piece of a key."""
        if self._sorted_names is None:
            self._sorted_names = sorted(self.by_name)
        return self._sorted_names


_HASHED = re.compile(r"-[0-9a-f]{8,128}(?=-)")
_ONE_WORD = re.compile(r"^[a-zA-Z0-9]{6,}$", re.MULTILINE)
