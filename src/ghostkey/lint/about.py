"""From a ghost to the code: which line inserts such a key, which deletes it (or another one), and what lint says of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ghostkey.lint.cache import FactsCache
from ghostkey.lint.edits import text_of
from ghostkey.lint.expressions import ANYTHING, can_make, characters_said, keys_of
from ghostkey.lint.findings import Finding, Look
from ghostkey.lint.held import DATA
from ghostkey.lint.judgements.bounded import is_constant
from ghostkey.lint.module import Spot, Symbol
from ghostkey.lint.run import judged, look_at
from ghostkey.lint.vectors import vectors_of
from ghostkey.model.errors import UsageError

MOST = 10  # places that are told of each sort
_HOLDER = re.compile(r"\(\*?(?:[\w./-]*\.)?(\w+)(?:\[[^\]]*\])?\)\.(\w+)$|(?:^|[\s.])(\w+)$")
_LINE = re.compile(r"(.+\.go):(\d+)$")
_PATCH = re.compile(r'map\[string\](?:any|string|interface\{\}|\*string)\{\s*([^:"]+|"[^"]*"[^:]*):\s*([^}]*)\}')
_TAKEN = frozenset({"nil", '""'})


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for: a key of a ConfigMap or Secret, a map by struct and field, a line of code, or the series of a metric."""

    key: str = ""
    map_name: str = ""
    owner: str = ""
    field: str = ""
    path: str = ""
    line: int = 0
    metric: str = ""

    @classmethod
    def of_words(cls, words: str) -> Sought:
        """`(Reconciler).seen`, `main.registry`, `pkg/tenant.go:42`. Raises UsageError for what is neither."""
        if found := _LINE.match(words):
            return cls(path=found[1], line=int(found[2]))
        found = _HOLDER.search(words)
        if found is None:
            raise UsageError(
                f"{words!r} is no id of a finding, no map and no line",
                "name an ID of the last scans, '(Type).field' or FILE:LINE",
            )
        return cls(owner=found[1] or "", field=found[2] or found[3])

    @classmethod
    def of_finding(cls, record: dict[str, Any]) -> Sought:
        """Of a finding as `scan -o json` has it: a key of an object, or an entry of a map in memory."""
        if record["analysis"] == "ghost-entry":
            held = next((words for words in record["evidence"] if ", held by " in words), "")
            return cls.of_words(held.rpartition(", held by ")[2] or record["holder"]["name"])
        return cls(
            key=record["path"][-1] if record["path"] and not record["key"] else record["key"], map_name=record["holder"]["name"]
        )


@dataclass(frozen=True, slots=True)
class Clue:
    """A line that inserts or deletes such keys. `same_key` is None where the code does not tell."""

    path: str
    line: int
    function: str
    text: str
    key: str
    same_key: bool | None


@dataclass(frozen=True, slots=True)
class About:
    """The lines that insert, those that delete from the same place, and the findings (every rule) about them."""

    sought: Sought
    inserts: tuple[Clue, ...]
    deletes: tuple[Clue, ...]
    findings: tuple[Finding, ...]


class Code:
    """Source that is looked at once, and asked about many ghosts."""

    def __init__(self, files: Iterable[tuple[str, bytes]], cache: Path | None = None) -> None:
        """Raises UsageError where the extra `source` is not installed."""
        self._look, _ = look_at(files, FactsCache(cache))
        self._findings = judged(self._look, "B")

    def about(self, sought: Sought) -> About:
        """The lines behind one ghost; of none where no line is known to insert it."""
        return _about(self._look, self._findings, sought)


def about(files: Iterable[tuple[str, bytes]], sought: Sought, cache: Path | None = None) -> About:
    """The same of one ghost."""
    return Code(files, cache).about(sought)


def _about(look: Look, findings: Iterable[Finding], sought: Sought) -> About:
    if sought.metric:
        return _about_series(look, findings, sought)
    changes = list(dict.fromkeys(_of_objects(look, sought) if sought.key else _of_maps(look, sought)))
    ranked = sorted(
        (one for one in changes if one.adds and one.clue.same_key is not False), key=lambda one: (-one.weight, one.place)
    )
    best = ranked[0].weight if ranked else 0
    inserts = [one for one in ranked if one.weight == best][:MOST]
    near = {id(one.spot.package) for one in inserts}
    deletes = sorted((one for one in changes if not one.adds and id(one.spot.package) in near), key=lambda one: one.place)[:MOST]
    return _told(sought, [one.clue for one in inserts], [one.clue for one in deletes], findings)


def _told(sought: Sought, inserts: list[Clue], deletes: list[Clue], findings: Iterable[Finding]) -> About:
    lines = {(clue.path, clue.line) for clue in (*inserts, *deletes)}
    told = [f for f in findings if {(f.path, f.line), *((w.path, w.line) for w in f.witnesses)} & lines]
    return About(sought, tuple(inserts), tuple(deletes), tuple(told))


