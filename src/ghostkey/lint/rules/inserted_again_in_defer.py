"""A function deletes a key, and what it has deferred inserts it again.

*What it finds.* A function that deletes from a map, and a deferred function, or what that calls, that inserts into the same map.

*Why it matters.* What is deferred runs last: after the clean-up the key is there again.

*When it is wrong.* The deferred insert is of another key. This is told with `--level B`.

Bad:

    defer r.note(tenant) // want "deferred"
    delete(r.seen, tenant.Name)

Good:

    r.note(tenant)
    delete(r.seen, tenant.Name)
"""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.lint.facts import Branches
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.held import Held
from ghostkey.lint.module import InsertAt, ReleaseAt
from ghostkey.lint.reach import reached


def _find(look: Look) -> Iterator[Finding]:
    for symbol, held in look.held.items():
        told = set()
        for release in held.releases:
            function = release.spot.function
            again = None if id(function) in told or _is_deferred(release.release.branches) else _again(look, held, release)
            if again is None:
                continue
            told.add(id(function))
            line, insert = again
            yield Finding.at(
                ("inserted-again-in-defer", "B"), release.spot, line, symbol, release.release.key,
                f"{function.full_name} deletes from {symbol}, and what is deferred here inserts into it after that",
                Witness.at(release.spot, release.release.line, "the delete"),
                Witness.at(insert.spot, insert.insert.line, f"inserted in {insert.spot.function.full_name}"),
            )  # fmt: skip


def _again(look: Look, held: Held, release: ReleaseAt) -> tuple[int, InsertAt] | None:
    """Where something is deferred that inserts, and the insert."""
    spot = release.spot
    for one in held.inserts:
        if one.spot.function is spot.function and _is_deferred(one.insert.branches) and _is_beside(one.insert.branches, release):
            return one.insert.line, one
    releases = {id(other.spot.function) for other in held.releases}
    for call in spot.function.calls:
        if not _is_deferred(call.branches) or not _is_beside(call.branches, release):
            continue
        run = reached(look.module, spot, [call])
        # what takes out as well as puts in keeps the books itself
        insert = next((one for one in held.inserts if id(one.spot.function) in run.keys() - releases), None)
        if insert is not None:
            return call.line, insert
    return None


def _is_deferred(branches: Branches) -> bool:
    return any(branch.kind == "defer" for branch in branches)


def _is_beside(deferred: Branches, release: ReleaseAt) -> bool:
    """Whether both run in one run of the function: the way to the deferred one is part of the way to the delete."""
    way = [branch for branch in deferred if branch.kind in {"if", "else", "case"}]
    return all(branch in release.release.branches for branch in way)


RULE = Rule("B", "a key that is inserted again after its delete", _find)
