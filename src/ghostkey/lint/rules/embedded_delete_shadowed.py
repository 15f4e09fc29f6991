"""A method that hides the delete of an embedded struct, and does not call it.

*What it finds.* A struct that embeds another. Both have a method of one name; the inner one deletes from a map that is held for long,
the outer one neither calls it nor deletes from that map.

*Why it matters.* Callers reach the outer method: the inner map is never cleaned.

*When it is wrong.* The outer struct does not use the inner map. This is told with `--level B`.

Bad:

    type Cache struct{ store }

    func (c *Cache) Forget(name string) { // want "hides"
        delete(c.owners, name)
    }

Good:

    func (c *Cache) Forget(name string) {
        c.store.Forget(name)
        delete(c.owners, name)
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.syntax import simple_type


def _find(look: Look) -> Iterator[Finding]:
    for symbol, held in look.held.items():
        package = look.module.packages[symbol.folder]
        outers = [name for name, struct in package.structs.items() if symbol.owner in map(simple_type, struct.embedded)]
        for one in held.releases:
            inner = one.spot.function
            if inner.receiver_type != symbol.owner or any(r.spot.function.receiver_type in outers for r in held.releases):
                continue
            for spot in look.module.functions[inner.name]:
                function = spot.function
                is_outer = spot.package is package and function.receiver_type in outers
                # c.store.Forget(name): the call goes to the embedded struct by its name
                if is_outer and not any(call.name == inner.name and call.qualifier for call in function.calls):
                    yield Finding.at(
                        ("embedded-delete-shadowed", "B"), spot, function.line, symbol, one.release.key,
                        f"{function.full_name} hides {inner.full_name}, which deletes from {symbol}, and does not call it",
                        Witness.at(one.spot, one.release.line, "the delete that nobody comes to"),
                        Witness.at(held.inserts[0].spot, held.inserts[0].insert.line, "inserted here"),
                    )  # fmt: skip


RULE = Rule("B", "an embedded delete that is hidden", _find)
