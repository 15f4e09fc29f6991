"""A map that is held for long is given keys, and nothing ever deletes one.

*What it finds.* A field or variable that is a map, a set or a `sync.Map`, lives as long as the process, gets keys that go on
coming (names, UIDs, requests), and from which no code of its package takes a key out or makes it anew. Where nothing in the code
tells that keys are of what comes and goes, or who makes what holds the map, it is told with `--level B`. A store or indexer of
client-go is one, too, where the package makes it, adds to it, and hands it to nobody.

*Why it matters.* It grows with every object there ever was: the process runs out of memory, and what is rendered from the map,
such as a ConfigMap, out of room.

*When it is wrong.* The keys are bounded in a way that the code does not show, or what holds the map is given up elsewhere. Say so
at the field: `//ghostkey:bounded one key for each node pool, of which there are five`.

Bad:

    func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
        r.seen[req.NamespacedName] = time.Now() // want "nothing deletes"
        return ctrl.Result{}, nil
    }

Good:

    func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
        if err := r.Get(ctx, req.NamespacedName, &tenant); apierrors.IsNotFound(err) {
                delete(r.seen, req.NamespacedName)
                return ctrl.Result{}, nil
        }
        r.seen[req.NamespacedName] = time.Now()
        return ctrl.Result{}, nil
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.lint.edits import release_when_gone
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.held import Held
from ghostkey.lint.judgements.fates import LONG
from ghostkey.lint.judgements.origin import is_of_objects
from ghostkey.lint.module import Symbol
from ghostkey.lint.stores import stores_never_emptied

SIBLINGS = 2  # that are named as witnesses


def _find(look: Look) -> Iterator[Finding]:
    for symbol, held in (*look.held.items(), *stores_never_emptied(look.module, look.lifetimes)):
        if held.releases or held.inner_releases:
            continue
        first = held.inserts[0]
        key = first.insert.place.keys[0]
        siblings = tuple(_siblings(look, symbol))
        missing = f"; {siblings[0].text}" if siblings else ""
        yield Finding(
            "map-never-deleted",
            "A" if held.lifetime == LONG and _is_sure(look, symbol, held) else "B",
            first.spot.file.path,
            first.insert.line,
            str(symbol),
            first.spot.function.full_name,
            key,
            f"{symbol} gets one key for each {key}, and nothing deletes from it{missing}",
            (
                *(
                    Witness(one.spot.file.path, one.insert.line, f"inserted in {one.spot.function.full_name}")
                    for one in held.inserts[:5]
                ),
                *siblings,
            ),
            release_when_gone(first.spot, first.insert.line, first.insert.how),
        )


def _is_sure(look: Look, symbol: Symbol, held: Held) -> bool:
    """Whether the code shows who makes what holds the map, and that keys are of what comes and goes."""
    package = look.module.packages[symbol.folder]
    return (not symbol.owner or look.lifetimes.is_seen(package, symbol.owner)) and any(
        is_of_objects(look.module, one.spot, symbol, one.insert.place.keys[0]) for one in held.inserts
    )


def _siblings(look: Look, symbol: Symbol) -> Iterator[Witness]:
    """Where maps of the same struct are cleaned, and this one is not."""
    told = 0
    for other, releases in look.module.releases.items():
        if (other.folder, other.owner) != (symbol.folder, symbol.owner) or not symbol.owner or other == symbol:
            continue
        for one in releases:
            if one.release.how == "delete" and told < SIBLINGS:
                told += 1
                where = one.spot.function.full_name
                yield Witness(
                    one.spot.file.path, one.release.line, f"{where} deletes from {other.name}, and not from {symbol.name}"
                )
                break


RULE = Rule("A", "a map that is held for long, and never deleted from", _find)
