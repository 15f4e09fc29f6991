"""How long what holds a map lives: as long as the process, or as one call. Only what lives long leaks."""

from __future__ import annotations

import functools
import re

from ghostkey.lint.captures import OWNER
from ghostkey.lint.facts import Call, FileFacts, Made, Place, is_done_once
from ghostkey.lint.judgements.closures import GIVEN, HANDLED, LOOPS, kept_by
from ghostkey.lint.judgements.code import has_program, is_aside, is_kind
from ghostkey.lint.judgements.fates import LONG, RUN, SHORT, UNCALLED, UNKNOWN, is_assertion, is_into_parameter, longest, sum_of
from ghostkey.lint.judgements.keeping import is_added
from ghostkey.lint.judgements.running import is_set_in_what_was_there, runs_on
from ghostkey.lint.judgements.startup import runs_at_start
from ghostkey.lint.module import Module, Package, Spot
from ghostkey.lint.reach import callees, calls_of, handed_over

DEPTH = 5
STEPS = 3000  # of one struct's ways: they multiply where everybody makes everything
CALLERS = 25
_RUNS = re.compile(
    r"^(?:[Mm]ain|init|Setup\w*|setup\w*|Start|start|Run|run|(?:[Ss]tart|[Rr]un)\w*(?:Managers?|Operator|Servers?|Controllers?|Agent|Daemon)|"
    r"Initialize|Install|AddToManager|Complete)$"
)
# of a program's own folder, or called when one starts: `StartCollecting` in cmd/agent/app/mode
_STARTS = re.compile(r"(?:[Ss]tart|[Rr]un|[Ii]nit)[A-Z]|\w*Main$")
_CONSTRUCTS = re.compile(r"(?:New|new|Init|Setup|setup|With|Provide|Must|[Mm]ake[A-Z])")
_KEEPS = {"Store", "LoadOrStore", "Set", "Add", "Insert", "Put", "append", "Register"}
_RECONCILES = re.compile(r"^[Rr]econcile")
_PROGRAM = re.compile(r"(?:^|/)(?:cmd|app)/[^/]*$")
_REPEATS = re.compile(r"\w*Until\w*$|Poll\w*$|AfterFunc$|Tick$")
NEAR = 10  # lines that the function handed to such a one takes, as a rule
_HELD = ("SetupWithManager", "SetupWebhookWithManager", "NeedLeaderElection", "HandleEvent")
# what controller-runtime and knative call: other methods of that name are a step of somebody's own
_ASKED = re.compile(r"Request\b|NamespacedName$|^string$")