def _about_series(look: Look, findings: Iterable[Finding], sought: Sought) -> About:
    """The lines that write a series of a family, then where its vector is made: that alone where it is not known who writes."""
    vectors = vectors_of(look, sought.metric)
    made = [_clue(one.spot, one.call.line, "", None) for one in vectors]
    symbols = list(dict.fromkeys(symbol for one in vectors for symbol in one.symbols))
    uses = [
        _clue(spot, series.line, ", ".join(series.labels), None)
        for symbol in symbols
        for spot, series in look.module.series.get(symbol, ())
    ]
    deletes = [
        _clue(gone.spot, gone.release.line, gone.release.key, None)
        for symbol in symbols
        for gone in look.module.releases.get(symbol, ())
    ]
    return _told(sought, list(dict.fromkeys([*uses[:MOST], *made[:MOST]])), list(dict.fromkeys(deletes))[:MOST], findings)


@dataclass(frozen=True, slots=True)
class _Change:
    """An insert or a delete that may be meant; `weight` is how much of it is said in the code."""

    clue: Clue
    spot: Spot = field(compare=False)
    adds: bool
    weight: int = 0

    @property
    def place(self) -> tuple[str, int]:
        return self.clue.path, self.clue.line


def _of_objects(look: Look, sought: Sought) -> Iterator[_Change]:
    """What code does with keys of data: assignments, deletes, and patches of one key."""
    named = f'"{sought.map_name}"'
    for spot in look.spots():
        found: list[tuple[int, str, bool]] = []
        for symbol, line, key in _rendered(look, spot):
            yield _Change(_clue(spot, line, key, None), spot, adds=True)
            yield from _of_symbol(look, symbol)
        for insert in spot.function.inserts:
            if insert.place.keys and not DATA.isdisjoint(insert.place.fields[-1:]):
                found.append((insert.line, insert.place.keys[-1], insert.value not in _TAKEN))
        for release in spot.function.releases:
            if not DATA.isdisjoint(release.place.fields[-1:]) and release.key != "*":
                found.append((release.line, release.key, False))
        for call in spot.function.calls:
            for patch in (p for text in call.texts for p in _PATCH.finditer(text)):
                found.append((call.line, patch[1].strip(), patch[2].strip() not in _TAKEN))
        says = bool(found) and any(named in text for text in spot.file.source)
        for line, key, adds in dict.fromkeys(found):
            if is_constant(key, spot.file, spot.package.constants) and key.strip('"`') != sought.key:
                continue
            pattern = keys_of(key, spot, look.module.functions)
            is_same = can_make(pattern, sought.key)
            weight = characters_said(pattern) + (len(named) if says else 0)
            yield _Change(_clue(spot, line, key, is_same if pattern != ANYTHING or not is_same else None), spot, adds, weight)


def _of_maps(look: Look, sought: Sought) -> Iterator[_Change]:
    """What code does with a field or variable, or with that of which a line inserts."""
    wanted = {symbol for symbol in look.module.inserts if _is_meant(look, symbol, sought)}
    for symbol in wanted:
        yield from _of_symbol(look, symbol)


def _of_symbol(look: Look, symbol: Symbol) -> Iterator[_Change]:
    for one in look.module.inserts.get(symbol, ()):
        if one.insert.place.keys:
            yield _Change(_clue(one.spot, one.insert.line, one.insert.place.keys[0], None), one.spot, adds=True)
    for gone in look.module.releases.get(symbol, ()):
        yield _Change(_clue(gone.spot, gone.release.line, gone.release.key, None), gone.spot, adds=False)


def _rendered(look: Look, spot: Spot) -> Iterator[tuple[Symbol, int, str]]:
    """Where a map that lives long is copied, key by key, into data that is given on: (the map, line, key)."""
    function = spot.function
    names = [name for name, _ in function.params]
    for insert in function.inserts:
        key = insert.place.keys[-1] if insert.place.keys else ""
        over = function.ranges.get(key)
        is_data = not DATA.isdisjoint(insert.place.fields[-1:]) or (
            not insert.place.fields and insert.place.root in function.locals
        )
        if over is None or over.place is None or not is_data:
            continue
        if over.place.fields or over.place.root not in names:
            ways = [(spot, over.place)]
        else:
            position = names.index(over.place.root)
            ways = [
                (caller, place)
                for caller, call in look.module.callers.get(function.name, ())[:MOST]
                if (place := call.arguments[position] if position < len(call.arguments) else None) is not None
            ]
        for caller, place in ways:
            for symbol in look.module.symbols(caller, place):
                if symbol in look.module.inserts:
                    yield symbol, insert.line, key


def _is_meant(look: Look, symbol: Symbol, sought: Sought) -> bool:
    if sought.line:
        return any(
            one.insert.line == sought.line
            and (one.spot.file.path == sought.path or sought.path.endswith("/" + one.spot.file.path))
            for one in look.module.inserts[symbol]
        )
    return symbol.name == sought.field and symbol.owner.removeprefix("var ") == sought.owner and look.module.is_keyed(symbol)


def _clue(spot: Spot, line: int, key: str, is_same: bool | None) -> Clue:
    return Clue(spot.file.path, line, spot.function.full_name, text_of(spot, line)[:160], key, is_same)
