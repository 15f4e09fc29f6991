"""Whether a local goes on being used after its function has handed it on: it is run, it is called back, or the function itself never ends."""

from __future__ import annotations

import re

from ghostkey.lint.facts import Call
from ghostkey.lint.module import Module, Spot

_RUNS = re.compile(r"(?:[Rr]un|[Ss]tart|[Ss]erve|[Ww]atch|[Ll]isten)(?:$|[A-Z])")
# what tells a function when to end: what is given one of these has no end of its own
_UNTIL = re.compile(r"(?i)(?:stop|done|quit|close)\w*$|\w*ctx$|context\.\w+\(\)$")
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
    """Whether the function, in a loop without an end that takes what channels give, uses a local that was there before."""
    if _WAITS.search(spot.function.name):
        return False
    return any(
        ((call.receiver is not None and call.receiver.root == name) or name in call.texts)
        and (loop := next((at for at, one in enumerate(call.branches) if (one.kind, one.text) == ("for", "for")), None))
        is not None
        and any(branch.kind == "case" and "<-" in branch.text for branch in call.branches[loop:])
        for call in spot.function.calls
    )
