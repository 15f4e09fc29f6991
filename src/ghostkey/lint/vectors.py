"""From the name of a metric family to the code: the line that makes its vector, those that write its series, those that delete one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ghostkey.lint.expressions import parts as pieces
from ghostkey.lint.facts import Call
from ghostkey.lint.findings import Look
from ghostkey.lint.module import Spot, Symbol
from ghostkey.lint.syntax import base_type

# Source: github.com/prometheus/client_golang prometheus and promauto, k8s.io/component-base/metrics: NewGaugeVec …
_MAKES = re.compile(r"New\w*(?:Counter|Gauge|Histogram|Summary)Vec$")
_PARTS = ("Namespace", "Subsystem", "Name")
# Source: prometheus.BuildFQName(namespace, subsystem, name)
_BUILT = re.compile(r"Name:\s*[\w.]*BuildFQName\(([^()]*)\)")
# of a series, where the family is a histogram or summary, or its name ends so
_ENDS = ("", "_bucket", "_sum", "_count", "_created")
EXACT = 1 << 16  # more than any name is long: of a vector whose whole name is said, and is the family's
_COMMENTS = re.compile(r'("(?:[^"\\\n]|\\.)*"|`[^`]*`)|//[^\n]*|/\*.*?\*/', re.DOTALL)
_WORDS_LEAST = 3  # characters of the name that the code says


class Vector(NamedTuple):
    """Where a vector is made, and the symbols that hold it. `said`: how many characters of the family's name stand in the code."""

    spot: Spot
    call: Call
    symbols: tuple[Symbol, ...]
    said: int


def vectors_of(look: Look, family: str) -> list[Vector]:
    """The vectors whose family may be called so, of those of which most of the name is said. Shape: none or one, rarely several."""
    found = [
        Vector(spot, call, tuple(_symbols(look, spot, call)), said)
        for spot in look.spots()
        for call in spot.function.calls
        if _MAKES.match(call.name) and call.texts and (said := _said(look, spot, call.texts[0], family))
    ]
    most = max((one.said for one in found), default=0)
    return [one for one in found if one.said == most]


def _said(look: Look, spot: Spot, options: str, family: str) -> int:
    """How many characters of a family's name its options say; 0 where it has another name, or hardly any is said."""
    word = options.lstrip("&")
    if word.isidentifier():
        local, variable = spot.function.locals.get(word), spot.package.variables.get(word)
        options = local.whole or local.text if local is not None else variable.value if variable is not None else ""
    options = _COMMENTS.sub(lambda found: found[1] or " ", options)
    if built := _BUILT.search(options):
        parts = dict(zip(_PARTS, built[1].split(","), strict=False))
    else:
        parts = {name: found[1] for name in _PARTS if (found := re.search(rf"\b{name}:\s*([^,}}\n]+)", options))}
    *fronts, last = (_texts(look, spot, parts.get(name, '""')) for name in _PARTS)
    if sum(map(len, filter(None, last))) < _WORDS_LEAST:
        return 0
    joined = (f"(?:{_pattern(texts)}_)" + ("?" if None in texts else "") for texts in fronts if texts != [""])
    pattern = "".join(joined) + _pattern(last)
    if not any(re.fullmatch(pattern, family + end) for end in _ENDS):
        return 0
    said = sum(len(text) for texts in (*fronts, last) for text in texts if text)
    if None not in (*last, *(text for texts in fronts for text in texts)) and re.fullmatch(pattern, family):
        return EXACT + said  # whatever longer name has it within
    return said if 2 * said > len(family) else 0  # "_total" alone is said of many


def _pattern(texts: list[str | None]) -> str:
    return "".join(r"\w*" if text is None else re.escape(text) for text in texts)


def _texts(look: Look, spot: Spot, expression: str) -> list[str | None]:
    """The pieces of a sum of texts; None for one that the code does not say."""
    return [_text(look, spot, piece) for piece in pieces(expression, "+") or [expression]]


def _text(look: Look, spot: Spot, piece: str) -> str | None:
    if len(piece) > 1 and piece[0] == piece[-1] and piece[0] in '"`':
        return piece[1:-1]
    qualifier, _, name = piece.rpartition(".")
    package = look.module.imported(spot.file.imports.get(qualifier, "")) if qualifier else spot.package
    if package is None or name not in {*package.constants, *package.variables}:
        return None
    said = re.compile(rf'\s*(?:const\s+|var\s+)?{re.escape(name)}\b(?:\s+\w+)?\s*=\s*"([^"]*)"\s*(?://.*)?$')
    return next((found[1] for facts in package.files for line in facts.source if (found := said.match(line))), None)


def _symbols(look: Look, spot: Spot, call: Call) -> Iterator[Symbol]:
    """The variable or the field that a vector goes into."""
    folder = spot.package.folder
    if spot.function.name == "(package)":
        # a variable's value is a function of its own, on the variable's line
        of_line = (name for name, variable in spot.file.variables.items() if variable.line == spot.function.line)
        yield from (Symbol(folder, "", name) for name in of_line)
    for made in spot.function.made:
        if made.line == call.line and made.type_name.startswith("()") and made.type_name.endswith(call.name):
            if made.goes == "in" and made.to.fields:
                yield Symbol(folder, base_type(made.to.root), made.to.fields[-1])
            elif made.goes == "store":
                yield from look.module.symbols(spot, made.to)
