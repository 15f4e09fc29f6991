"""How an object that is created comes to its name, in the lines in front of its Create: by what flows into Name or GenerateName.

A text is read, not a program run: of what is not found here nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ghostkey.lint.module import Spot

DEPTH = 4  # locals of locals, and functions that make an object
_BESIDE = re.compile(r'("(?:[^"\\\n]|\\.)*"|`[^`]*`|\'(?:[^\'\\\n]|\\.)+\')|//[^\n]*')
_TEXT = re.compile(r'"(?:[^"\\\n]|\\.)*"|`[^`]*`')
_ASSIGNED = r"(?m)^[ \t]*(?:if |var |for )?(?:\w+, *)*{name}(?:, *\w+)*(?: +[\w.*\[\]]+)? *:?= *"
_SET = r"\b{name}\.(?:ObjectMeta\.)?(?:Set)?(?P<field>GenerateName|Name|ObjectMeta)(?: *= *|\()"
_LITERAL = re.compile(r"&?(?:\w+\.)?(?P<type>[A-Z]\w*)\{")
_CALL = re.compile(r"(?:\w+\.)*(?P<name>\w+)\(")
_WORD = re.compile(r"(?<![\w.])([A-Za-z_]\w*)(?![\w(])(?:(?=\.\w+\()|(?!\.|:[^=]))")  # name, name[:8], id.String(); not req.Name
_RANDOM = re.compile(r"[rR]and\w*\.(?:String|Int|Safe|Text)|[rR]andString|\buuid\.|time\.Now\(\)|\.Unix\w*\(\)")
_HASH = re.compile(r"(?:\w+\.)*\w*(?:[hH]ash|Sum(?:32|64|128|224|256|384|512)|[cC]hecksum|[dD]igest)\w*\(")
# a hash that says of what it is
_HASH_OF = re.compile(r"(?i)(?<!\w)(?:\w+\.)*\w*(?:spec|data|content|config|template|revision)\w*hash\b(?!\()")
_CHANGES = re.compile(
    r"\.(?:Get)?(?:Spec|Data|StringData|BinaryData|Status|Labels|Annotations|ObjectMeta|Template|Containers|ResourceVersion|Generation)\b"
)
# what one owner has all its life: words, which are names as far as is known here, and keys of objects
_STAYS = re.compile(r"(?:string|bool|u?int\d*|(?:\w+\.)?(?:UID|NamespacedName|ObjectKey|Request|Context|GroupVersionKind))$")
_OPENING, _CLOSING = "([{", ")]}"


@dataclass(slots=True)
class Code:
    """Lines of a function. `given`: what its parameters are, as (code, expression, place) of a caller."""

    spot: Spot
    first: int
    last: int
    given: dict[str, tuple[Code, str, int]] = field(default_factory=dict)
    text: str = ""

    def __post_init__(self) -> None:
        self.text = _BESIDE.sub(lambda found: found[1] or "", "\n".join(self.lines))

    @property
    def lines(self) -> Sequence[str]:
        """As they stand in the file."""
        return self.spot.file.source[self.first - 1 : self.last]

    @property
    def params(self) -> dict[str, str]:
        """Name → type of the function's parameters, in order."""
        return dict(self.spot.function.params)

    def line(self, at: int) -> int:
        """The line in which a place of the text is."""
        return self.first + self.text.count("\n", 0, at)

    def assigned(self, name: str, before: int) -> Iterator[tuple[str, int]]:
        """What a local is given before a place, and where."""
        for found in re.finditer(_ASSIGNED.format(name=re.escape(name)), self.text[:before]):
            yield _expression(self.text, found.end()), found.end()


Makers = Callable[[str], Sequence[Code]]  # by name: the functions of the package; their params in order


def new_name_of_call(code: Code, name: str, line: int, makers: Makers) -> tuple[Code, int] | None:
    """Where the name of what a call creates is made, when it is new each time, as code and a place in it."""
    begins = sum(len(one) + 1 for one in code.text.split("\n")[: line - code.first])
    call = re.compile(rf"\b{re.escape(name)}\(").search(code.text, begins)
    if call is None:
        return None
    for part, start in _parts(code.text[call.end() :]):
        if found := new_name(code, part, call.end() + start, makers):
            return found
    return None


def new_name(code: Code, expression: str, at: int, makers: Makers, depth: int = 0) -> tuple[Code, int] | None:
    """Where the name of an object is made, when it is new each time; the object is an expression at a place of the code."""
    expression = expression.strip()
    if depth > DEPTH:
        return None
    if literal := _LITERAL.match(expression):
        return _of_literal(code, expression[literal.end() :], at + literal.end(), depth)
    if expression.lstrip("&").isidentifier():
        name = expression.lstrip("&")
        for value, place in code.assigned(name, at):
            if found := new_name(code, value, place, makers, depth + 1):
                return found
        return _of_fields(code, name, at, depth)
    if call := _CALL.match(expression):
        for made in makers(call["name"]):
            arguments = list(_parts(expression[call.end() :]))
            made.given = {name: (code, part, at) for name, (part, _) in zip(made.params, arguments, strict=False)}
            for back in re.finditer(r"(?m)^[ \t]*return ", made.text):
                value = next(_parts(_expression(made.text, back.end())), ("", 0))[0]
                if value and (found := new_name(made, value, back.end(), makers, depth + 1)):
                    return found
    return None


