"""Locals that a function's literal, or a loop without an end, uses from outside: they live as long as that does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ghostkey.lint.syntax import field, named, text

if TYPE_CHECKING:
    from tree_sitter import Node

    from ghostkey.lint.facts import Function, Place

OWNER = "func "  # what a symbol's owner begins with that is a local: `func (Reconciler).SetupWithManager`
RETURNED = "return"  # a literal's branch says this where the function gives the literal
_PARTS = {
    "keyed_element",
    "literal_element",
    "literal_value",
    "composite_literal",
    "unary_expression",
    "parenthesized_expression",
}
_MADE = re.compile(r"make\(\s*(.+?)(?:,[^\]\[]*)?\)$")


def given_to(literal: Node) -> str:
    """Whom a function's literal is given to, also as a part of a struct's literal: what is called, `return`, or `=name` of a local."""
    node: Node | None = literal.parent
    while node is not None and node.type in _PARTS:
        node = node.parent
    if node is None:
        return ""
    if node.type == "argument_list":
        return text(field(node.parent, "function")) if node.parent is not None else ""
    if node.type == "return_statement" or (node.type == "expression_list" and _is_return(node.parent)):
        return RETURNED
    if node.type == "expression_list" and node.parent is not None and node.parent.type == "short_var_declaration":
        names = named(field(node.parent, "left"))
        return f"={text(names[0])}" if len(names) == 1 else ""
    return ""


def _is_named_result(result: str, name: str) -> bool:
    return result.startswith("(") and re.search(rf"[(,]\s*{re.escape(name)}\b[\s,]+[^\s,)]", result) is not None


def _is_return(node: Node | None) -> bool:
    return node is not None and node.type == "return_statement"


class Levels:
    """Which names are declared in the function itself, and which in the literals and endless loops within it."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._levels: list[set[str]] = [set()]
        self._shadowed: set[str] = set()

    def enter(self, names: set[str]) -> None:
        """Begins a literal, or a loop without an end."""
        self._levels.append(set())
        for name in names:
            self.declare(name)

    def leave(self) -> None:
        """Ends it."""
        self._levels.pop()

    def declare(self, name: str) -> None:
        """Notes a name where it is declared. Of one that has two meanings in a function nothing is told."""
        if any(name in level for level in self._levels[:-1]) or name in self._function.captured:
            self._shadowed.add(name)
            self._function.captured.pop(name, None)
        self._levels[-1].add(name)

    def assign(self, name: str) -> None:
        """Notes a name that gets a value with `=`; what is declared nowhere is another's."""
        function = self._function
        is_given = name in {function.receiver, *(given for given, _ in function.params)}
        if not is_given and not any(name in level for level in self._levels) and not _is_named_result(function.result, name):
            function.assigned.add(name)

    def use(self, place: Place | None) -> None:
        """Notes a local that is used as a map, or a vector, within a literal or loop that it was not declared in."""
        name = place.root if place is not None and not place.fields else ""
        if name in self._levels[-1] or name in self._shadowed or not any(name in level for level in self._levels):
            return
        local = self._function.locals.get(name)
        if local is not None:
            kind = local.text if local.how == "type" else local.whole or local.text
            self._function.captured[name] = found[1] if (found := _MADE.match(kind)) else kind
