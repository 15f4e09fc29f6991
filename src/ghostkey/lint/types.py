"""What a name stands for, and where a path of fields leads: through structs of other packages of the tree, and atomic pointers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ghostkey.lint.facts import Struct
from ghostkey.lint.keyed import is_keyed_type
from ghostkey.lint.packages import Package, Spot, Symbol
from ghostkey.lint.syntax import base_type, simple_type

ALIKE = 4  # functions of one name that are asked for their result
_MADE_LITERAL = re.compile(r"&?([\w.]+)(?:\[[^\]]*\])?\{")
_OF_VALUES = re.compile(r"^(?:\[\]|map\[[^\]]*\])\*?")
# sync/atomic: what is loaded of a Pointer[T] is a *T; `X.Load()` is read as X
_POINTER = re.compile(r"^(?:\w+\.)?Pointer\[\*?(.+)\]$")


class Types:
    """Asks the packages of a tree what is declared where. Nothing is inferred beyond what is written nearby."""

    def __init__(self, functions: Mapping[str, list[Spot]], imported: Callable[[str], Package | None]) -> None:
        self._functions = functions
        self._imported = imported
        self._named: dict[tuple[str, str], Package | None] = {}

    def of_root(self, spot: Spot, root: str) -> tuple[Package, str]:
        """The type of a name at the beginning of a path, and the package in whose words it is said; empty where nothing is said."""
        function, package = spot.function, spot.package
        if root.startswith("()"):
            return self.result_of(spot, root[2:])
        if root == function.receiver and function.receiver_type:
            return package, function.receiver_type
        if declared := function.declared_type(root):
            return package, declared.lstrip("*&")
        if (local := function.locals.get(root)) is not None:
            if local.how == "call":
                return self.result_of(spot, local.text)
            return package, found[1] if (found := _MADE_LITERAL.match(local.text)) else ""
        variable = package.variables.get(root)
        if variable is None:
            return package, ""
        if variable.type_name:
            return package, variable.type_name.lstrip("*&")
        if found := _MADE_LITERAL.match(variable.value):
            return package, found[1]
        return self.result_of(spot, found[1]) if (found := re.match(r"([\w.]+)\(", variable.value)) else (package, "")

    def result_of(self, spot: Spot, called: str) -> tuple[Package, str]:
        """The first type that a function says it returns, and the package that says so."""
        qualifier, _, name = called.rpartition(".")
        found = self._functions.get(name, [])[:ALIKE]
        path = spot.file.imports.get(qualifier)
        if path is not None and (package := self._imported(path)) is not None:
            found = [one for one in self._functions.get(name, ()) if one.package is package and not one.function.receiver_type]
        for one in found:
            first = one.function.result.strip("()").split(",")[0].strip()
            if simple_type(first):
                return one.package, first.split(" ")[-1].lstrip("*&")
        return spot.package, ""

    def follow(self, package: Package, kind: str, fields: tuple[str, ...]) -> Symbol | None:
        """The field that a path ends with; None where a type on the way is not of this tree, or not said."""
        for position, name in enumerate(fields):
            at = self._declared(package, kind)
            found = self._field(*at, name) if at is not None else None
            if found is None:
                return None
            package, owner, inside = found
            if position == len(fields) - 1:
                return Symbol(package.folder, owner, name)
            kind = _OF_VALUES.sub("", inside.lstrip("*&"))
        return None

    def embedded_map(self, package: Package, kind: str, method: str) -> Symbol | None:
        """The map or set that a struct embeds and has a method from, unless it has one of that name itself."""
        at = self._declared(package, kind)
        if at is None or (at[1], method) in at[0].methods:
            return None
        maps = [one for one in at[0].structs[at[1]].embedded if is_keyed_type(one)]
        return Symbol(at[0].folder, at[1], simple_type(maps[0])) if len(maps) == 1 else None

    def _field(self, package: Package, owner: str, name: str) -> tuple[Package, str, str] | None:
        """Where a field is declared, its own or promoted from what is embedded, and its type."""
        struct = package.structs.get(owner, Struct())
        if name in struct.fields:
            return package, owner, struct.fields[name][0]
        for embedded in struct.embedded:
            at = self._declared(package, embedded)
            inner = at[0].structs[at[1]] if at is not None else Struct()
            if at is not None and name in inner.fields:
                return *at, inner.fields[name][0]
        return None

    def _declared(self, package: Package, kind: str) -> tuple[Package, str] | None:
        """The struct that a type means which is written in a package: also of another one, `metrics.Series`."""
        if kind.startswith("var "):
            return (package, kind) if kind in package.structs else None
        found = _POINTER.match(kind)
        base = base_type(found[1] if found else kind)
        qualifier, dot, name = base.rpartition(".")
        meant = self._package_named(package, qualifier) if dot else package
        return (meant, name) if meant is not None and name in meant.structs else None

    def _package_named(self, package: Package, qualifier: str) -> Package | None:
        """The package of the tree that stands before a dot; None where the files of a package do not agree about it."""
        known = (package.folder, qualifier)
        if known not in self._named:
            paths = sorted({path for file in package.files if (path := file.imports.get(qualifier))})
            found = [other for path in paths if (other := self._imported(path)) is not None]
            self._named[known] = found[0] if len(found) == len(paths) == 1 else None
        return self._named[known]
