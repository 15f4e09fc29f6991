"""One object, two functions that make its key, and they do not make the same.

*What it finds.* A function that removes one thing under `f(x)` and beside it another under `g(x)`, where `f` and `g`
are methods or functions of the package that return different expressions for the same parameter.

*Why it matters.* What is inserted under one and removed under the other stays: cut names, cleaned names, a missing namespace.

*When it is wrong.* The two are keys of different things, each inserted with its own function. This is told with `--level B`.

Bad:

    delete(r.memory, r.keyOf(tenant))
    return r.removeKey(ctx, r.keyToDelete(tenant)) // want "another key"

Good:

    delete(r.memory, r.keyOf(tenant))
    return r.removeKey(ctx, r.keyOf(tenant))
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ghostkey.lint.facts import Branches
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.made_keys import made_key
from ghostkey.lint.module import Spot
from ghostkey.lint.names import REMOVES, begins_with

_REMOVES = begins_with(REMOVES)


def _find(look: Look) -> Iterator[Finding]:
    for spot in look.spots():
        removals = sorted(_removals(look, spot), key=lambda one: one.at)
        for position, theirs in enumerate(removals):
            for mine in removals[:position]:
                differs = mine.name != theirs.name and mine.of == theirs.of and mine.makes != theirs.makes
                if differs and mine.branches == theirs.branches:
                    yield Finding.at(
                        ("keys-of-one-object-differ", "B"), spot, theirs.line, theirs.by, f"{theirs.name}({theirs.of})",
                        f"{theirs.by} is given another key ({theirs.name}) than {mine.by} beside it ({mine.name}), for the same {mine.of}",
                        Witness.at(spot, mine.line, f"the key of {mine.name}"),
                        Witness.at(theirs.maker, theirs.maker.function.line, f"{theirs.name}: {theirs.makes}"),
                        Witness.at(mine.maker, mine.maker.function.line, f"{mine.name}: {mine.makes}"),
                    )  # fmt: skip


class _Removal(NamedTuple):
    """Something is removed `by` a call under the key that the function `name` `makes` of a thing."""

    by: str
    name: str
    of: str
    makes: str
    maker: Spot
    line: int
    at: int
    branches: Branches


def _removals(look: Look, spot: Spot) -> Iterator[_Removal]:
    """The deletes and the calls that remove, of a function, whose key is made by a function of the package."""
    for one in spot.function.releases:
        made = made_key(look.module, spot, one.key) if one.how == "delete" else None
        if made:
            yield _Removal(".".join((one.place.root, *one.place.fields)), *made, one.line, one.at, one.branches)
    for call in spot.function.calls:
        made = (
            next((k for text in call.texts if (k := made_key(look.module, spot, text))), None)
            if _REMOVES.match(call.name)
            else None
        )
        if made and call.name != "delete":
            yield _Removal(call.name, *made, call.line, call.at, call.branches)


RULE = Rule("B", "two keys for one object", _find)
