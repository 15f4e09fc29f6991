"""What is cleaned up on DeletionTimestamp alone, where nobody adds a finalizer.

*What it finds.* A reconcile function that releases a map, or calls what removes and cleans up, on the branch for DeletionTimestamp
and on none for NotFound, in a package that removes a finalizer and adds none; no other package of the tree adds it either.

*Why it matters.* Without a finalizer the object is gone before Reconcile sees its DeletionTimestamp: the clean-up never runs.

*When it is wrong.* A webhook or another program adds the finalizer. This is told with `--level B`.

Bad:

    if !tenant.DeletionTimestamp.IsZero() { // want "nobody adds"
        delete(r.memory, key)
        controllerutil.RemoveFinalizer(&tenant, finalizer)
    }

Good:

    controllerutil.AddFinalizer(&tenant, finalizer)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.facts import Call
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.module import Package
from ghostkey.lint.reach import RECONCILES, reached

_ADDS = re.compile(r"(?i)(?:add|set|ensure|append|patch)\w*finalizer|finalizer\w*(?:add|ensure)")


def _find(look: Look) -> Iterator[Finding]:
    for spot in look.spots():
        function = spot.function
        if not RECONCILES.match(function.name) or not function.receiver_type or _adds(spot.package):
            continue
        calls = [call for call in function.calls if any("DeletionTimestamp" in b.text for b in call.branches if b.kind == "if")]
        run = [spot, *reached(look.module, spot, calls).values()]
        removal = next(
            (
                (one, c)
                for one in run
                for c in one.function.calls
                if c.name == "RemoveFinalizer" and (one is not spot or c in calls)
            ),
            None,
        )
        if removal is None or not calls:
            continue
        where, removed = removal
        if any(_word(call) == _word(removed) for _, call in look.module.callers.get("AddFinalizer", ())):
            continue
        yield Finding.at(
            ("finalizer-never-added", "B"), spot, calls[0].line, function.full_name, _word(removed),
            f"{function.full_name} cleans up when it sees a DeletionTimestamp, and nobody adds the finalizer that would keep the object",
            Witness.at(where, removed.line, "the finalizer is removed here, and added nowhere in this package"),
        )  # fmt: skip


def _word(call: Call) -> str:
    """The finalizer's name, without its package."""
    return call.texts[-1].rpartition(".")[2] if call.texts else ""


def _adds(package: Package) -> bool:
    """Whether any code of the package adds a finalizer, or gives objects some."""
    for facts in package.files:
        for one in facts.functions:
            if any(_ADDS.search(call.name) for call in one.calls):
                return True
            if any("Finalizers" in r.place.fields[-1:] and "append" in r.value for r in one.resets):
                return True
            if any("Finalizers" in made.to.fields for made in one.made):
                return True
    return any("Finalizers:" in line for facts in package.files for line in facts.source)


RULE = Rule("B", "a clean-up that waits for a finalizer which nobody adds", _find)
