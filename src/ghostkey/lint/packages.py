"""The packages of a tree, and what is said of a symbol: the plain types that the linked module speaks in."""

from __future__ import annotations

import collections
from dataclasses import dataclass, field
from typing import NamedTuple

from ghostkey.lint.captures import OWNER
from ghostkey.lint.facts import FileFacts, Function, Insert, Release, Struct, Variable


class Symbol(NamedTuple):
    """A field of a struct, a variable of a package when `owner` is empty, or a local that a literal of `func owner` keeps."""

    folder: str
    owner: str
    name: str

    @property
    def is_captured(self) -> bool:
        """Whether it is a local that outlives its function's call."""
        return self.owner.startswith(OWNER)

    def __str__(self) -> str:
        if self.is_captured:
            return f"{self.name} of {self.owner.removeprefix(OWNER)}"
        return f"({self.owner}).{self.name}" if self.owner and not self.owner.startswith("var ") else self.name


@dataclass(slots=True)
class Package:
    """One folder of Go files, without tests."""

    folder: str
    name: str = ""
    files: list[FileFacts] = field(default_factory=list)
    structs: dict[str, Struct] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    methods: set[tuple[str, str]] = field(default_factory=set)
    captured: dict[tuple[str, str], str] = field(default_factory=dict)  # owner, as in `Symbol`, and local → its type

    @property
    def interfaces(self) -> set[str]:
        """Names of interfaces."""
        return {name for facts in self.files for name in facts.interfaces}

    @property
    def enumerations(self) -> set[str]:
        """Types of which there are constants: more than one, which may be that for none."""
        counted = collections.Counter(kind for kind in self.constants.values() if kind)
        return {kind for kind, times in counted.items() if times > 1}


@dataclass(frozen=True, slots=True)
class Spot:
    """A function and where it stands."""

    package: Package
    file: FileFacts
    function: Function


@dataclass(frozen=True, slots=True)
class InsertAt:
    """An insert into a symbol."""

    spot: Spot
    insert: Insert


@dataclass(frozen=True, slots=True)
class ReleaseAt:
    """A release of keys of a symbol. `release.place.keys` are those of the outer maps when an inner one is meant."""

    spot: Spot
    release: Release

    @property
    def is_whole(self) -> bool:
        """Whether the map itself is emptied or given up, rather than one of its keys."""
        return self.release.how in {"reset", "struct reset", "clear", "maps.DeleteFunc"}
