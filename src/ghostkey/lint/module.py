"""The files of a tree as packages, and what they say of each symbol: who inserts into a field, and who takes out of it.

A symbol is (folder of the package, struct or "", field or variable). Names are resolved by package, which of 84 real cases
told all but one apart; no types are inferred beyond receivers, parameters and what functions say that they return.
"""

from __future__ import annotations

import collections
import functools
import posixpath
import re
from collections.abc import Iterable, Iterator

from ghostkey.lint.captures import OWNER
from ghostkey.lint.facts import Call, FileFacts, Function, Insert, Made, Place, Release, Series, Struct, is_done_once
from ghostkey.lint.imports import Imports
from ghostkey.lint.keyed import is_keyed_type
from ghostkey.lint.packages import InsertAt, Package, ReleaseAt, Spot, Symbol
from ghostkey.lint.syntax import base_type, simple_type
from ghostkey.lint.types import Types

__all__ = ["HELPERS_ALIKE", "InsertAt", "Module", "Package", "ReleaseAt", "Spot", "Symbol"]

HELPERS_ALIKE = 3  # functions of one name; with more of them nobody knows which is called
_WRAPPER = re.compile(r"(?:Map|Cache|Store|Set|Tracker|Index)s?$")
_PATH = re.compile(r"([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*)*)")
_CONSTRUCTOR = re.compile(r"(?:New|new|init$|Init$|With|Setup|setup|Make)")


