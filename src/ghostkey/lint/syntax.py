"""Go expressions as tree-sitter sees them: texts, places, names of types. The one file that knows the grammar's words for these."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ghostkey.lint.facts import Place
from ghostkey.model.errors import UsageError, with_extra

if TYPE_CHECKING:
    from tree_sitter import Node, Parser, Tree

TEXT = 300  # characters of an expression that are kept
ROOT = 100  # characters of what is called at the beginning of a path
_CALLED = re.compile(r"\w+(?:\.\w+)?")
STEPS = 64  # of one expression's path: nobody writes longer ones by hand
_LISTS = {"import_spec_list", "var_spec_list", "const_spec_list", "field_declaration_list"}


def parser() -> Parser:
    """A parser of Go. Raises UsageError when the extra `source` is not installed."""
    try:
        import tree_sitter
        import tree_sitter_go
    except ImportError as error:
        raise UsageError(f"lint needs {error.name}", with_extra("source")) from None
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_go.language()))


def parse(go: Parser, source: bytes) -> Tree:
    """The tree of a file; broken parts are nodes of their own."""
    return go.parse(source)


def text(node: Node | None, most: int = TEXT) -> str:
    """The source of a node, cut."""
    raw = node.text if node is not None else None  # asked for once: each time all of it is copied
    return raw[: 4 * most].decode(errors="replace")[:most] if raw is not None else ""


def named(node: Node | None) -> list[Node]:
    """Children with a meaning, without comments."""
    return [child for child in node.named_children if child.type != "comment"] if node is not None else []


def field(node: Node, name: str) -> Node | None:
    """A child by the grammar's name for it."""
    return node.child_by_field_name(name)


def parameters(node: Node | None) -> Iterator[tuple[str, str]]:
    """The names of a parameter list and their types."""
    for parameter in named(node):
        kind = text(field(parameter, "type"))
        for name in parameter.children_by_field_name("name"):
            yield text(name), kind


def specs(node: Node, kind: str) -> Iterator[Node]:
    """The declarations of a kind in a declaration, in parentheses or not."""
    for child in node.named_children:
        if child.type == kind:
            yield child
        elif child.type in _LISTS:
            yield from specs(child, kind)


def base_type(type_text: str) -> str:
    """A type without pointers, slices and parameters: `*[]cache.Entry[K]` is `cache.Entry`."""
    rest = type_text.strip().lstrip("*&")
    while rest.startswith("[]"):
        rest = rest[2:].lstrip("*")
    return re.sub(r"\[.*$", "", rest, flags=re.DOTALL).strip()


def simple_type(type_text: str) -> str:
    """The last word of a type's name."""
    return base_type(type_text).rpartition(".")[2]


def place_of(node: Node | None, aliases: dict[str, Place] | None = None) -> Place | None:
    """An expression as a path, seen through local aliases; None for what is none, and for copies."""
    fields: list[str] = []
    keys: list[str] = []
    for _ in range(STEPS):
        if node is None:
            return None
        if node.type == "identifier":
            root = text(node)
            break
        if node.type == "selector_expression":
            fields.append(text(field(node, "field")))
            node = field(node, "operand")
        elif node.type == "index_expression":
            if not fields:
                keys.append(text(field(node, "index")))
            node = field(node, "operand")
        elif node.type in {"parenthesized_expression", "unary_expression"}:
            inside = named(node)
            node = inside[-1] if inside else None
        elif node.type == "type_assertion_expression":
            node = field(node, "operand")
        elif node.type == "call_expression":
            name = callee(node)
            if name == "DeepCopy":
                return None
            function = field(node, "function")
            if name == "Load" and function is not None and not named(field(node, "arguments")):
                node = field(function, "operand")  # an atomic pointer stands for what it points to
                continue
            root = "()" + (text(function, ROOT) if function is not None and _CALLED.fullmatch(text(function, ROOT)) else name)
            break
        else:
            return None
    else:
        return None
    place = Place(root, tuple(reversed(fields)), tuple(reversed(keys)))
    alias = (aliases or {}).get(root)
    if alias is None:
        return place
    if not place.fields:
        return Place(alias.root, alias.fields, alias.keys + place.keys)
    return Place(alias.root, alias.fields + place.fields, place.keys)


def callee(node: Node) -> str:
    """The last word of what is called."""
    function = field(node, "function")
    if function is None:
        return ""
    if function.type == "selector_expression":
        return text(field(function, "field"))
    return text(function).partition("[")[0].rpartition(".")[2]


def line_of(node: Any) -> int:
    """The line, from one."""
    return int(node.start_point[0]) + 1


def is_of_itself(value: Node, name: str) -> bool:
    """Whether a value is a call of something that is given the local which takes it: not what `append` gives, a list of its own."""
    if value.type != "call_expression" or callee(value) == "append":
        return False
    return any(text(argument) == name for argument in named(field(value, "arguments")))
