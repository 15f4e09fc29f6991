"""Keys of the inner maps are deleted, and the emptied outer key stays for ever.

*What it finds.* A map of maps (or of sets) that is held for long: somewhere an inner key is taken out, and nothing ever takes out
the outer one. With `--level B` also where the outer one is taken out elsewhere, and stays on this path.

*Why it matters.* For every namespace, node or owner there ever was, an empty map stays.

*When it is wrong.* The outer keys are bounded. Say so: `//ghostkey:bounded …`.

Bad:

    func (c *Cache) Forget(ns, name string) {
        delete(c.byNamespace[ns], name) // the namespace stays
    }

Good:

    func (c *Cache) Forget(ns, name string) {
        delete(c.byNamespace[ns], name)
        if len(c.byNamespace[ns]) == 0 {
                delete(c.byNamespace, ns)
        }
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.edits import Edit, after, deletion, text_of
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.held import Held
from ghostkey.lint.judgements.fates import LONG
from ghostkey.lint.module import Module, ReleaseAt

CALLERS = 20


def _find(look: Look) -> Iterator[Finding]:
    for symbol, held in look.held.items():
        if not held.inner_releases:
            continue
        first = held.inserts[0]
        key = first.insert.place.keys[0]
        if held.releases:
            inner = _left_empty(look.module, held)
            level, missing = "B", "and the emptied key is deleted elsewhere alone"
        else:
            inner = held.inner_releases[0]
            level = "A" if held.lifetime == LONG and inner.release.how == "delete" else "B"
            missing = "and nothing deletes the emptied key"
        if inner is None:
            continue
        yield Finding(
            "nested-map-left-empty",
            level,
            first.spot.file.path,
            first.insert.line,
            str(symbol),
            first.spot.function.full_name,
            key,
            f"{inner.spot.function.full_name} deletes within {symbol}[{inner.release.place.keys[0]}], {missing}",
            (
                Witness(first.spot.file.path, first.insert.line, f"inserted in {first.spot.function.full_name}"),
                Witness(inner.spot.file.path, inner.release.line, "the inner key goes here, the outer one stays"),
            ),
            _mended(inner),
        )


def _mended(inner: ReleaseAt) -> tuple[Edit, ...]:
    """`delete(outer[key], …)`, and the outer key after it where nothing is left."""
    taken = deletion(text_of(inner.spot, inner.release.line))
    found = re.fullmatch(r"([\w.]+)\[([^\[\]]+)\]", taken[0]) if taken else None
    if found is None:
        return ()
    return (after(inner.spot, inner.release.line, f"if len({found[0]}) == 0 {{\n\tdelete({found[1]}, {found[2]})\n}}"),)


def _left_empty(module: Module, held: Held) -> ReleaseAt | None:
    """Where an inner key is deleted, and the outer one neither there nor in what is called nor in who calls."""
    if any(one.is_whole for one in held.releases) or not any(len(one.insert.place.keys) > 1 for one in held.inserts):
        return None
    cleaning = {id(one.spot.function) for one in held.releases}
    names = {one.spot.function.name for one in held.releases}
    for inner in held.inner_releases:
        function = inner.spot.function
        around = [function, *(caller.function for caller, _ in module.callers.get(function.name, ())[:CALLERS])]
        is_dropped = any(id(one) in cleaning or any(call.name in names for call in one.calls) for one in around)
        if inner.release.how == "delete" and not is_dropped:
            return inner
    return None


RULE = Rule("A", "a map of maps whose emptied keys stay", _find)
