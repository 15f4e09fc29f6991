"""What lint says: a place in the code, what is missing there, and the witnesses."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ghostkey.lint.edits import Edit
from ghostkey.lint.judgements.code import is_aside
from ghostkey.lint.module import Module, Spot, Symbol

if TYPE_CHECKING:
    from ghostkey.lint.held import Held
    from ghostkey.lint.judgements.lifetime import Lifetimes


@dataclass(frozen=True, slots=True)
class Witness:
    """A line that shows a part of it, or in whose neighbourhood something is missing."""

    path: str
    line: int
    text: str

    @classmethod
    def at(cls, spot: Spot, line: int, text: str) -> Witness:
        """A line of a function's file."""
        return cls(spot.file.path, line, text)


@dataclass(frozen=True, slots=True)
class Finding:
    """`level`: A is told by default, B with --level B. `line` is that of the insert; `key` its key expression in Go; `edits` would mend it;
    `number` counts those of one map and key in one folder, from 0: a second one is not silenced with the first.
    """

    rule: str
    level: str
    path: str
    line: int
    symbol: str
    function: str
    key: str
    message: str
    witnesses: tuple[Witness, ...] = ()
    edits: tuple[Edit, ...] = ()
    number: int = 0

    @classmethod
    def at(
        cls,
        kind: tuple[str, str],
        spot: Spot,
        line: int,
        symbol: object,
        key: str,
        message: str,
        *witnesses: Witness,
        edits: tuple[Edit, ...] = (),
    ) -> Finding:
        """A finding in a function; `kind` is (rule, level)."""
        rule, level = kind
        return cls(rule, level, spot.file.path, line, str(symbol), spot.function.full_name, key, message, witnesses, edits)

    @property
    def fingerprint(self) -> str:
        """The same as long as the code's names are, wherever its lines move."""
        folder = self.path.rpartition("/")[0]
        words = "\0".join((self.rule, folder, self.symbol, self.key, *([str(self.number)] if self.number else [])))
        return hashlib.sha256(words.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Look:
    """What a rule is given: the linked module, the maps that are held for long, how long things live, and tests as they are written."""

    module: Module
    held: dict[Symbol, Held]
    lifetimes: Lifetimes
    tests: dict[str, bytes]  # path → text

    def spots(self) -> Iterator[Spot]:
        """The functions of code that runs for long."""
        for package in self.module.packages.values():
            for facts in package.files:
                if not is_aside(facts):
                    yield from (Spot(package, facts, function) for function in facts.functions)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: its file's name is its name, the docstring of its file its page."""

    level: str
    title: str
    find: Callable[[Look], Iterator[Finding]]
