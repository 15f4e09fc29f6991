"""The labels of a vector, in order, where the code says all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.module import Module, Spot, Symbol
from ghostkey.lint.syntax import base_type

CUT = 80  # characters of an argument that are kept: a longer list is not known as a whole
# Source: github.com/prometheus/client_golang prometheus and promauto, k8s.io/component-base/metrics: NewGaugeVec …
MAKES = re.compile(r"New\w*(?:Counter|Gauge|Histogram|Summary)Vec$")
_LIST = re.compile(r"\[\]string\{([^{}]*)\}")
_WORD = re.compile(r'"[^"]*"|[A-Za-z_][\w.]*')


def labels_of(module: Module, symbol: Symbol) -> list[str] | None:
    """Texts of labels or names of constants; None where they are not said in one list, or vectors with other labels are put there, too."""
    package = module.packages.get(symbol.folder)
    if package is None:
        return None
    if symbol.is_captured:
        return _of_text(module.type_of(symbol))
    if not symbol.owner:
        variable = package.variables.get(symbol.name)
        return _of_text(variable.value) if variable is not None and MAKES.search(variable.value.partition("(")[0]) else None
    lists = [
        _of_text(call.texts[-1]) if call.texts and len(call.texts[-1]) < CUT else None
        for spot, made in _vectors_in(module, symbol)
        for call in spot.function.calls
        if call.at == made and MAKES.match(call.name)
    ]
    return lists[0] if lists and all(one is not None and one == lists[0] for one in lists) else None


def _vectors_in(module: Module, symbol: Symbol) -> Iterator[tuple[Spot, int]]:
    """Where vectors are made that are put into a field: the function, and the byte of the call."""
    package = module.packages[symbol.folder]
    for spot in module.spots():
        if spot.package is not package:
            continue
        for made in spot.function.made:
            if not MAKES.search(made.type_name):
                continue
            is_in = made.goes == "in" and base_type(made.to.root) == symbol.owner and made.to.fields[-1:] == (symbol.name,)
            if is_in or (made.goes == "store" and symbol in module.symbols(spot, made.to)):
                yield spot, made.at


def _of_text(text: str) -> list[str] | None:
    found = _LIST.findall(text)
    if len(found) != 1 or "append(" in text:
        return None
    words = [word.strip() for word in re.sub(r"//[^\n]*", "", found[0]).replace("\n", ",").split(",") if word.strip()]
    return words if words and all(_WORD.fullmatch(word) for word in words) else None
