"""An update deletes by the keys that it is about to insert, and so leaves those that were there before.

*What it finds.* A function called update, set or replace that gives its own argument to a helper which deletes from a map, and then the
same argument to one which inserts. The key is a field of the argument that may change (no name, namespace or UID), all deletes of the
map are in that first helper, and who calls the update does not call it for the old ones.

*Why it matters.* Deleting what comes is no more than inserting it anew: where the field has changed, the old key stays for ever.

*When it is wrong.* The field never changes. This is told with `--level B`.

Bad:

    func (s *Store) update(items []*Item) {
        s.remove(items) // want "deletes by the keys of what it inserts"
        s.add(items)
    }

    func (s *Store) remove(items []*Item) {
        for _, item := range items {
            delete(s.byAddress, item.Address)
        }
    }

Good:

    func (s *Store) update(old, items []*Item) {
        s.remove(old)
        s.add(items)
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.facts import Call, Function
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.held import Held
from ghostkey.lint.module import InsertAt, ReleaseAt, Spot
from ghostkey.lint.reach import callees, callers

_UPDATES = re.compile(r"(?i)^(?:update|upsert|set|replace|refresh|sync|on\w*update|handle\w*update)")
# what does not change as long as the object is the same
FIXED = re.compile(
    r"(?i)\.(?:\w*name|namespace|uid|id|key|getname\(\)|getnamespace\(\)|getuid\(\)|string\(\))$|keyfunc|objectkey"
)


def _find(look: Look) -> Iterator[Finding]:
    for symbol, held in look.held.items():
        for release, insert in _by_same_field(held):
            found = next(_updates(look, release, insert), None)
            if found is None:
                continue
            spot, call = found
            yield Finding.at(
                ("deleted-by-new-key", "B"), spot, call.line, symbol, insert.insert.place.keys[0],
                f"{spot.function.full_name} deletes by the keys of what it inserts: where {release.release.key} has changed, {symbol} keeps the old one",
                Witness.at(release.spot, release.release.line, "deleted here alone"),
                Witness.at(insert.spot, insert.insert.line, "inserted"),
            )  # fmt: skip
            break


def _by_same_field(held: Held) -> Iterator[tuple[ReleaseAt, InsertAt]]:
    """A release and an insert in two functions, of the same field of what each is given; none where there are other releases."""
    first = held.releases[0] if held.releases else None
    if first is None or held.inner_releases or any(one.spot.function is not first.spot.function for one in held.releases):
        return
    keys = {_given(one.spot.function, one.release.key) for one in held.releases}
    if len(keys) != 1 or not (given := keys.pop()) or FIXED.search(given[1]):
        return
    for one in held.inserts:
        inserted = _given(one.spot.function, one.insert.place.keys[0])
        if inserted and inserted[1] == given[1] and one.spot.function is not first.spot.function:
            yield first, one


def _given(function: Function, key: str) -> tuple[int, str] | None:
    """Which parameter a key is a field of, or of its elements, and which field; None for any other key."""
    found = re.fullmatch(r"(\w+)((?:\.\w+(?:\(\))?)+)", key)
    if found is None:
        return None
    root = found[1]
    ranged = function.ranges.get(root)
    if ranged is not None and ranged.place is not None and not ranged.place.fields:
        root = ranged.place.root
    names = [name for name, _ in function.params]
    return (names.index(root), found[2]) if root in names else None


def _updates(look: Look, release: ReleaseAt, insert: InsertAt) -> Iterator[tuple[Spot, Call]]:
    """Functions that give their own argument first to the one and then to the other, and the first of the calls."""
    out, into = _given(release.spot.function, release.release.key), _given(insert.spot.function, insert.insert.place.keys[0])
    for spot, call in callers(look.module, release.spot):
        if out is None or into is None or not _UPDATES.match(spot.function.name) or out[0] >= len(call.texts):
            continue
        argument = call.texts[out[0]]
        is_refilled = any(
            later.line > call.line
            and later.branches == call.branches
            and later.texts[into[0] : into[0] + 1] == (argument,)
            and any(one.function is insert.spot.function for one in callees(look.module, spot, later))
            for later in spot.function.calls
        )
        is_own = any(name == argument for name, _ in spot.function.params)
        if is_refilled and is_own and not _is_done_before(look, spot, release.spot):
            yield spot, call


def _is_done_before(look: Look, update: Spot, removal: Spot) -> bool:
    """Whether all that call the update call what deletes as well, for what was there."""
    calling = [spot for spot, _ in callers(look.module, update)]
    return bool(calling) and all(
        any(one.function is removal.function for call in spot.function.calls for one in callees(look.module, spot, call))
        for spot in calling
    )


RULE = Rule("B", "an update that deletes the new keys", _find)
