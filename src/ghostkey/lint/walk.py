"""The walk of one function: every statement once, with the branches around it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ghostkey.lint.captures import Levels, given_to
from ghostkey.lint.facts import (
    Branch,
    Branches,
    Call,
    Function,
    Insert,
    Local,
    Made,
    Place,
    Range,
    Release,
    Reset,
    Return,
    Series,
    Stored,
)
from ghostkey.lint.methods import INSERTING, LABELLED, RELEASING
from ghostkey.lint.syntax import base_type, callee, field, is_of_itself, line_of, named, parameters, place_of, specs, text

if TYPE_CHECKING:
    from tree_sitter import Node

DEPTH = 400  # of nested syntax; what is deeper no person wrote
_NOTED: Final = INSERTING | RELEASING | LABELLED
_GENERIC = re.compile(r"(?:([\w.]+)\.)?(\w+)\[")
_PLACES = {"identifier", "selector_expression", "index_expression", "unary_expression"}


def _called(node: Node) -> str:
    """What is called, with its qualifier: also where it is generic and stands as a conversion does."""
    kind = field(node, "type") if node.type == "type_conversion_expression" else None
    if kind is not None and kind.type == "generic_type":
        return text(kind).partition("[")[0]
    return text(field(node, "function")).partition("[")[0] if node.type == "call_expression" else ""


class Walk:
    """Collects the facts of a function's body. Locals that stand for a place are seen through (`m := s.f`)."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._aliases: dict[str, Place] = {}
        self._asked: dict[str, str] = {}  # `ok` → the assignment in which it was said whether a map has a key
        self._depth = 0
        self._levels = Levels(function)

    def visit(self, node: Node, branches: Branches) -> None:
        """Takes in a node and what is in it."""
        if self._depth >= DEPTH:
            return
        self._depth += 1
        handler = _HANDLERS.get(node.type)
        if handler is not None:
            handler(self, node, branches)
        else:
            self._inside(node, branches)
        self._depth -= 1

    def _inside(self, node: Node, branches: Branches) -> None:
        for child in node.named_children:
            # names and literals, half of all nodes, have nothing in them
            if child.named_child_count or child.type == "return_statement":
                self.visit(child, branches)

    def _selector(self, node: Node, branches: Branches) -> None:
        inside: Node | None = node
        while inside is not None and inside.type == "selector_expression":
            inside = field(inside, "operand")
        if inside is not None and inside.named_child_count:
            self.visit(inside, branches)

    def _nothing(self, node: Node, branches: Branches) -> None:
        """Types: nothing is done in them."""

    def _maybe(self, node: Node, branches: Branches) -> None:
        """Takes in what may not run: after it, names from before mean what they did."""
        before = dict(self._aliases)
        self.visit(node, branches)
        self._aliases |= before

    def _if(self, node: Node, branches: Branches) -> None:
        first, condition = field(node, "initializer"), field(node, "condition")
        words, before = text(condition), dict(self._aliases)
        if first is not None:
            words = f"{text(first)}; {words}"
        elif asked := self._asked.get(words.lstrip("! ")):
            words = f"{asked}; {words}"
        for part in (first, condition):
            if part is not None:
                self.visit(part, branches)
        for name, kind in (("consequence", "if"), ("alternative", "else")):
            part = field(node, name)
            if part is not None:
                self._maybe(part, (*branches, Branch(kind, words)))
        if first is not None:
            for name in map(text, named(field(first, "left"))):  # it has that meaning within alone
                self._aliases.pop(name, None)
            self._aliases |= before

    def _for(self, node: Node, branches: Branches) -> None:
        words = "for"
        for child in node.named_children:
            if child.type == "range_clause":
                over = field(child, "right")
                words = f"range {text(over)}"
                place = place_of(over, self._aliases)
                variables = [text(name) for name in named(field(child, "left"))]
                for position, name in enumerate(variables[:2]):
                    if name != "_":
                        self._levels.declare(name)
                        self._function.ranges[name] = Range(text(over), place)
                        self._aliases.pop(name, None)
                    if position == 1 and name != "_" and place and place.fields and not place.root.startswith("()"):
                        self._aliases[name] = Place(place.root, place.fields, (*place.keys, variables[0]))
                if over is not None:
                    self.visit(over, branches)
            elif child.type == "for_clause":
                self._inside(child, branches)
        body = field(node, "body")
        if body is not None:
            if words == "for":
                self._levels.enter(set())
            self._maybe(body, (*branches, Branch("for", words)))
            if words == "for":
                self._levels.leave()

    def _case(self, node: Node, branches: Branches) -> None:
        words = text(field(node, "value") or field(node, "type") or field(node, "communication"))
        switched = field(node.parent, "value") if node.parent is not None else None
        if switched is not None:
            words = f"{text(switched)}=={words}"
        before = dict(self._aliases)
        self._inside(node, (*branches, Branch("case", words)))
        self._aliases |= before

    def _literal(self, node: Node, branches: Branches) -> None:
        body = field(node, "body")
        if body is not None:
            before = dict(self._aliases)
            given = dict(parameters(field(node, "parameters")))
            self._levels.enter(set(given))
            for name, kind in given.items():
                self._aliases.pop(name, None)
                if all(name != known for known, _ in (*self._function.params, (self._function.receiver, ""))):
                    self._function.locals.setdefault(name, Local("type", kind))
            self.visit(body, (*branches, Branch("func", given_to(node))))  # `once.Do(func() { … })`
            self._levels.leave()
            self._aliases |= before

    def _later(self, node: Node, branches: Branches) -> None:
        self._inside(node, (*branches, Branch(node.type.partition("_")[0], "")))

    def _return(self, node: Node, branches: Branches) -> None:
        last = int(node.end_point[0]) + 1
        self._function.returns.append(Return(line_of(node), last, text(node), branches))
        for group in named(node):
            for value in named(group) if group.type == "expression_list" else [group]:
                name = text(value).lstrip("&")
                if any(branch.kind == "func" for branch in branches):
                    self._function.stored.append(Stored(name, Place("{}func")))  # whoever has the literal has it
                elif value.type == "identifier" or (value.type == "unary_expression" and name.isidentifier()):
                    self._function.returned.add(name)
                self._made(value, "return", Place(""))
        self._inside(node, branches)

    def _assign(self, node: Node, branches: Branches) -> None:
        left, right = named(field(node, "left")), named(field(node, "right"))
        operator = text(field(node, "operator")) if node.type == "assignment_statement" else ":="
        for target in left:
            self._asked.pop(text(target), None)
        if len(left) == 2 and len(right) == 1 and right[0].type in {"index_expression", "call_expression"}:
            self._asked[text(left[1])] = text(node)
        for position, target in enumerate(left):
            value = right[position] if len(left) == len(right) else (right[0] if right else None)
            if target.type == "index_expression":
                self._assign_key(node, target, value, branches)
            elif target.type == "selector_expression":
                self._assign_field(node, target, value, branches)
            elif target.type == "identifier":
                self._assign_local(node, target, value if position == 0 or len(left) == len(right) else None, operator, branches)
            elif target.type == "unary_expression" and text(target).startswith("*"):
                whole = Place(text(target)[1:], ("*",))
                self._function.resets.append(Reset(whole, text(value), line_of(node), branches, node.start_byte))
            if target.type != "identifier":
                self._inside(target, branches)
        for value in right:
            self.visit(value, branches)

    def _assign_key(self, node: Node, target: Node, value: Node | None, branches: Branches) -> None:
        place = place_of(target, self._aliases)
        if place is None or not place.keys:
            return
        self._levels.use(place)
        self._function.inserts.append(Insert(place, line_of(node), branches, text(value), "=", node.start_byte))
        self._store(value, place)

    def _assign_field(self, node: Node, target: Node, value: Node | None, branches: Branches) -> None:
        place = place_of(target, self._aliases)
        if place is not None:
            self._function.resets.append(Reset(place, text(value), line_of(node), branches, node.start_byte))
            self._store(value, place)

    def _store(self, value: Node | None, place: Place) -> None:
        name = text(value).lstrip("&")
        if value is not None and value.type in {"identifier", "unary_expression"} and name.isidentifier():
            self._function.stored.append(Stored(name, place))
        self._made(value, "store", place)

    def _assign_local(self, node: Node, target: Node, value: Node | None, operator: str, branches: Branches) -> None:
        name = text(target)
        if operator == ":=":
            self._levels.declare(name)
        elif operator == "=":
            self._levels.assign(name)
            self._function.resets.append(Reset(Place(name), text(value), line_of(node), branches, node.start_byte))
        if value is None:
            self._aliases.pop(name, None)
            self._function.locals[name] = Local("part", "", text(field(node, "right")))
            return
        is_path = value.type in {*_PLACES, "type_assertion_expression"} or (
            value.type == "call_expression" and callee(value) == "Load"
        )
        place = place_of(value, self._aliases) if is_path else None
        if place and place.root.startswith("()") and value.type == "call_expression":
            place = None  # what a function gives is a local of its own
        if place and (place.fields or place.keys) and name not in {"err", "ok", "_"} and value.type != "unary_expression":
            self._aliases[name] = place
        else:
            self._aliases.pop(name, None)
        called = _called(value)
        if operator != "=" or name not in self._function.locals or not is_of_itself(value, name):
            self._function.locals[name] = Local("call", called, text(value)) if called else Local("expr", text(value))
        self._made(value, "local", Place(name))

    def _made(self, value: Node | None, goes: str, to: Place) -> None:
        """Notes where a value goes that is made here."""
        if value is None:
            return
        inside = named(value)[-1] if value.type == "unary_expression" and named(value) else value
        if inside.type == "composite_literal":
            self._note_made(base_type(text(field(inside, "type"))), goes, to, inside)
        elif name := _called(inside):
            arguments = named(field(inside, "arguments"))
            if name == "new" and arguments:
                self._note_made(base_type(text(arguments[0])), goes, to, inside)
            else:
                self._note_made("()" + name, goes, to, inside)
            if name == "append":
                for argument in arguments[1:]:
                    self._made(argument, goes, to)
                    if argument.type == "identifier" and goes == "store":
                        self._function.stored.append(Stored(text(argument), to))

    def _note_made(self, type_name: str, goes: str, to: Place, node: Node) -> None:
        self._function.made.append(Made(type_name, goes, to, line_of(node), node.start_byte))

    def _composite(self, node: Node, branches: Branches) -> None:
        type_name = base_type(text(field(node, "type")))
        self._note_made(type_name, "any", Place(""), node)
        for element in named(field(node, "body")):
            value, name = element, ""
            parts = named(element)
            if element.type == "keyed_element" and len(parts) > 1:
                name, value = text(parts[0]), parts[1]
            if value.type == "literal_element" and named(value):
                value = named(value)[0]
            self._made(value, "in", Place(type_name, (name,)))
            if value.type == "identifier":
                self._function.stored.append(Stored(text(value), Place("{}" + type_name, (name,))))
            self.visit(value, branches)

    def _declare(self, node: Node, branches: Branches) -> None:
        for spec in specs(node, "var_spec"):
            kind, value = text(field(spec, "type")), field(spec, "value")
            values = named(value)
            for name in map(text, spec.children_by_field_name("name")):
                self._levels.declare(name)
                self._aliases.pop(name, None)
                if kind:
                    self._function.locals[name] = Local("type", kind)
                    if not kind.startswith(("*", "[", "map")):
                        self._note_made(base_type(kind), "local", Place(name), spec)
                if values:
                    self._made(values[0], "local", Place(name))
            if value is not None:
                self.visit(value, branches)

    def _count(self, node: Node, branches: Branches) -> None:
        target = next(iter(named(node)), None)
        place = place_of(target, self._aliases) if target is not None and target.type == "index_expression" else None
        if place and place.keys and node.type == "inc_statement":
            self._levels.use(place)
            self._function.inserts.append(Insert(place, line_of(node), branches, "++", "++", node.start_byte))
        self._inside(node, branches)

    def _call(self, node: Node, branches: Branches) -> None:
        function, arguments = field(node, "function"), named(field(node, "arguments"))
        if function is None:
            return
        name = callee(node)
        qualifier, receiver = "", None
        if function.type == "selector_expression":
            operand = field(function, "operand")
            qualifier, receiver = text(operand, 80), place_of(operand, self._aliases)
            self._method(node, name, receiver, arguments, branches)
            if qualifier == "maps":
                self._maps(node, name, arguments, branches)
            if operand is not None and operand.type != "identifier":
                self.visit(operand, branches)
        elif function.type == "identifier":
            self._builtin(node, name, arguments, branches)
        elif found := _GENERIC.match(text(function)):
            qualifier = found[1] or ""  # `sets.New[string]()`
        else:
            self.visit(function, branches)
        places = tuple(place_of(one, self._aliases) if one.type in _PLACES else None for one in arguments)
        texts = tuple(text(one, 80) for one in arguments)
        self._function.calls.append(Call(name, qualifier, receiver, places, texts, line_of(node), branches, node.start_byte))
        for argument in arguments:
            self._made(argument, "arg", Place(name))
            self.visit(argument, branches)

    def _conversion(self, node: Node, branches: Branches) -> None:
        """`newSet[string](names)` is written as a conversion is; of a generic type it is a call as a rule."""
        self._inside(node, branches)
        called, given = _called(node), field(node, "operand")
        if called and given is not None:
            qualifier, _, name = called.rpartition(".")
            place = place_of(given, self._aliases) if given.type in _PLACES else None
            call = Call(name, qualifier, None, (place,), (text(given, 80),), line_of(node), branches, node.start_byte)
            self._function.calls.append(call)

    def _builtin(self, node: Node, name: str, arguments: list[Node], branches: Branches) -> None:
        place = place_of(arguments[0], self._aliases) if arguments else None
        if place is None:
            return
        key = text(arguments[1]) if name == "delete" and len(arguments) == 2 else "*"
        if name in {"delete", "clear"}:
            self._function.releases.append(Release(place, key, line_of(node), branches, name, node.start_byte))

    def _method(self, node: Node, name: str, place: Place | None, arguments: list[Node], branches: Branches) -> None:
        if place is None or name not in _NOTED:
            return
        self._levels.use(place)
        line, at = line_of(node), node.start_byte
        words = [text(argument) for argument in arguments]
        if name in INSERTING and words:
            keyed = Place(place.root, place.fields, (*place.keys, words[0]))
            self._function.inserts.append(Insert(keyed, line, branches, words[1] if len(words) > 1 else "", name, at))
        if name in RELEASING:
            self._function.releases.append(Release(place, words[0] if words else "*", line, branches, name, at))
        if name in LABELLED:
            after = field(node.parent, "field") if node.parent is not None and node.parent.type == "selector_expression" else None
            self._function.series.append(Series(place, tuple(words), line, text(after)))

    def _maps(self, node: Node, name: str, arguments: list[Node], branches: Branches) -> None:
        place = place_of(arguments[0], self._aliases) if arguments else None
        if place is None:
            return
        if name == "DeleteFunc":
            self._function.releases.append(Release(place, "*", line_of(node), branches, "maps.DeleteFunc", node.start_byte))
        elif name == "Copy" and len(arguments) > 1:
            keyed = Place(place.root, place.fields, (*place.keys, f"range {text(arguments[1])}"))
            self._function.inserts.append(Insert(keyed, line_of(node), branches, "", "maps.Copy", node.start_byte))


_HANDLERS = {
    "if_statement": Walk._if,
    "for_statement": Walk._for,
    "expression_case": Walk._case,
    "type_case": Walk._case,
    "default_case": Walk._case,
    "communication_case": Walk._case,
    "func_literal": Walk._literal,
    "defer_statement": Walk._later,
    "go_statement": Walk._later,
    "return_statement": Walk._return,
    "assignment_statement": Walk._assign,
    "short_var_declaration": Walk._assign,
    "composite_literal": Walk._composite,
    "var_declaration": Walk._declare,
    "inc_statement": Walk._count,
    "dec_statement": Walk._count,
    "call_expression": Walk._call,
    "type_conversion_expression": Walk._conversion,
    "selector_expression": Walk._selector,
    **dict.fromkeys(
        ("qualified_type", "pointer_type", "slice_type", "map_type", "array_type", "generic_type", "parameter_list"),
        Walk._nothing,
    ),
}
