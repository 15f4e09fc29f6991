"""What a function does by itself and by what it calls, as far as names tell; and which of it happens when an object is gone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ghostkey.lint.facts import Branches, Call, Function
from ghostkey.lint.module import HELPERS_ALIKE, InsertAt, Module, ReleaseAt, Spot
from ghostkey.lint.names import LETS_GO, begins_with

DEPTH = 4  # calls that are followed: below it, helpers serve everybody
MOST = 200  # functions that are reached from one
RECONCILES = re.compile(r"^(?:[Rr]econcile\w*|[Ss]ync(?:[A-Z]\w*)?|[Pp]rocess(?:[A-Z]\w*)?|handleSync)$")
NO_ERROR = re.compile(r"^return(?:$|.*\bnil$)")  # what a return says that tells of none
_GONE = re.compile(r"DeletionTimestamp|IsNotFound|NotFound\(|IsGone\(|\b[Ii]sDelet(?:ed|ing)|[Bb]eingDeleted|MarkedForDeletion")
_STAYS = re.compile(r"!\s*(?:\w+\.)?(?:Is)?NotFound|DeletionTimestamp\(?\)?\.IsZero\(\)|DeletionTimestamp\(?\)?\s*==\s*nil")


def is_gone(branches: Branches) -> bool:
    """Whether a statement runs where the code has seen that its object is gone or going."""
    return any(
        branch.kind in {"if", "case", "else"} and (branch.kind == "else") is is_of_living(branch.text)
        for branch in branches
        if _GONE.search(branch.text)
    )


def is_of_living(condition: str) -> bool:
    """Whether a condition about deletion holds for what is not being deleted."""
    found = _STAYS.search(condition)
    if found is None:
        return False
    return found[0].startswith("!") or not re.search(r"!\s*[\w.()]*$", condition[: found.start()])


def callees(module: Module, spot: Spot, call: Call) -> list[Spot]:
    """Which functions a call may mean; none when too many have the name."""
    found = [other for other in module.functions.get(call.name, ()) if other.function is not spot.function]
    if (path := spot.file.imports.get(call.qualifier)) and not _is_name_of(spot.function, call.qualifier):
        package = module.imported(path)
        return [other for other in found if other.package is package and not other.function.receiver_type]
    own = [other for other in found if other.package is spot.package]
    if call.qualifier and call.qualifier == spot.function.receiver:
        mine = [other for other in own if other.function.receiver_type == spot.function.receiver_type]
        return mine or own[:HELPERS_ALIKE]
    if not call.qualifier:
        return [other for other in own if not other.function.receiver_type]
    found = own or found
    return found if len(found) <= HELPERS_ALIKE else []


def _is_name_of(function: Function, name: str) -> bool:
    """Whether a function has a name for something of its own, as which a package may be imported, too."""
    return name in function.locals or name in function.ranges or any(name == one for one, _ in function.params)


def calls_of(module: Module, spot: Spot) -> list[tuple[Spot, Call]]:
    """The calls that may mean a function, by what the language allows: small letters from its own package, others by their import."""
    name, package = spot.function.name, spot.package
    found: list[tuple[Spot, Call]] = []
    for caller, call in module.callers.get(name, ()):
        if caller.function is spot.function or not (name[:1].isupper() or caller.package is package):
            continue
        path = caller.file.imports.get(call.qualifier)
        if spot.function.receiver_type:
            is_meant = bool(call.qualifier) and path is None
        else:
            is_meant = (module.imported(path) is package) if path else (not call.qualifier and caller.package is package)
        if is_meant:
            found.append((caller, call))
    return found


def handed_over(module: Module) -> frozenset[str]:
    """Names of functions that are given to others, or kept in a field, rather than called. Worked out once for a module."""
    if module.handed_over is None:
        words: set[str] = set()
        for spot in module.spots():
            words |= {stored.name.rpartition(".")[2] for stored in spot.function.stored}
            words |= {text.rpartition(".")[2] for call in spot.function.calls for text in call.texts}
        module.handed_over = frozenset(words & module.functions.keys())
    return module.handed_over


def callers(module: Module, spot: Spot) -> Iterator[tuple[Spot, Call]]:
    """Which functions may call one, and where: the other way round of `callees`."""
    for caller, call in module.callers.get(spot.function.name, ()):
        if any(one.function is spot.function for one in callees(module, caller, call)):
            yield caller, call


def released_for(module: Module, one: ReleaseAt) -> list[ReleaseAt]:
    """A release as those that ask for it see it: where a helper is given the key, each of its calls; otherwise as it stands."""
    parameters = [name for name, _ in one.spot.function.params]
    if one.release.key not in parameters:
        return [one]
    position = parameters.index(one.release.key)
    asked = [
        ReleaseAt(caller, one.release._replace(key=call.texts[position], line=call.line, branches=call.branches, at=call.at))
        for caller, call in callers(module, one.spot)
        if position < len(call.texts)
    ]
    return asked or [one]


class Site(NamedTuple):
    """Where a key is taken out, or the helper called that does."""

    spot: Spot
    line: int
    branches: Branches

    @property
    def conditions(self) -> list[tuple[str, bool]]:
        """What is decided before this runs: each condition, and whether it has to hold; those that make others return included."""
        found = [(b.text, b.kind == "if") for b in self.branches if b.kind in {"if", "else"}]
        for one in self.spot.function.returns:
            *before, last = one.branches or (None,)
            is_before = one.line < self.line and last is not None and tuple(before) == self.branches[: len(before)]
            if is_before and last is not None and last.kind == "if" and last not in self.branches:
                found.append((last.text, False))
        return found


def site_of(one: InsertAt) -> Site:
    """Where an insert stands."""
    return Site(one.spot, one.insert.line, one.insert.branches)


_LETS_GO = begins_with(LETS_GO)


def sites_of(
    module: Module, one: ReleaseAt, is_enough: Callable[[Site], object], named: re.Pattern[str] = _LETS_GO
) -> list[Site]:
    """The release itself where it is enough, or where it is not, each call of its helper by functions `named` so."""
    own = Site(one.spot, one.release.line, one.release.branches)
    if is_enough(own):
        return [own]
    calls = [Site(spot, call.line, call.branches) for spot, call in callers(module, one.spot) if named.match(spot.function.name)]
    return calls or [own]


def reached(module: Module, spot: Spot, calls: Iterable[Call] | None = None) -> dict[int, Spot]:
    """The functions that are run by a function's calls (all of them, or those given), the function itself not among them."""
    found: dict[int, Spot] = {}
    near = [(spot, call) for call in (spot.function.calls if calls is None else calls)]
    for _ in range(DEPTH):
        later: list[tuple[Spot, Call]] = []
        for caller, call in near:
            for one in callees(module, caller, call):
                if id(one.function) not in found and len(found) < MOST:
                    found[id(one.function)] = one
                    later += [(one, further) for further in one.function.calls]
        near = later
    return found


def reached_when_gone(module: Module, spot: Spot) -> tuple[dict[int, Spot], list[int]]:
    """Of a function and all it runs: what runs where the object is gone, and the lines of those branches in the function itself."""
    found: dict[int, Spot] = {}
    lines: list[int] = []
    for one in (spot, *reached(module, spot).values()):
        calls = [call for call in one.function.calls if is_gone(call.branches)]
        found |= reached(module, one, calls)
        if one is spot:
            lines += [call.line for call in calls]
            lines += [each.line for each in one.function.returns if is_gone(each.branches)]
            lines += [each.line for each in one.function.returns if "IgnoreNotFound" in each.text]
    return found, sorted(lines)