class Lifetimes:
    """Follows values from where they are made to where they stay."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self._known: dict[tuple[str, str], str] = {}
        self._starts: dict[int, bool] = {}
        self._left = STEPS

    def of(self, package: Package, owner: str) -> str:
        """long, short or unknown, for the objects of a struct."""
        key = (package.folder, owner)
        if key not in self._known:
            self._left = STEPS
            self._known[key] = self._of(package, owner, 0, frozenset())
        return LONG if self._known[key] in {RUN, UNCALLED} else self._known[key]

    def is_seen(self, package: Package, owner: str) -> bool:
        """Whether code of this tree makes the objects, or the tree has no program and is there for others to call."""
        self.of(package, owner)
        return self._known[package.folder, owner] != UNCALLED or not self._has_program

    @functools.cached_property
    def _has_program(self) -> bool:
        return has_program(self._module)

    def _of(self, package: Package, owner: str, depth: int, seen: frozenset[object]) -> str:
        key = (package.folder, owner)
        if key in self._known:
            return self._known[key]
        if key in seen or depth > DEPTH:
            return UNKNOWN
        if (
            owner.startswith("var ")
            or any((owner, name) in package.methods for name in _HELD)
            or self._reconciles(package, owner)
        ):
            return LONG
        if owner.startswith(OWNER):
            return self._of_captured(package, owner, depth, seen)
        if is_kind(package, owner):
            return SHORT  # an object of the API is read anew for each try
        seen |= {key}
        fates = {
            self._fate(spot, self._best(spot, made), depth, seen)
            for spot, made in self._module.made.get(owner, ())
            if self._is_of(package, spot, made) and not is_assertion(spot, made) and not is_aside(spot.file)
        }
        for user, holder, name, kind in self._module.users.get(owner, ()):
            # by value in another struct, or a variable of its package
            is_value = re.fullmatch(rf"(?:\w+\.)?{re.escape(owner)}", kind.strip()) is not None
            if is_value and self._is_named(user, kind, package) and holder in user.structs:
                of_holder = self._of(user, holder, depth + 1, seen)
                # a field that is given another value as a whole lives as long as the one before it
                fates.add(UNKNOWN if of_holder in {LONG, RUN} and self._is_set_again(user, (name,)) else of_holder)
            elif holder == "var" and user is package and name != "_":
                # a pointer to what is made anew is no better than where that is made
                fates.add(UNKNOWN if kind.startswith("*") and self._is_set_again(package, (), name) else LONG)
        return sum_of(fates)

    def _of_captured(self, package: Package, owner: str, depth: int, seen: frozenset[object]) -> str:
        """Of locals that literals and loops of a function use: as long as whoever was given the literal, or as the function."""
        fates: set[str] = set()
        for spot in (
            Spot(package, file, one) for file in package.files for one in file.functions if one.full_name == owner[len(OWNER) :]
        ):
            for insert in spot.function.inserts:
                word = (
                    kept_by(spot, insert.branches)
                    if not insert.place.fields and insert.place.root in spot.function.captured
                    else ""
                )
                if word == GIVEN:
                    fates.add(self._returned(spot, depth + 1, seen))
                elif word:
                    here = self._in_function(spot, depth, seen)
                    is_sure = word == HANDLED and here != SHORT
                    fates.add(here if is_sure or (word == LOOPS and here == SHORT) else UNKNOWN)
        return sum_of(fates)

    def _reconciles(self, package: Package, owner: str) -> bool:
        """Whether a queue asks the struct for one object after the other, by name."""
        return any(
            any(
                _ASKED.search(kind) or ("Result" in spot.function.result and kind != "context.Context")
                for _, kind in spot.function.params
            )
            for spot in self._module.functions.get("Reconcile", ())
            if spot.package is package and spot.function.receiver_type == owner
        )

    def _is_of(self, package: Package, spot: Spot, made: Made) -> bool:
        qualifier, dot, _ = made.type_name.rpartition(".")
        return (self._meant(spot.file, qualifier) if dot else spot.package) is package

    def _meant(self, file: FileFacts, qualifier: str) -> Package | None:
        """The package of the tree that stands before a dot."""
        path = file.imports.get(qualifier)
        return self._module.imported(path) if path else None

    def _is_named(self, user: Package, kind: str, package: Package) -> bool:
        """Whether a type that is written in one package is of another: `lister.Pods` is that of whom the file imports as `lister`."""
        qualifier, dot, _ = kind.strip().rpartition(".")
        if not dot:
            return user is package
        return any(self._meant(file, qualifier) is package for file in user.files)

    @staticmethod
    def _best(spot: Spot, made: Made) -> Made:
        """The same value with a better word on where it goes, where there is one."""
        if made.goes != "any":
            return made
        for other in spot.function.made:
            if other.at == made.at and other.goes != "any":
                return other
        is_returned = any(r.line <= made.line <= r.last_line and made.type_name in r.text for r in spot.function.returns)
        return made._replace(goes="return" if is_returned else "other")

    def _fate(self, spot: Spot, made: Made, depth: int, seen: frozenset[object]) -> str:
        self._left -= 1
        if self._left < 0:
            return UNKNOWN
        if spot.function.name == "(package)":
            # what is returned, or a local, is of a function that the variable holds: who calls it decides
            return UNKNOWN if made.goes in {"return", "local"} else LONG
        if made.goes == "store":
            return self._stored(spot, made.to, depth, seen)
        if made.goes == "in":
            owner = made.to.root.rpartition(".")[2]
            if owner in spot.package.structs and "." not in made.to.root:
                long = self._of(spot.package, owner, depth + 1, seen)
                is_first = long in {LONG, RUN} and made.to.fields and self._is_set_again(spot.package, made.to.fields[-1:])
                return UNKNOWN if is_first else long
            around = [
                one
                for one in spot.function.made
                if one.type_name == made.to.root and one.at < made.at and one.goes not in {"any", "in"}
            ]
            if around and "{" not in made.to.root:  # a list, or another package's struct, goes where it goes
                return self._fate(spot, max(around, key=lambda one: one.at), depth + 1, seen)
            return self._in_function(spot, depth, seen)
        if made.goes == "local":
            return self._local(spot, made.to.root, depth, seen)
        if made.goes == "return":
            return self._returned(spot, depth, seen)
        if made.goes == "arg" and made.to.root in _KEEPS:
            if (place := self._swapped(spot, made)) is not None:
                return self._stored(spot, place, depth, seen)
            # in what was handed in it stays as long as that: what else is made of it tells more
            return UNCALLED if is_into_parameter(spot, made) else UNKNOWN
        if made.goes == "arg":
            for call in spot.function.calls:
                if call.name == made.to.root and call.line <= made.line:
                    at = next((at for at, text in enumerate(call.texts) if made.type_name in text and text.startswith("&")), -1)
                    if at >= 0 and (kept := self._kept(spot, call, at, depth, seen)):
                        return kept
            if is_set_in_what_was_there(spot, made):
                return UNKNOWN
        return self._in_function(spot, depth, seen)

    def _swapped(self, spot: Spot, made: Made) -> Place | None:
        """The atomic pointer that a value is put into when the program starts, or where there is none: what replaces others goes again."""
        for call in spot.function.calls:
            if (call.name, call.line) == (made.to.root, made.line) and len(call.texts) == 1 and call.receiver is not None:
                kinds = [self._module.type_of(symbol) for symbol in self._module.symbols(spot, call.receiver)]
                is_first = any(branch.kind == "if" and "nil" in branch.text for branch in call.branches)
                name = spot.function.name
                starts = _RUNS.match(name) or _CONSTRUCTS.match(name) or self._runs_at_start(spot)
                if any("atomic." in kind for kind in kinds) and (is_first or starts):
                    return call.receiver
        return None

    def _stored(self, spot: Spot, place: Place, depth: int, seen: frozenset[object]) -> str:
        if not place.fields and place.root not in spot.package.variables:
            return self._local(spot, place.root, depth, seen)
        for symbol in self._module.symbols(spot, place):
            if symbol.folder == "*":
                continue  # a field of a struct that is not known
            if place.keys and any(one.release.how == "delete" for one in self._module.releases.get(symbol, ())):
                return UNKNOWN  # it goes with its key, whenever that is
            if not symbol.owner:
                return UNKNOWN if not place.keys and self._is_replaced(spot, place) else LONG
            package = self._module.packages.get(symbol.folder)
            if package is not None:
                long = self._of(package, symbol.owner, depth + 1, seen)
                # what takes the place of the one before it goes with the next one
                return UNKNOWN if long in {LONG, RUN} and not place.keys and self._is_replaced(spot, place) else long
        return UNKNOWN

    def _is_set_again(self, package: Package, fields: tuple[str, ...], name: str = "") -> bool:
        """Whether a field, or a variable of a package, gets other values while the program runs."""
        return any(
            self._is_replaced(Spot(package, facts, function), reset.place)
            for facts in package.files
            for function in facts.functions
            for reset in function.resets
            if reset.place.fields[-1:] == fields and (bool(fields) or (reset.place.root == name and name in function.assigned))
        )

    def _is_replaced(self, spot: Spot, place: Place) -> bool:
        """Whether a field gets a fresh value again and again: outside of what starts, and not only where it has none."""
        name = spot.function.name
        if _RUNS.match(name) or _CONSTRUCTS.match(name) or self._runs_at_start(spot):
            return False
        resets = [one for one in spot.function.resets if one.place == place and not is_done_once(one.branches)]
        first = re.compile(rf"{re.escape(place.fields[-1] if place.fields else place.root)}\s*==\s*nil|!\w+\b")
        return bool(resets) and not any(
            branch.kind == "if" and first.search(branch.text) for one in resets for branch in one.branches
        )

    def _local(self, spot: Spot, name: str, depth: int, seen: frozenset[object]) -> str:
        if name in spot.function.assigned and name in spot.package.variables:
            return UNKNOWN if self._is_set_again(spot.package, (), name) else LONG
        for stored in spot.function.stored:
            if stored.name != name:
                continue
            if stored.place.root.startswith("{}"):
                owner = stored.place.root[2:]
                return self._of(spot.package, owner, depth + 1, seen) if owner in spot.package.structs else UNKNOWN
            if stored.place.fields or stored.place.root in spot.package.variables:
                return self._stored(spot, stored.place, depth, seen)
        for insert in spot.function.inserts:
            if insert.value.lstrip("&") == name and insert.place.fields:
                return self._stored(spot, insert.place, depth, seen)
        is_returned = name in spot.function.returned
        alone = self._returned(spot, depth, seen) if is_returned else SHORT
        if alone != SHORT:
            return alone
        given = [
            (call, position)
            for call in spot.function.calls
            for position, text in enumerate(call.texts)
            if text.lstrip("&") == name
        ]
        for call, position in given:
            if kept := self._kept(spot, call, position, depth, seen):
                return kept
        if not is_returned:
            alone = self._in_function(spot, depth, seen)
            if alone == SHORT:  # of what is returned the parts that know it go with it
                alone = longest({self._taken(spot, call, position, depth, seen) for call, position in given})
        is_open = bool(given) and depth >= DEPTH  # who has it then was not looked at
        is_open = is_open or runs_on(self._module, spot, name) or is_added(self._module, spot, name)
        return UNKNOWN if alone == SHORT and is_open else alone

    def _kept(self, spot: Spot, call: Call, position: int, depth: int, seen: frozenset[object]) -> str:
        """How long a function keeps what it is given, where it puts that into a field or map; empty where it does not."""
        for one in callees(self._module, spot, call) if depth < DEPTH else ():
            if position >= len(one.function.params):
                continue
            name = one.function.params[position][0]
            places = [stored.place for stored in one.function.stored if stored.name == name]
            places += [insert.place for insert in one.function.inserts if insert.value == name]
            for place in places:
                if place.root.startswith("{}"):
                    continue  # see _taken
                if place.fields or place.root in one.package.variables:
                    return self._stored(one, place, depth + 1, seen)
        return ""

    def _taken(self, spot: Spot, call: Call, position: int, depth: int, seen: frozenset[object]) -> str:
        """How long what a constructor makes of a value lives, with the value in it; empty where it makes nothing of it."""
        for one in callees(self._module, spot, call) if depth < DEPTH else ():
            name = one.function.params[position][0] if position < len(one.function.params) else ""
            for stored in one.function.stored:
                owner = stored.place.root.removeprefix("{}")
                if name and stored.name == name and stored.place.root != owner and owner in one.package.structs:
                    return self._of(one.package, owner, depth + 1, seen)
        return ""

    def _in_function(self, spot: Spot, depth: int, seen: frozenset[object]) -> str:
        """Of a value that stays in a function, or is handed on from it."""
        starts = (
            not spot.function.receiver_type
            and _STARTS.match(spot.function.name)
            and ("cmd/" in spot.file.path or self._runs_at_start(spot) or self._is_of_program(spot))
        )
        is_program = spot.file.package == "main" or _PROGRAM.search(spot.file.path) is not None or starts
        if (is_program or _RUNS.match(spot.function.name)) and not self._is_of_reconcile(spot):
            return RUN
        if _CONSTRUCTS.match(spot.function.name):
            return self._returned(spot, depth + 1, seen) if depth < DEPTH else UNKNOWN
        return RUN if self._runs_at_start(spot) else SHORT

    def _runs_at_start(self, spot: Spot) -> bool:
        if (known := id(spot.function)) not in self._starts:
            self._starts[known] = runs_at_start(self._module, spot)
        return self._starts[known]

    def _is_of_program(self, spot: Spot) -> bool:
        """Whether a program calls a function itself: also in a table of what it can run as."""
        calls = calls_of(self._module, spot)
        return any(caller.file.package == "main" and not is_aside(caller.file) for caller, _ in calls[:CALLERS])

    def _is_of_reconcile(self, spot: Spot) -> bool:
        """Whether a function that is called Start or Run is a step of reconciling, or of a loop: it ends, and runs again."""
        near, seen = [spot], {id(spot.function)}
        if _RECONCILES.match(spot.function.name):
            return True
        for _ in range(DEPTH):
            calls = [
                (caller, call)
                for one in near
                for caller, call in calls_of(self._module, one)
                if id(caller.function) not in seen and self._knows(caller, one)
            ]
            if any(_RECONCILES.match(caller.function.name) or _is_repeated(caller, call) for caller, call in calls):
                return True
            callers = [caller for caller, _ in calls]
            if len(callers) > CALLERS:
                return False
            seen |= {id(caller.function) for caller in callers}
            near = callers
        return False

    def _knows(self, caller: Spot, spot: Spot) -> bool:
        """Whether a caller is of the same package, or imports it."""
        return caller.package is spot.package or any(
            self._module.imported(path) is spot.package for path in caller.file.imports.values()
        )

    def _returned(self, spot: Spot, depth: int, seen: frozenset[object]) -> str:
        if depth > DEPTH:
            return UNKNOWN
        fates: set[str] = set()
        name = spot.function.name
        # what tests and tools make of it ends with them
        calls = [(caller, call) for caller, call in calls_of(self._module, spot) if not is_aside(caller.file)]
        if len(calls) > CALLERS:
            return UNKNOWN
        for caller, call in calls:
            key = (id(caller.function), name)
            if key in seen:
                continue
            made = [
                made
                for made in caller.function.made
                if made.type_name.startswith("()") and made.line == call.line and made.type_name[2:].rpartition(".")[2] == name
            ]
            if not made:
                is_returned = any(r.line <= call.line <= r.last_line and name in r.text for r in caller.function.returns)
                made = [Made("()" + name, "return" if is_returned else "other", Place(""), call.line, call.at)]
            fates |= {self._fate(caller, one, depth + 1, seen | {key}) for one in made[:2]}
        if name in handed_over(self._module) and fates <= {UNCALLED}:
            return UNKNOWN  # who is given the function calls it when it likes
        if not fates and spot.function.receiver_type:
            return UNKNOWN  # of what others make of an object, nothing is known; a constructor is there for somebody's program
        return sum_of(fates) if fates else UNCALLED


def _is_repeated(caller: Spot, call: Call) -> bool:
    """Whether a call is made again and again: in what is handed to `wait.Until` and its like."""
    return any(branch.kind == "func" for branch in call.branches) and any(
        _REPEATS.match(other.name) and 0 <= call.line - other.line <= NEAR for other in caller.function.calls
    )
