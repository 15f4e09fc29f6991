"""What one Go file says, without knowledge of any other: who inserts, who deletes, what is made and where it goes.

Texts are Go source, cut to some hundred characters. `at` is the byte where something stands, `line` counts from one.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import NamedTuple


class Place(NamedTuple):
    """An expression as a path: `m.tables[x].rows[k]` has root `m`, fields (tables, rows) and key (k); of indexes only the last stay."""

    root: str
    fields: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


class Branch(NamedTuple):
    """Something that stands around a statement: if, else, for, case, func, defer, go; `text` is its condition; of func what the literal is given to."""

    kind: str
    text: str


Branches = tuple[Branch, ...]
_WITHOUT_VALUE = re.compile(r"==\s*nil\b|\bnil\s*==|len\([^)]*\)\s*(?:==\s*0|<\s*1|<=\s*0)")
_WORD = re.compile(r"\w+")
_ONCE = re.compile(r"[oO]nce\.Do$|^sync\.OnceFunc$")


def is_done_once(branches: Branches) -> bool:
    """Whether a statement stands in what is given to a sync.Once."""
    return any(branch.kind == "func" and _ONCE.search(branch.text) for branch in branches)


@functools.lru_cache(maxsize=4096)
def _names_without_value(condition: str) -> frozenset[str]:
    """What a condition names that sees that something is nil, or empty: also `m := cm.Data; m == nil`."""
    return frozenset(_WORD.findall(condition)) if _WITHOUT_VALUE.search(condition) else frozenset()


class Insert(NamedTuple):
    """`place[keys] = value`, or a method that does so; `how` is `=`, `++`, or the method's name."""

    place: Place
    line: int
    branches: Branches
    value: str
    how: str
    at: int


class Release(NamedTuple):
    """A key, or all of them (`*`), is taken out: delete, clear, a method such as Delete, or another value for the whole."""

    place: Place
    key: str
    line: int
    branches: Branches
    how: str
    at: int


class Reset(NamedTuple):
    """A variable or field gets another value."""

    place: Place
    value: str
    line: int
    branches: Branches
    at: int

    @property
    def is_first(self) -> bool:
        """Whether it stands where the code has seen that there is no value yet, or an empty one."""
        word = self.place.fields[-1] if self.place.fields else self.place.root
        return any(branch.kind == "if" and word in _names_without_value(branch.text) for branch in self.branches)


class Call(NamedTuple):
    """A call; `qualifier` is what stands before the dot, `arguments` are places where they are such."""

    name: str
    qualifier: str
    receiver: Place | None
    arguments: tuple[Place | None, ...]
    texts: tuple[str, ...]
    line: int
    branches: Branches
    at: int


class Made(NamedTuple):
    """A fresh value of a type, or of what a function gives (`()name`), and where it goes.

    `goes`: local, store, in (a literal), arg, return, any (nothing better is known); `to` is the variable, type or function.
    """

    type_name: str
    goes: str
    to: Place
    line: int
    at: int


class Series(NamedTuple):
    """A use of a metric by labels."""

    place: Place
    labels: tuple[str, ...]
    line: int
    method: str


class Return(NamedTuple):
    """A return statement."""

    line: int
    last_line: int
    text: str
    branches: Branches


class Range(NamedTuple):
    """What a loop variable runs over."""

    text: str
    place: Place | None


class Local(NamedTuple):
    """How a local variable came to be: `call` with the function's name, `type`, `expr`, or `part` of what several are set to."""

    how: str
    text: str
    whole: str = ""


class Stored(NamedTuple):
    """A local variable is put into a place, or into a literal of a type (`{}Type`), or a function's literal gives it (`{}func`)."""

    name: str
    place: Place


@dataclass(slots=True)
class Function:
    """One function or method; `(package)` is what variables are initialised with."""

    name: str
    receiver_type: str = ""
    receiver: str = ""
    params: list[tuple[str, str]] = field(default_factory=list)
    result: str = ""
    line: int = 0
    inserts: list[Insert] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    resets: list[Reset] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    returns: list[Return] = field(default_factory=list)
    ranges: dict[str, Range] = field(default_factory=dict)
    locals: dict[str, Local] = field(default_factory=dict)
    captured: dict[str, str] = field(default_factory=dict)  # see captures.py: a local → its type, or what it was made with
    assigned: set[str] = field(default_factory=set)  # locals that are given values and declared nowhere: variables of the package
    stored: list[Stored] = field(default_factory=list)
    returned: set[str] = field(default_factory=set)

    def declared_type(self, name: str) -> str:
        """The type that a parameter or a local is declared with; empty where none is said."""
        local = self.locals.get(name)
        given = next((kind for one, kind in self.params if one == name), "")
        return given or (local.text if local is not None and local.how == "type" else "")

    @property
    def full_name(self) -> str:
        """With the receiver's type, as Go writes it."""
        return f"({self.receiver_type}).{self.name}" if self.receiver_type else self.name


@dataclass(slots=True)
class Struct:
    """A struct: field → its type and line."""

    fields: dict[str, tuple[str, int]] = field(default_factory=dict)
    embedded: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Variable:
    """A variable of a package."""

    type_name: str
    value: str
    line: int


@dataclass(slots=True)
class FileFacts:
    """All that is known of one file. `marks`: line → what a comment with `ghostkey` in it says."""

    path: str
    package: str = ""
    imports: dict[str, str] = field(default_factory=dict)
    is_generated: bool = False
    has_errors: bool = False
    lines: int = 0
    structs: dict[str, Struct] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    interfaces: dict[str, list[str]] = field(default_factory=dict)
    functions: list[Function] = field(default_factory=list)
    marks: dict[int, str] = field(default_factory=dict)
    source: tuple[str, ...] = ()
