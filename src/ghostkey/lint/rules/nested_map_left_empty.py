"""Keys of the inner maps are deleted, and the emptied outer key stays for ever.

*What it finds.* A map of maps (or of sets) that is held for long: somewhere an inner key is taken out, and nothing ever takes out
the outer one.

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

from collections.abc import Iterator

from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.judgements.lifetime import LONG


def _find(look: Look) -> Iterator[Finding]:
    for symbol, held in look.held.items():
        if held.releases or not held.inner_releases:
            continue
        first, inner = held.inserts[0], held.inner_releases[0]
        key = first.insert.place.keys[0]
        yield Finding(
            "nested-map-left-empty",
            "A" if held.lifetime == LONG and inner.release.how == "delete" else "B",
            first.spot.file.path,
            first.insert.line,
            str(symbol),
            first.spot.function.full_name,
            key,
            f"{inner.spot.function.full_name} deletes within {symbol}[{inner.release.place.keys[0]}], and nothing deletes the emptied key",
            (
                Witness(first.spot.file.path, first.insert.line, f"inserted in {first.spot.function.full_name}"),
                Witness(inner.spot.file.path, inner.release.line, "the inner key goes here, the outer one stays"),
            ),
        )


RULE = Rule("A", "a map of maps whose emptied keys stay", _find)
