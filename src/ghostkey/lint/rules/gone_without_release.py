"""Reconcile returns when its object is gone, and does not release what another branch of it inserted.

*What it finds.* A reconcile function that has branches for what is gone (NotFound, DeletionTimestamp) and fills a map that is held
for long. All deletes of the map are in what the function runs, and none of them on a branch for what is gone.

*Why it matters.* The key goes on success, or on the next try; an object that is deleted in between leaves it for ever.

*When it is wrong.* Every path comes by the delete before the object can go. This is told with `--level B`.

Bad:

    if apierrors.IsNotFound(err) {
        return ctrl.Result{}, nil
    }
    r.retries[req.NamespacedName]++ // want "when the object is gone"
    if done {
        delete(r.retries, req.NamespacedName)
    }

Good:

    if apierrors.IsNotFound(err) {
        delete(r.retries, req.NamespacedName)
        return ctrl.Result{}, nil
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.lint.edits import release_when_gone
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.held import Held
from ghostkey.lint.module import InsertAt, ReleaseAt, Spot
from ghostkey.lint.reach import RECONCILES, is_gone, reached, reached_when_gone


def _find(look: Look) -> Iterator[Finding]:
    filling = {id(one.spot.function) for held in look.held.values() if held.releases for one in held.inserts}
    for spot in look.spots():
        if not RECONCILES.match(spot.function.name) or not spot.function.receiver_type:
            continue
        run = {id(spot.function): spot} | reached(look.module, spot)
        if filling.isdisjoint(run):
            continue
        gone, lines = reached_when_gone(look.module, spot)
        for symbol, held in look.held.items():
            # what another package keeps has ways of its own to forget
            first = _forgotten(held, run, gone) if lines and symbol.folder == spot.package.folder else None
            if first is not None:
                key, where = first.insert.place.keys[0], spot.function.full_name
                yield Finding.at(
                    ("gone-without-release", "B"), first.spot, first.insert.line, symbol, key,
                    f"{symbol} gets the key {key}; when the object is gone, {where} returns and deletes nothing from it",
                    Witness.at(spot, lines[0], "the branch for what is gone"),
                    Witness.at(held.releases[0].spot, held.releases[0].release.line, "it is deleted here alone, while the object is there"),
                    edits=release_when_gone(spot, first.insert.line, first.insert.how) if first.spot.function is spot.function else (),
                )  # fmt: skip


def _forgotten(held: Held, run: dict[int, Spot], gone: dict[int, Spot]) -> InsertAt | None:
    """The insert that is forgotten; None where a release is anywhere else than on the ways of what is there."""
    if not held.releases or held.inner_releases or not all(_is_of_living(one, run, gone) for one in held.releases):
        return None
    kept = (one for one in held.inserts if id(one.spot.function) in run and id(one.spot.function) not in gone)
    return next((one for one in kept if not is_gone(one.insert.branches)), None)


def _is_of_living(one: ReleaseAt, run: dict[int, Spot], gone: dict[int, Spot]) -> bool:
    """Whether a release takes out a key of an object that is there: no sweep, no branch for what is gone, and under a condition."""
    known = id(one.spot.function)
    branches = one.release.branches
    if known not in run or known in gone or one.is_whole or one.release.key == "*" or is_gone(branches):
        return False
    if any(call.name == "RemoveFinalizer" and call.branches[: len(branches)] == branches for call in one.spot.function.calls):
        return False  # the object cannot go before its finalizer does, and on that way the key goes too
    return any(branch.kind in {"if", "else", "case"} for branch in branches) and not any(
        b.kind in {"for", "defer", "func"} for b in branches
    )


RULE = Rule("B", "a Reconcile that forgets what is gone", _find)
