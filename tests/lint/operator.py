"""The testbed's operator as its author would have written it with one mistake, or with none: the switches are worked out.

`r.mistakes["x"]` is replaced by whether x is the mistake; conditions that are then known lose the branch that is never taken, as
tree-sitter sees them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ghostkey.lint.syntax import named, parser, text
from ghostkey.testing import testbed_directory

if TYPE_CHECKING:
    from tree_sitter import Node

WHOLE = 1_000_000  # characters: a node is taken whole


def operator(mistake: str = "") -> dict[str, str]:
    """File name → Go text of the operator that makes one mistake, or is correct."""
    sources = {path.name: path.read_text() for path in (testbed_directory() / "tenant-operator").glob("*.go")}
    assert sources
    written = {name: _worked_out(source, mistake) for name, source in sources.items()}
    # the methods that only another mistake calls go; one that this mistake forgets to call stays
    for name in _uncalled({name: _worked_out(source, "") for name, source in sources.items()}) & _uncalled(written):
        whole = re.compile(rf"^func \(r \*reconciler\) {name}\(.*?^}}\n", re.MULTILINE | re.DOTALL)
        written = {file: whole.sub("", source) for file, source in written.items()}
    return written


def switched() -> dict[str, str]:
    """The operator as it is."""
    return {path.name: path.read_text() for path in (testbed_directory() / "tenant-operator").glob("*.go")}


def _uncalled(sources: dict[str, str]) -> set[str]:
    everything = "\n".join(sources.values())
    names = set(re.findall(r"^func \(r \*reconciler\) ([a-z]\w*)\(", everything, re.MULTILINE))
    return {name for name in names if len(re.findall(rf"\b{name}\(", everything)) == 1}


def _worked_out(source: str, mistake: str) -> str:
    while True:
        tree = parser().parse(source.encode())
        change = _first(tree.root_node, mistake)
        if change is None:
            return source
        node, words = change
        raw = source.encode()
        source = (raw[: node.start_byte] + words.encode() + raw[_end(node, words) :]).decode()


def _end(node: Node, words: str) -> int:
    """Where what is replaced ends: what follows a return in its block is never run."""
    last = words.rstrip().rpartition("\n")[2].strip()
    siblings = node.parent.named_children if node.parent is not None else []
    return siblings[-1].end_byte if last.startswith("return") and node.type.endswith("statement") else node.end_byte


def _first(node: Node, mistake: str) -> tuple[Node, str] | None:
    """The outermost statement that can be decided, and what it becomes."""
    if node.type == "if_statement":
        known = _value(node.child_by_field_name("condition"), mistake)
        if known is not None and node.child_by_field_name("initializer") is None:
            taken = node.child_by_field_name("consequence" if known else "alternative")
            return node, _inside(taken) if taken is not None else ""
    if node.type == "expression_switch_statement" and node.child_by_field_name("value") is None:
        cases = [child for child in node.named_children if child.type in {"expression_case", "default_case"}]
        for case in cases:
            values = named(case.child_by_field_name("value")) if case.type == "expression_case" else []
            known = True if case.type == "default_case" else _any([_value(value, mistake) for value in values])
            if known:
                return node, "\n".join(text(one, WHOLE) for one in case.named_children if one.type != "expression_list")
            if known is None:
                break
        else:
            return node, ""
    if node.type in {"unary_expression", "binary_expression"} and (known := _value(node, mistake)) is not None:
        return node, "true" if known else "false"
    if node.type == "binary_expression" and text(node.child_by_field_name("operator")) == "&&":
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if _value(left, mistake) is True:
            return node, text(right, WHOLE)
    for child in node.named_children:
        found = _first(child, mistake)
        if found is not None:
            return found
    return None


def _value(node: Node | None, mistake: str) -> bool | None:
    """What a condition is, as far as it is about mistakes."""
    if node is None:
        return None
    words = text(node)
    if found := re.fullmatch(r'r\.mistakes\["([\w-]+)"\]', words):
        return found[1] == mistake
    if words == "r.usesFinalizer()":
        return mistake not in {"no-delete-on-notfound", "key-by-uid", "cleanup-lost-on-restart"}
    if node.type == "unary_expression" and words.startswith("!"):
        inside = _value(named(node)[-1], mistake)
        return None if inside is None else not inside
    if node.type == "binary_expression":
        sides = [_value(node.child_by_field_name(name), mistake) for name in ("left", "right")]
        if text(node.child_by_field_name("operator")) == "&&":
            return False if False in sides else None if None in sides else True
        return _any(sides) if text(node.child_by_field_name("operator")) == "||" else None
    return None


def _any(values: list[bool | None]) -> bool | None:
    return True if True in values else None if None in values else False


def _inside(block: Node) -> str:
    return text(block, WHOLE).strip().removeprefix("{").removesuffix("}") if block.type == "block" else text(block, WHOLE)
