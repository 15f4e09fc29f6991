"""Who keeps what a function's literal or an endless loop uses: its caller, what it was handed to, or the function itself."""

from __future__ import annotations

import re

from ghostkey.lint.captures import RETURNED
from ghostkey.lint.facts import Branches
from ghostkey.lint.module import Spot

GIVEN, HANDLED, LOOPS = "given", "handled", "loops"
# client-go, controller-runtime, net/http: what is handed to these is called for each object or request
_HANDLES = re.compile(
    r"(?:^|\.)(?:AddEventHandler\w*|AddListener|Subscribe\w*|OnEvent|HandleFunc|Watches\w*|RegisterHandler|EnqueueRequestsFromMapFunc|"
    r"TypedEnqueueRequestsFromMapFunc|MapFunc|HandlerFunc|NewPredicateFuncs|AddIndexers?|IndexField)$"
)


def kept_by(spot: Spot, branches: Branches) -> str:
    """Who keeps what stands around a statement; empty where nobody is seen to do so."""
    is_told = False
    for branch in reversed(branches):
        if branch.kind == "for" and branch.text == "for":
            return LOOPS if is_told else ""
        # of what a channel gives: other loops without a condition end when they have found what they look for
        is_told = is_told or (branch.kind == "case" and "<-" in branch.text)
        if branch.kind == "func" and branch.text:
            return _given_to(spot, branch.text)
    return ""


def _given_to(spot: Spot, called: str) -> str:
    function = spot.function
    if called == RETURNED:
        return GIVEN
    if not called.startswith("="):
        return HANDLED if _HANDLES.search(called) else ""
    name = called[1:]  # of a local
    if name in function.returned:
        return GIVEN
    is_handed = any(_HANDLES.search(call.name) and name in call.texts for call in function.calls)
    return HANDLED if is_handed else ""
