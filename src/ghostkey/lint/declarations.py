"""The facts of one file: its declarations, and a walk of every function."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ghostkey.lint.facts import FileFacts, Function, Struct, Variable
from ghostkey.lint.syntax import base_type, field, line_of, named, parameters, parse, specs, text
from ghostkey.lint.walk import Walk

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

VALUE_TEXT = 1500  # of a variable's initial value: the labels of a metric stand in it
_GENERATED = re.compile(rb"^// Code generated .* DO NOT EDIT\.$", re.MULTILINE)
_HEAD = 4000
_MARK = re.compile(r"//\s*(nolint:\S*ghostkey.*|ghostkey:.*)")
_METHODS = {"method_elem", "method_spec"}


def facts_of(go: Parser, source: bytes, path: str) -> FileFacts:
    """What a file says. Never fails: what does not parse is left out, and `has_errors` says so."""
    tree = parse(go, source)
    facts = FileFacts(path, is_generated=bool(_GENERATED.search(source[:_HEAD])), has_errors=tree.root_node.has_error)
    facts.source = lines_of(source)
    facts.lines = len(facts.source)
    for number, line in enumerate(facts.source, 1):
        if "ghostkey" in line and (found := _MARK.search(line)):
            facts.marks[number] = found[1].strip()
    for node in tree.root_node.named_children:
        read = _READERS.get(node.type)
        if read is not None:
            read(facts, node)
    return facts


def lines_of(source: bytes) -> tuple[str, ...]:
    """A file's lines, as they are shown."""
    return tuple(source.decode(errors="replace").split("\n"))


def _package(facts: FileFacts, node: Node) -> None:
    facts.package = next(map(text, named(node)), "")


def _imports(facts: FileFacts, node: Node) -> None:
    for spec in specs(node, "import_spec"):
        path = text(field(spec, "path")).strip('"`')
        alias = field(spec, "name")
        facts.imports[text(alias) if alias else _package_name(path)] = path


def _package_name(path: str) -> str:
    """What a package is called as a rule: the last part that is no version."""
    parts = path.split("/")
    return parts[-2] if len(parts) > 1 and re.fullmatch(r"v\d+", parts[-1]) else parts[-1]


def _constants(facts: FileFacts, node: Node) -> None:
    type_name = ""
    for spec in specs(node, "const_spec"):
        given = field(spec, "type")
        type_name = text(given) if given else type_name
        value = next(iter(named(field(spec, "value"))), None)
        # `Ready = Phase("ready")` is a constant of a type as well
        converted = text(field(value, "function")) if value is not None and value.type == "call_expression" else ""
        for name in spec.children_by_field_name("name"):
            facts.constants[text(name)] = type_name or (converted if converted.isidentifier() else "")


def _variables(facts: FileFacts, node: Node) -> None:
    for spec in specs(node, "var_spec"):
        value, given = field(spec, "value"), field(spec, "type")
        names = [text(name) for name in spec.children_by_field_name("name")]
        type_name = text(given)
        first = next(iter(named(value)), None)
        literal = field(first, "type") if first is not None and first.type == "composite_literal" else given
        if literal is not None and literal.type == "struct_type" and names:
            type_name = f"var {names[0]}"
            facts.structs[type_name] = _struct(literal)
        for name in names:
            facts.variables[name] = Variable(type_name, text(value, VALUE_TEXT), line_of(spec))
        if value is not None:
            function = Function("(package)", line=line_of(spec))
            Walk(function).visit(value, ())
            facts.functions.append(function)


def _types(facts: FileFacts, node: Node) -> None:
    for spec in node.named_children:
        if spec.type not in {"type_spec", "type_alias"}:
            continue
        name, kind = text(field(spec, "name")), field(spec, "type")
        if kind is None:
            continue
        if kind.type == "struct_type":
            facts.structs[name] = _struct(kind)
        elif kind.type == "interface_type":
            facts.interfaces[name] = [text(field(method, "name")) for method in kind.named_children if method.type in _METHODS]
        else:
            facts.types[name] = text(kind)


def _struct(node: Node) -> Struct:
    found = Struct()
    for declared in specs(node, "field_declaration"):
        names = declared.children_by_field_name("name")
        kind = text(field(declared, "type"))
        for name in names:
            found.fields[text(name)] = (kind, line_of(declared))
        if not names:
            found.embedded.append(kind)
    return found


def _function(facts: FileFacts, node: Node) -> None:
    function = Function(text(field(node, "name")), line=line_of(node), result=text(field(node, "result")))
    for parameter in named(field(node, "receiver")):
        function.receiver_type = base_type(text(field(parameter, "type")))
        function.receiver = text(field(parameter, "name"))
    function.params += parameters(field(node, "parameters"))
    body = field(node, "body")
    if body is not None and not facts.is_generated:  # what is generated keeps no keys of its own, and is a third of some trees
        Walk(function).visit(body, ())
    facts.functions.append(function)


_READERS = {
    "package_clause": _package,
    "import_declaration": _imports,
    "const_declaration": _constants,
    "var_declaration": _variables,
    "type_declaration": _types,
    "function_declaration": _function,
    "method_declaration": _function,
}
