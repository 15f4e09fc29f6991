"""Zero values as Go writes them: what a key is given that should have gone, and what a condition asks whether it is."""

from __future__ import annotations

import re

# A member of a set is no zero value: struct{}{}, sets.Empty{} and true say that the key is there. Nor is a pointer to what is made anew:
# &entry{} and new(entry) are another entry, which is filled next.
_NAME = r"(?!(?:\w+\.)*Empty\{)(?:\w+\.)*\w+(?:\[[^{}()]*\])?"
_NO_VALUE = r"nil|\"\"|``|'\\x00'|0(?:\.0*|x0+)?|\.0+|false"
# A conversion is written like a call (`checksum(nil)` makes something): a type is known by being Go's own, or by its name
_BASIC = r"string|bool|u?int(?:8|16|32|64)?|uintptr|float(?:32|64)|complex(?:64|128)|byte|rune|any"
_OF_TYPES = r"(?:\w+\.)?(?:[A-Z]\w*)?(?:UID|Duration|RawMessage|Phase|State|Mode|Kind)"
_CONVERTED = (  # []byte(nil), types.UID(""), (*pod)(nil)
    rf"(?:{_BASIC}|{_OF_TYPES}|\[\](?:byte|rune|string)|\(\*(?:\w+\.)*\w+\))\((?:{_NO_VALUE}|\"null\")\)"
)
_LITERAL = (
    rf"(?:{_NAME}|(?:map\[|\[\])[^{{}}]*)\{{\s*\}}"  # pod{}, time.Time{}, pair[string, int]{}, map[string]int{}, []string{}
)
_NEW = r"\*new\([^()]*\)|make\((?:map\[|\[\])[^()]*\)"
_NULL = r"\"null\"|`null`"
_ZERO = re.compile(rf"(?:{_NO_VALUE}|{_CONVERTED}|{_LITERAL}|{_NEW}|{_NULL})$")
# what is called so and makes something is no conversion
_MAKES = re.compile(
    r"(?:\w+\.)*(?:[mM]ake|[nN]ew|[gG]et|[bB]uild|[cC]reate|[pP]arse|[fF]ind|[aA]llocate|Sprint|Itoa|Format|Quote)\w*\("
)


def is_zero(value: str) -> bool:
    """Whether an expression is a zero value, an empty literal, or the word that JSON has for nothing."""
    return _ZERO.match(value) is not None and (value.startswith("make(") or _MAKES.match(value) is None)


def asks_for_more(condition: str, value: str) -> bool:
    """Whether a condition holds only where a value, an expression, is not its zero value."""
    one = rf"(?:\w+(?:\.\w+)*\()?{re.escape(value)}\)?"  # also string(v), strings.TrimSpace(v)
    zero = r"(?:\"\"|``|nil|0|false)"
    shapes = (
        rf"{one}\s*!=\s*{zero}",
        rf"{zero}\s*!=\s*{one}",
        rf"{one}\s*>\s*0|{one}\s*>=\s*1|{one}\s*==\s*true",
        rf"len\({one}\)\s*(?:>\s*0|!=\s*0|>=\s*1)",
        rf"!\s*{re.escape(value)}\.(?:IsZero|Empty)\(\)",
    )
    terms = [term.strip() for term in condition.split("&&")]
    return value in terms or any(re.fullmatch(shape, term) for term in terms for shape in shapes)


def asks_for_none(condition: str, value: str) -> bool:
    """Whether a condition holds just where a value is its zero value: who returns then never comes to what follows."""
    one = rf"(?:\w+(?:\.\w+)*\()?{re.escape(value)}\)?"
    zero = r"(?:\"\"|``|nil|0|false)"
    shapes = (
        rf"{one}\s*==\s*{zero}",
        rf"{zero}\s*==\s*{one}",
        rf"len\({one}\)\s*(?:==\s*0|<\s*1)",
        rf"!\s*{re.escape(value)}",
        rf"{re.escape(value)}\.(?:IsZero|Empty)\(\)",
    )
    return any(re.fullmatch(rf"\s*{shape}\s*", condition) for shape in shapes)
