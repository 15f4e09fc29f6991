"""Whether a value goes on being used after its function has handed it on: it is run, called back, set elsewhere, or in a loop without an end."""

from __future__ import annotations

import re

from ghostkey.lint.facts import Branches, Call, Made
from ghostkey.lint.module import Module, Spot

_RUNS = re.compile(r"(?:[Rr]un|[Ss]tart|[Ss]erve|[Ww]atch|[Ll]isten)(?:$|[A-Z])")
# what tells a function when to end: what is given one of these has no end of its own
_UNTIL = re.compile(r"(?i)(?:stop|done|quit|close)\w*$|\w*ctx$|context\.\w+\(\)$")
_SETS = re.compile(r"Set[A-Z]")
_MAKES = re.compile(r"(?i)(?:^|\.)(?:new|make|build|create|with|from)")
_METHOD = re.compile(r"(\w+)\.(\w+)$")
_WAITS = re.compile(r"(?i)(?:wait|poll|retry|until)")  # a loop of such a function ends when it has found what it looks for


def runs_on(module: Module, spot: Spot, name: str) -> bool:
    """Whether a local of a function is run until it is told to stop, or a method of it is handed to somebody: `group.Go(watcher.run)`."""
    return any(_is_run(call, name) or _is_called_back(module, call, name) for call in spot.function.calls) or _never_ends(
        spot, name
    )


def _is_run(call: Call, name: str) -> bool:
    """Whether a call begins what has no end of its own: `go w.loop()`, `controller.Run(stop)`."""
    if call.receiver is None or call.receiver.root != name or call.receiver.fields:
        return False
    is_aside = any(branch.kind == "go" for branch in call.branches)
    is_told = any(_UNTIL.match(text) for text in call.texts)
    return (is_aside or is_told) and _RUNS.match(call.name) is not None


def _is_called_back(module: Module, call: Call, name: str) -> bool:
    """Whether a method of the local is given to a call, and not a value of a field."""
    for text in call.texts:
        found = _METHOD.fullmatch(text)
        if found and found[1] == name and any(one.function.receiver_type for one in module.functions.get(found[2], ())):
            return True
    return False


def _never_ends(spot: Spot, name: str) -> bool:
    """Whether a loop without an end that takes what channels give, or that runs aside, uses a local that was there before."""
    if _WAITS.search(spot.function.name):
        return False
    return any(
        ((call.receiver is not None and call.receiver.root == name) or name in call.texts) and _is_in_endless_loop(call.branches)
        for call in spot.function.calls
    )


def _is_in_endless_loop(branches: Branches) -> bool:
    at = next((at for at, one in enumerate(branches) if (one.kind, one.text) == ("for", "for")), None)
    if at is None:
        return False
    is_told = any(branch.kind == "case" and "<-" in branch.text for branch in branches[at:])
    return is_told or any(branch.kind == "go" for branch in branches[:at])


def is_set_in_what_was_there(spot: Spot, made: Made) -> bool:
    """Whether a value is handed, as it is made, to what sets it in something that was not made there: `instrument.SetUserData(newData())`."""
    for call in spot.function.calls:
        if call.name != made.to.root or call.line != made.line or call.receiver is None or not _SETS.match(call.name):
            continue
        local = spot.function.locals.get(call.receiver.root)
        if local is None or (local.how == "call" and _MAKES.search(local.text) is None):
            return True
    return False
