"""One object, two functions that make its key, and they do not make the same.

*What it finds.* A function that deletes from a map under `f(x)` and beside it removes something else under `g(x)`, where `f` and `g`
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

import re
from collections.abc import Iterator

from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.module import Spot

_REMOVES = re.compile(r"(?i)^(?:remove|delete|forget|drop|unregister)")
_MADE = re.compile(r"^(?:\w+\.)?(\w+)\(&?(\w+)\)$")


def _find(look: Look) -> Iterator[Finding]:
    for spot in look.spots():
        for release in spot.function.releases:
            mine = _key(look, spot, release.key)
            if release.how != "delete" or mine is None:
                continue
            for call in spot.function.calls:
                theirs = next((k for text in call.texts if _REMOVES.match(call.name) and (k := _key(look, spot, text))), None)
                if theirs and theirs[0] != mine[0] and theirs[1] == mine[1] and theirs[2] != mine[2] and call.branches == release.branches:
                    yield Finding.at(
                        ("keys-of-one-object-differ", "B"), spot, call.line, call.name, f"{theirs[0]}({theirs[1]})",
                        f"{call.name} is given another key ({theirs[0]}) than the map beside it ({mine[0]}), for the same {mine[1]}",
                        Witness.at(spot, release.line, f"deleted under {release.key}"),
                        Witness.at(theirs[3], theirs[3].function.line, f"{theirs[0]}: {theirs[2]}"),
                        Witness.at(mine[3], mine[3].function.line, f"{mine[0]}: {mine[2]}"),
                    )  # fmt: skip


def _key(look: Look, spot: Spot, text: str) -> tuple[str, str, str, Spot] | None:
    """Function, argument and what it returns, of a key that a function of the package makes of one thing."""
    found = _MADE.match(text)
    if found is None:
        return None
    made = [one for one in look.module.functions.get(found[1], ()) if one.package is spot.package and len(one.function.params) == 1]
    if len(made) != 1 or made[0].function.result != "string":
        return None
    function = made[0].function
    parameter = function.params[0][0]
    given = {name: local.whole or local.text for name, local in function.locals.items()}
    texts = []
    for one in function.returns:
        words = re.sub(r"\b\w+\b", lambda m: given.get(m[0], m[0]), one.text.removeprefix("return "))
        texts.append(re.sub(rf"\b{re.escape(parameter)}\b", "it", words))
    return found[1], found[2], " or ".join(texts), made[0]


RULE = Rule("B", "two keys for one object", _find)