class Module:
    """Links the facts of many files. `files` may be of several modules; folders tell them apart."""

    def __init__(self, files: Iterable[FileFacts]) -> None:
        self.packages: dict[str, Package] = {}
        self.functions: dict[str, list[Spot]] = collections.defaultdict(list)
        self.callers: dict[str, list[tuple[Spot, Call]]] = collections.defaultdict(list)
        self.made: dict[str, list[tuple[Spot, Made]]] = collections.defaultdict(list)
        self.users: dict[str, list[tuple[Package, str, str, str]]] = collections.defaultdict(list)
        self.inserts: dict[Symbol, list[InsertAt]] = collections.defaultdict(list)
        self.releases: dict[Symbol, list[ReleaseAt]] = collections.defaultdict(list)
        self.series: dict[Symbol, list[tuple[Spot, Series]]] = collections.defaultdict(list)
        self.handed_over: frozenset[str] | None = None  # see reach.handed_over
        self._given: dict[str, dict[int, tuple[tuple[str, ...], Insert]]] = collections.defaultdict(dict)
        self._taken: dict[str, dict[str, set[int]]] = {}  # function → folder of its package → parameters that it deletes from
        self._taken_from_itself: set[str] = set()  # methods of named maps that delete from the map itself
        self._given_itself: dict[tuple[str, str, str], Insert] = {}  # folder, named map, method → its insert into the map itself
        # in order of their paths, so that the answer does not depend on how they were found
        for facts in sorted(files, key=lambda facts: facts.path):
            if not facts.path.endswith("_test.go"):
                self._add(facts)
        for package in self.packages.values():
            self._note_users(package)
        spots = list(self.spots())
        helpers = (
            self._note_inserters_of_inserters,
            self._link_inserting_helpers,
            self._note_helpers_of_helpers,
            self._link_releasing_helpers,
        )
        for link in (self._link, *helpers):  # each asks for what the ones before it found in all functions
            for spot in spots:
                link(spot)

    @functools.cached_property
    def interface_methods(self) -> frozenset[str]:
        """The methods that interfaces of these files name: whoever has them may be called by way of those."""
        every = (facts.interfaces for package in self.packages.values() for facts in package.files)
        return frozenset(name for interfaces in every for names in interfaces.values() for name in names)

    @functools.cached_property
    def field_names(self) -> frozenset[str]:
        """What stands after a dot, and is a field of a struct or a variable of these files; what is embedded included."""
        structs = [struct for package in self.packages.values() for struct in package.structs.values()]
        embedded = {simple_type(kind) for struct in structs for kind in struct.embedded}
        variables = {name for package in self.packages.values() for name in package.variables}
        return frozenset({name for struct in structs for name in struct.fields} | embedded | variables)

    def spots(self) -> Iterator[Spot]:
        """Every function."""
        for package in self.packages.values():
            for facts in package.files:
                for function in facts.functions:
                    yield Spot(package, facts, function)

    def _add(self, facts: FileFacts) -> None:
        folder = posixpath.dirname(facts.path)
        package = self.packages.setdefault(folder, Package(folder))
        package.name = facts.package
        package.files.append(facts)
        package.structs |= facts.structs
        package.types |= facts.types
        package.constants |= facts.constants
        package.variables |= facts.variables
        for function in facts.functions:
            spot = Spot(package, facts, function)
            package.methods.add((function.receiver_type, function.name))
            package.captured |= {(OWNER + function.full_name, name): kind for name, kind in function.captured.items()}
            self.functions[function.name].append(spot)
            for call in function.calls:
                self.callers[call.name].append((spot, call))
            for made in function.made:
                if not made.type_name.startswith("()"):
                    self.made[made.type_name.rpartition(".")[2]].append((spot, made))

    def _note_users(self, package: Package) -> None:
        """Which types are named in fields, types and variables."""
        used = [(owner, name, kind) for owner, struct in package.structs.items() for name, (kind, _) in struct.fields.items()]
        used += [(owner, simple_type(kind), kind) for owner, struct in package.structs.items() for kind in struct.embedded]
        used += [("type " + name, "", kind) for name, kind in package.types.items()]
        used += [("var", name, variable.type_name) for name, variable in package.variables.items()]
        for owner, name, kind in used:
            for word in set(re.findall(r"[A-Za-z_]\w*", kind)):
                self.users[word].append((package, owner, name, kind))

    # symbols

    def type_of_root(self, spot: Spot, root: str) -> str:
        """What a name at the beginning of a path is, as far as it is said nearby; empty when it is not."""
        return self._types.of_root(spot, root)[1]

    def symbols(self, spot: Spot, place: Place) -> list[Symbol]:
        """What a path leads to: one symbol as a rule, several when only the field's name is known, none for a local."""
        function, package = spot.function, spot.package
        is_given = any(place.root == name for name, _ in function.params)
        is_local = is_given or (place.root in function.locals and place.root not in function.assigned)
        if place.root.startswith("()") and not place.fields:
            return self._given_out(spot, place.root[2:])
        if not place.fields and place.root in function.captured:
            return [Symbol(package.folder, OWNER + function.full_name, place.root)]
        if not place.fields:
            local = function.locals.get(place.root)
            # `gauge := ready` is the variable of the package
            is_other = local is not None and local.how == "expr" and place.root not in function.assigned
            name = local.text if local is not None and is_other and local.text not in function.locals else place.root
            is_variable = name in package.variables and (not is_local or name != place.root)
            return [Symbol(package.folder, "", name)] if is_variable else []
        if len(place.fields) == 1 and not is_local and place.root in spot.file.imports:
            other = self.imported(spot.file.imports[place.root])
            if other is not None and place.fields[0] in other.variables:
                return [Symbol(other.folder, "", place.fields[0])]
        name = place.fields[-1]
        said = place.root[2:] if place.root.startswith("()") else base_type(function.declared_type(place.root))
        if self.is_of_others(spot, said.rpartition(".")[0]):  # `pod *corev1.Pod`, `other.New().field`
            return [Symbol("*", "", name)] if name[:1].isupper() else []
        found = self._types.follow(*self._types.of_root(spot, place.root), place.fields)
        if found is not None:
            return [found]
        return [Symbol(package.folder, owner, name) for owner, struct in package.structs.items() if name in struct.fields] or (
            [Symbol("*", "", name)] if name[:1].isupper() else []
        )

    def _given_out(self, spot: Spot, called: str) -> list[Symbol]:
        """The variable, or the field, that a function of the tree gives as it is: `func Ready() *prometheus.GaugeVec { return ready }`."""
        qualifier, _, name = called.rpartition(".")
        path = spot.file.imports.get(qualifier)
        package = self.imported(path) if path else spot.package
        found = [one for one in self.functions.get(name, ()) if one.package is package]
        if len(found) != 1:
            return []
        function = found[0].function
        given = {one.text.removeprefix("return ").strip() for one in function.returns}
        path_of = _PATH.fullmatch(given.pop()) if len(given) == 1 else None
        if path_of is None or path_of[1] in {name for name, _ in function.params}:
            return []
        place = Place(path_of[1], tuple(filter(None, path_of[2].split("."))))
        return self.symbols(found[0], place) if place.fields or place.root in found[0].package.variables else []

    def is_of_others(self, spot: Spot, qualifier: str) -> bool:
        """Whether a name before a dot is a package that is not in this tree, whatever is called alike: `labels` of `labels.Merge`."""
        path = spot.file.imports.get(qualifier)
        return path is not None and not self._imports.has(path)

    def imported(self, path: str) -> Package | None:
        """The package of this tree that an import means."""
        folder = self._imports.folder_of(path)
        return self.packages[folder] if folder is not None else None

    @functools.cached_property
    def _types(self) -> Types:
        return Types(self.functions, self.imported)

    @functools.cached_property
    def _imports(self) -> Imports:
        return Imports({folder: package.name for folder, package in self.packages.items()})

    def type_of(self, symbol: Symbol) -> str:
        """The type that a symbol was declared with, or what it was made with."""
        package = self.packages.get(symbol.folder)
        if package is None:
            return ""
        if not symbol.owner:
            variable = package.variables.get(symbol.name)
            made = variable.value.partition("\n")[0] if variable else ""
            return (variable.type_name or re.sub(r"^make\(", "", made)) if variable else ""
        if symbol.is_captured:
            return package.captured.get((symbol.owner, symbol.name), "")
        struct = package.structs.get(symbol.owner)
        if struct is not None and symbol.name not in struct.fields:
            return next((kind for kind in struct.embedded if simple_type(kind) == symbol.name), "")
        return struct.fields[symbol.name][0] if struct and symbol.name in struct.fields else ""

    def map_type_of(self, symbol: Symbol) -> str:
        """The same, with what a named type of its package stands for."""
        kind = self.type_of(symbol).strip()
        package = self.packages.get(symbol.folder)
        return package.types.get(kind.lstrip("*"), kind) if package is not None else kind

    def is_keyed(self, symbol: Symbol) -> bool:
        """Whether a symbol is a map, a set, or what wraps one."""
        kind = self.type_of(symbol).strip()
        if is_keyed_type(kind) or is_keyed_type(self.map_type_of(symbol)):
            return True
        return "." in kind and self._is_wrapper(simple_type(kind))

    def _is_wrapper(self, word: str) -> bool:
        """Whether a type of this tree wraps a map: it is called so, and has methods to put in and take out."""
        if not _WRAPPER.search(word):
            return False
        has = {
            name
            for name in ("Delete", "Add", "Set", "Store", "Insert")
            for s in self.functions.get(name, ())
            if s.function.receiver_type == word
        }
        return "Delete" in has and len(has) > 1

    # links

    def _link(self, spot: Spot) -> None:
        function = spot.function
        for insert in function.inserts:
            for position in self._parameters(function, insert.place):
                self._given[function.name].setdefault(position, (insert.place.keys, insert))
            if insert.place[:2] == (function.receiver, ()) and function.receiver_type in spot.package.types:
                self._given_itself.setdefault((spot.package.folder, function.receiver_type, function.name), insert)
            for symbol in (*self.symbols(spot, insert.place), *self._embedded(spot, insert.place, insert.how)):
                self.inserts[symbol].append(InsertAt(spot, insert))
        for release in function.releases:
            if (
                not release.place.fields
                and release.place.root == function.receiver
                and function.receiver_type in spot.package.types
            ):
                self._taken_from_itself.add(function.name)
            for literal in self._literals(spot, release.place):
                self.releases[literal].append(ReleaseAt(spot, release))
            if not release.place.fields:
                self._note_taken(spot, release.place.root)
            for symbol in (*self.symbols(spot, release.place), *self._embedded(spot, release.place, release.how)):
                self.releases[symbol].append(ReleaseAt(spot, release))
        for series in function.series:
            for symbol in self.symbols(spot, series.place):
                self.series[symbol].append((spot, series))
        self._link_resets(spot)

    def _embedded(self, spot: Spot, place: Place, how: str) -> list[Symbol]:
        """The map that a struct embeds, where a method is called that it has from there: `cache.Store(key, value)`."""
        if not how[:1].isupper():
            return []
        if place.fields:
            found = [
                (self.packages[one.folder], self.type_of(one)) for one in self.symbols(spot, place) if one.folder in self.packages
            ]
        else:
            found = [self._types.of_root(spot, place.root)]
        return [one for package, kind in found if (one := self._types.embedded_map(package, kind, how)) is not None]

    @staticmethod
    def _literals(spot: Spot, place: Place) -> list[Symbol]:
        """The fields that a local map is given to in a literal: `seen := map…; r := &Reconciler{seen: seen}`."""
        if place.fields:
            return []
        owners = [
            (stored.place.root.removeprefix("{}"), stored.place.fields)
            for stored in spot.function.stored
            if stored.name == place.root and stored.place.root.startswith("{}")
        ]
        return [Symbol(spot.package.folder, owner, fields[-1]) for owner, fields in owners if fields and "." not in owner]

    @staticmethod
    def _parameters(function: Function, place: Place) -> list[int]:
        given = enumerate(function.params if not place.fields else ())
        return [i for i, (name, kind) in given if name == place.root and kind.lstrip("*").startswith("map[")]

    def _link_resets(self, spot: Spot) -> None:
        function = spot.function
        for reset in function.resets:
            if (place := reset.place).keys:
                continue
            release = Release(Place(place.root, place.fields), "*", reset.line, reset.branches, "reset", reset.at)
            if place.fields == ("*",):
                owner = simple_type(self.type_of_root(spot, place.root))
                for name in spot.package.structs.get(owner, Struct()).fields:
                    symbol = Symbol(spot.package.folder, owner, name)
                    self.releases[symbol].append(ReleaseAt(spot, release._replace(how="struct reset")))
                continue
            if reset.is_first or is_done_once(reset.branches):
                continue  # made when it is first needed: that takes nothing out
            is_captured = not place.fields and place.root in function.captured
            if is_captured and not any(branch.kind in {"func", "for"} for branch in reset.branches):
                continue  # its first value
            is_made = _CONSTRUCTOR.match(function.name) or function.name == "(package)"
            if reset.value.startswith("append(") or (is_made and not is_captured):
                continue
            for symbol in self.symbols(spot, place):
                self.releases[symbol].append(ReleaseAt(spot, release))

    def _note_inserters_of_inserters(self, spot: Spot) -> None:
        """A function that hands its parameter on to one which inserts into it."""
        for place, keys, insert, call in self._handed_to_inserters(spot):
            for position in self._parameters(spot.function, place) if call.name != spot.function.name else ():
                self._given[spot.function.name].setdefault(position, (keys, insert))

    def _link_inserting_helpers(self, spot: Spot) -> None:
        """A map that is handed to a function which inserts into its parameter."""
        for call in spot.function.calls:
            self._link_own_insert(spot, call)
        for place, keys, insert, call in self._handed_to_inserters(spot):
            if place.fields or place.root in spot.package.variables:
                whole = Insert(place._replace(keys=place.keys + keys), call.line, call.branches, insert.value, call.name, call.at)
                for symbol in self.symbols(spot, place):
                    self.inserts[symbol].append(InsertAt(spot, whole))

    def _handed_to_inserters(self, spot: Spot) -> Iterator[tuple[Place, tuple[str, ...], Insert, Call]]:
        """What is given to calls for parameters that they insert into: the place, the keys in the caller's words, the insert and the call."""
        for call in spot.function.calls:
            alike = self.functions[call.name] if call.name in self._given else []
            if not alike or len(alike) > HELPERS_ALIKE or self.is_of_others(spot, call.qualifier):
                continue
            given = {name: text for (name, _), text in zip(alike[0].function.params, call.texts, strict=False)}
            for position, (keys, insert) in list(self._given[call.name].items()):
                place = call.arguments[position] if position < len(call.arguments) else None
                if place is not None:
                    yield place, tuple(given.get(key, key) for key in keys), insert, call

    def _link_own_insert(self, spot: Spot, call: Call) -> None:
        """A named map whose own method inserts into it: `r.pods.add(key)`."""
        if call.receiver is None or not (call.receiver.fields or call.receiver.root in spot.package.variables):
            return
        for symbol in self.symbols(spot, call.receiver) if call.name in self._own_inserters else ():
            owner = self.type_of(symbol).lstrip("*")
            insert = self._given_itself.get((symbol.folder, owner, call.name))
            function = next((s.function for s in self.functions[call.name] if s.function.receiver_type == owner), None)
            if insert is None or function is None:
                continue
            given = {name: text for (name, _), text in zip(function.params, call.texts, strict=False)}
            place = call.receiver._replace(keys=tuple(given.get(key, key) for key in insert.place.keys))
            whole = insert._replace(place=place, line=call.line, branches=call.branches, how=call.name, at=call.at)
            self.inserts[symbol].append(InsertAt(spot, whole))

    @functools.cached_property
    def _own_inserters(self) -> frozenset[str]:
        return frozenset(name for _, _, name in self._given_itself)

    def _note_taken(self, spot: Spot, root: str) -> None:
        """A function deletes from what it is given under a name."""
        positions = {at for at, (name, _) in enumerate(spot.function.params) if name == root}
        if positions:
            self._taken.setdefault(spot.function.name, {}).setdefault(spot.package.folder, set()).update(positions)

    def _note_helpers_of_helpers(self, spot: Spot) -> None:
        """A function that hands its parameter on to one which deletes from it."""
        function = spot.function
        for call in function.calls:
            for place in self._handed_over(spot, call):
                if not place.fields and place.root not in spot.package.variables and function.name != call.name:
                    self._note_taken(spot, place.root)

    def _link_releasing_helpers(self, spot: Spot) -> None:
        """A map that is handed to a function which deletes from its parameter, or whose own method deletes from it."""
        for call in spot.function.calls:
            places = list(self._handed_over(spot, call))
            if call.name in self._taken_from_itself and call.receiver is not None:
                places.append(call.receiver)
            for place in places:
                if place.fields or place.root in spot.package.variables or place.root in spot.function.captured:
                    release = Release(place, "*", call.line, call.branches, call.name, call.at)
                    for symbol in self.symbols(spot, place):
                        self.releases[symbol].append(ReleaseAt(spot, release))

    def _handed_over(self, spot: Spot, call: Call) -> Iterator[Place]:
        """What is given to a call for parameters that it deletes from."""
        taken = self._taken.get(call.name, {}) if not self.is_of_others(spot, call.qualifier) else {}
        if taken and (not call.qualifier or call.qualifier in spot.file.imports):
            # a function of a package, and no other one that is called so
            path = spot.file.imports.get(call.qualifier)
            folder = self._imports.folder_of(path) if path else spot.package.folder
            taken = taken if folder is None else {folder: taken[folder]} if folder in taken else {}
        for position in sorted(set().union(*taken.values())):
            place = call.arguments[position] if position < len(call.arguments) else None
            if place is not None:
                yield place
