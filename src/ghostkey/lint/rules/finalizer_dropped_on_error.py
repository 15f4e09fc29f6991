"""A clean-up fails, the error is written to a log, and the finalizer is dropped all the same.

*What it finds.* A function that removes a finalizer behind `if err := r.cleanup(…); err != nil` in which nothing returns, and the error
is kept nowhere.

*Why it matters.* One lost connection, and what should have been cleaned up stays for good: nobody tries again.

*When it is wrong.* Something else finishes the clean-up. This is told with `--level B`.

Bad:

    if err := r.removeKey(ctx, key); err != nil { // want "all the same"
        log.Error(err, "cannot remove the key")
    }
    controllerutil.RemoveFinalizer(tenant, finalizer)

Good:

    if err := r.removeKey(ctx, key); err != nil {
        return err
    }
    controllerutil.RemoveFinalizer(tenant, finalizer)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.facts import Branch, Branches, Call, Function
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.names import LETS_GO

_FAILED = re.compile(
    rf"^(err\w*)\s*:?=\s*(?:\w+\.)*((?i:{LETS_GO})\w*)\(.*;\s*\1\s*!=\s*nil$",
    re.DOTALL,
)
_LOGS = re.compile(r"^(?:Error|Info|Warn|Warning|Print|Debug)\w*$")


def _find(look: Look) -> Iterator[Finding]:
    for spot in look.spots():
        function = spot.function
        dropped = [call for call in function.calls if call.name == "RemoveFinalizer"]
        if not dropped:
            continue
        for call, way in _only_logged(function):
            drop = next((one for one in dropped if one.line > call.line and _is_after_all(one.branches, way)), None)
            if drop is not None:
                yield Finding.at(
                    ("finalizer-dropped-on-error", "B"), spot, call.line, f"{function.full_name}.{call.name}", ", ".join(call.texts[1:]),
                    f"when {call.name} fails, {function.full_name} says so and drops the finalizer all the same",
                    Witness.at(spot, drop.line, "the finalizer is dropped here, whatever became of the clean-up"),
                )  # fmt: skip


def _is_after_all(dropped: Branches, way: Branches) -> bool:
    """Whether the finalizer is dropped on the way of the call, asked of no more than whether there is one."""
    further = [branch for branch in dropped if branch not in way]
    return all("inalizer" in branch.text for branch in further)


def _only_logged(function: Function) -> Iterator[tuple[Call, Branches]]:
    """Calls that clean up and whose error is logged and no more, with the branches in which they stand."""
    seen: set[Branch] = set()
    for logged in function.calls:
        if not _LOGS.match(logged.name):
            continue
        for depth, branch in enumerate(logged.branches):
            found = _FAILED.match(branch.text) if branch.kind == "if" and branch not in seen else None
            if found is None:
                continue
            seen.add(branch)
            ends = any(branch in one.branches for one in function.returns)
            kept = any(branch in one.branches for one in function.resets)
            call = next((c for c in reversed(function.calls) if c.name == found[2] and c.line <= logged.line), None)
            if call is not None and not ends and not kept:
                yield call, logged.branches[:depth]


RULE = Rule("B", "a finalizer that is dropped although the clean-up failed", _find)