def _of_literal(code: Code, inside: str, at: int, depth: int) -> tuple[Code, int] | None:
    """Of what stands behind the brace of an object's, or its metadata's, literal."""
    for part, start in _parts(inside):
        key, colon, value = part.partition(":")
        place = at + start + len(key) + 1
        if colon and (found := _of_field(code, key.strip(), value.strip(), place, depth)):
            return found
    return None


def _of_fields(code: Code, name: str, at: int, depth: int) -> tuple[Code, int] | None:
    """Of what is set of a local after it was made."""
    for found in re.finditer(_SET.format(name=re.escape(name)), code.text[:at]):
        value = _expression(code.text, found.end())
        if told := _of_field(code, found["field"], value, found.end(), depth):
            return told
    return None


def _of_field(code: Code, key: str, value: str, at: int, depth: int) -> tuple[Code, int] | None:
    if key == "GenerateName":
        return (code, at) if value not in {'""', "``"} else None
    if key == "Name":
        return _new(code, value, at, depth)
    if key == "ObjectMeta":
        values = [*code.assigned(value, at)] if value.isidentifier() else [(value, at)]
        for literal, place in values:
            opened = _LITERAL.match(literal)
            if opened and (found := _of_literal(code, literal[opened.end() :], place + opened.end(), depth)):
                return found
    return None


def _new(code: Code, value: str, at: int, depth: int = 0) -> tuple[Code, int] | None:
    """Where an expression gets something that is another each time: random, the time, a hash of what may change."""
    plain = _TEXT.sub('""', value)
    if depth > DEPTH:
        return None
    hashed = [part for call in _HASH.finditer(plain) for part, _ in _parts(plain[call.end() :])]
    if _RANDOM.search(plain) or _HASH_OF.search(plain) or any(_varies(code, part, at, depth) for part in hashed):
        return code, at
    for word in _WORD.findall(plain):
        if word in code.given:
            caller, argument, place = code.given[word]
            if found := _new(caller, argument, place, depth + 1):
                return found
        for assigned, place in code.assigned(word, at):
            if found := _new(code, assigned, place, depth + 1):
                return found
    return None


def _varies(code: Code, value: str, at: int, depth: int) -> bool:
    """Whether what is hashed may change while the owner is there: its spec, its data, all of it; its names do not."""
    plain = _TEXT.sub('""', value)
    if depth > DEPTH:
        return False
    if _CHANGES.search(plain):
        return True
    for word in _WORD.findall(plain):
        if re.search(rf"\b{word}\.", plain):
            continue  # owner.GetName(), key.String()
        if word in code.given:
            caller, argument, place = code.given[word]
            if _varies(caller, argument, place, depth + 1):
                return True
        elif word in code.params:
            if not _STAYS.match(code.params[word]):
                return True
        elif any(_is_object(one) or _varies(code, one, place, depth + 1) for one, place in code.assigned(word, at)):
            return True
    return False


def _is_object(value: str) -> bool:
    """Whether an expression is a literal of what has more than a name."""
    found = _LITERAL.match(value)
    return found is not None and _STAYS.match(found["type"]) is None


def _expression(text: str, at: int) -> str:
    """The expression that begins at a place: to the end of its line, or of what brackets hold together."""
    for one, place, depth in _unquoted(text, at):
        is_end = one == ";" or (one == "\n" and not text[at:place].rstrip().endswith(("+", ",", "=")))
        if depth < 0 or (depth == 0 and is_end):
            return text[at:place].strip()
    return text[at:].strip()


def _parts(text: str) -> Iterator[tuple[str, int]]:
    """What commas part up to the bracket that closes, or the end of the line; with the place of each."""
    start, end = 0, len(text)
    for one, place, depth in _unquoted(text):
        if depth < 0:
            end = place
            break
        if depth == 0 and one == ",":
            yield text[start:place], start
            start = place + 1
    if text[start:end].strip():
        yield text[start:end], start


def _unquoted(text: str, at: int = 0) -> Iterator[tuple[str, int, int]]:
    """(letter, its place, how many brackets are open behind it) from a place on, without what stands in quotes."""
    depth, place = 0, at
    while place < len(text):
        if quoted := _TEXT.match(text, place):
            place = quoted.end()
            continue
        depth += (text[place] in _OPENING) - (text[place] in _CLOSING)
        yield text[place], place, depth
        place += 1
