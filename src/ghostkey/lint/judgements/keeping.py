"""Whether somebody keeps a value that a function hands on: by the name of what it is handed to, unless that is seen to keep nothing."""

from __future__ import annotations

import re

from ghostkey.lint.facts import Call, Place
from ghostkey.lint.module import Module, Spot
from ghostkey.lint.reach import callees

DEPTH = 3  # functions that hand it on
_MAKES = re.compile(r"(?i)(?:^|\.)(?:new|make|build|create|with|from)")
_ADDS = re.compile(r"(?:Add|Put|Store|Register|Insert|Track|add|put|store|register|insert|track)(?:[A-Z]|$)")


def is_added(module: Module, spot: Spot, name: str) -> bool:
    """Whether a local is handed to what keeps it, by its name: `m.queues.AddQueue(local)`, but for what this function has made."""
    function = spot.function
    return any(
        _ADDS.match(call.name)
        and any(place == Place(name) for place in call.arguments)
        and not _is_let_go(module, spot, call, name)
        for call in function.calls
        if call.receiver is not None and not _is_made_here(spot, call.receiver.root)
    )


def _is_made_here(spot: Spot, name: str) -> bool:
    """Whether a local is none that was there before: `part := m.partOf(name)` asks for one that is kept."""
    function, local = spot.function, spot.function.locals.get(name)
    asked, dot, _ = local.text.partition(".") if local is not None and local.how == "call" else ("", "", "")
    was_there = bool(dot) and (asked == function.receiver or any(asked == name for name, _ in function.params))
    return local is not None and (not was_there or _MAKES.search(local.text) is not None)


def _is_let_go(module: Module, spot: Spot, call: Call, name: str, depth: int = 0) -> bool:
    """Whether what a call means is one function of the tree, which puts what it is given nowhere: `s.addReplicas(state, 3)`."""
    found = callees(module, spot, call)
    at = next((at for at, place in enumerate(call.arguments) if place == Place(name)), None)
    if len(found) != 1 or at is None or at >= len(found[0].function.params) or depth >= DEPTH:
        return False
    one = found[0]
    given, function = one.function.params[at][0], one.function
    is_put = given in function.returned or any(stored.name == given for stored in function.stored)
    is_put = is_put or any(given in {insert.value, insert.value.lstrip("&")} for insert in function.inserts)
    on = [other for other in function.calls if any(place == Place(given) for place in other.arguments)]
    return not is_put and all(_is_let_go(module, one, other, given, depth + 1) for other in on)
