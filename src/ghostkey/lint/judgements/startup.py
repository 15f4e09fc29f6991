"""Whether a function runs when the program starts, and then never again: what it inserts is bounded by the code."""

from __future__ import annotations

import re

from ghostkey.lint.facts import Branches
from ghostkey.lint.module import Module, ReleaseAt, Spot, Symbol
from ghostkey.lint.reach import calls_of

CALLERS = 25  # with more of them it is no part of starting
DEPTH = 3
_AT_START = re.compile(
    r"^(?:New|new|With|Setup|setup|MustRegister|Init|init[A-Z]|Register|register|Install|Complete|ParseFlags|AddFlags|BindFlags)"
)
_STARTS = re.compile(r"\w*Init$")  # of what is given to it nothing is known: `podInit(pod)`
_MAKES = re.compile(r"[Nn]ew[A-Z]")
_BEGINS = re.compile(r"^(?:[Rr]un|[Ss]tart)$")
_LATER = re.compile(
    r"(?i)reconcile|^on[A-Z]|handle|sync|update|process|serve|observe|record|delete|remove|poll|loop|refresh|resync|collect|"
    r"schedule|watch|callback|list|get|ensure|enqueue"
)
_REGISTERS = re.compile(
    r"^(?:(?:Must)?[Rr]egister|[Ii]nstall|With[A-Z]|AddFlag|BindFlag|AddHandler|AddCheck|AddHealth|HandleFunc|Handle$|"
    r"Add\w*(?:Plugin|Provider|Factory|Scheme|Validator|Hook|Index|Indexer|Indexers)|Add[A-Z]\w*(?:Fn|Func)$|Set\w*Factory|index$|Index$)"
)


def registers(name: str) -> bool:
    """Whether a function is called as those are that a program registers its parts with."""
    return _REGISTERS.match(name) is not None and not re.search("(?i)reconcile|sync", name)


def is_later(name: str) -> bool:
    """Whether a function is called as those are that run again and again."""
    return _LATER.search(name) is not None


def is_flag(spot: Spot) -> bool:
    """Whether a function takes one flag of the command line: `Set` of what is a flag.Value, which has a String as well."""
    function = spot.function
    is_set = function.name == "Set" and [kind for _, kind in function.params] == ["string"] and function.result == "error"
    return is_set and (function.receiver_type, "String") in spot.package.methods


def releases_while_running(module: Module, symbol: Symbol) -> list[ReleaseAt]:
    """Who takes out of a symbol, wherever it is named, but for fields that get their first value at the start."""
    named = [symbol, Symbol("*", "", symbol.name)] if symbol.name[:1].isupper() else [symbol]
    return [
        one
        for name in named
        for one in module.releases.get(name, ())
        if not (one.release.how == "reset" and one.release.place.fields and _is_first_value(module, one))
    ]


def _is_first_value(module: Module, one: ReleaseAt) -> bool:
    """Whether a map is made anew only when the program starts, or a controller begins to run, before its loops."""
    if runs_at_start(module, one.spot):
        return True
    calls = calls_of(module, one.spot)
    if not calls or len(calls) > CALLERS or _is_repeated(one.release.branches):
        return False
    return all(
        not _is_repeated(call.branches) and (_BEGINS.match(caller.function.name) or runs_at_start(module, caller, 1))
        for caller, call in calls
    )


def _is_repeated(branches: Branches) -> bool:
    return any(branch.kind in {"for", "case", "func", "go"} for branch in branches)


def runs_at_start(module: Module, spot: Spot, depth: int = 0, seen: frozenset[int] = frozenset()) -> bool:
    """Whether the function, by its name or by all who call it, runs at the start alone."""
    function = spot.function
    # a method that makes something is called as long as its object is there
    is_maker = bool(function.receiver_type) and _MAKES.match(function.name) is not None
    is_named_so = _AT_START.match(function.name) or (_STARTS.match(function.name) and not function.params)
    if function.name in {"init", "(package)", "main"} or (is_named_so and not is_maker):
        return True
    if is_later(function.name):
        return False
    if "/cmd/" in "/" + spot.file.path and depth > 0:
        return True
    callers = calls_of(module, spot)
    if not callers or depth > DEPTH or len(callers) > CALLERS or id(function) in seen:
        return False
    return all(
        runs_at_start(module, caller, depth + 1, seen | {id(function)})
        and not any(branch.kind in {"func", "go"} for branch in call.branches)
        for caller, call in callers
    )
