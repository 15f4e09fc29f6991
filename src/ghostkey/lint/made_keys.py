"""Keys that a function of the package makes of one thing: `r.keyOf(tenant)`."""

from __future__ import annotations

import re
from typing import NamedTuple

from ghostkey.lint.module import Module, Spot

DEPTH = 3  # of functions that ask another one for the key
_MADE = re.compile(r"^(?:\w+\.)?(\w+)\(&?(\w+)\)$")


class MadeKey(NamedTuple):
    """The function `name` `makes` a key `of` a variable; in `makes` the thing is called `it`. `maker` is where it stands."""

    name: str
    of: str
    makes: str
    maker: Spot


def made_key(module: Module, spot: Spot, text: str, depth: int = 0) -> MadeKey | None:
    """What a key's expression asks a function of the package for; None where it is no such call."""
    found = _MADE.match(text)
    if found is None or depth > DEPTH:
        return None
    named = [one for one in module.functions.get(found[1], ()) if one.package is spot.package]
    made = [one for one in named if len(one.function.params) == 1 and one.function.result == "string"]
    if len(made) != 1:
        return None
    function = made[0].function
    parameter = function.params[0][0]
    texts = []
    for one in function.returns:
        words = with_locals(made[0], one.text.removeprefix("return "))
        # a function that asks another one for the key makes the same
        asked = made_key(module, made[0], words, depth + 1)
        texts.append(asked.makes if asked and asked.of == parameter else re.sub(rf"\b{re.escape(parameter)}\b", "it", words))
    return MadeKey(found[1], found[2], " or ".join(texts), made[0])


def with_locals(spot: Spot, expression: str) -> str:
    """An expression in which local variables are what they were set to."""
    given = {name: local.whole or local.text for name, local in spot.function.locals.items() if local.how != "part"}
    return re.sub(r"(?<![.\w])\w+\b", lambda word: given.get(word[0], word[0]), expression)
