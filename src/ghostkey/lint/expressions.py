"""Go expressions that become keys, as the keys that they can make."""

from __future__ import annotations

import re

from ghostkey.lint.module import Spot

DEPTH = 3  # functions that are asked for a key
ANYTHING = ".*"
UNKNOWN_MOST = 6  # unknown parts of one key: what is tried grows with their number
_RUNS = re.compile(r"(?:\.\*)+")
_SYNTAX = re.compile(r"(?<!\\)(?:\.\*|\\d\+|\(\?:|\)|\|)")
_OPENING, _CLOSING = "([{", ")]}"
_QUOTES = "\"'`"
_LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"$|`([^`]*)`$')
_VERB = re.compile(r"%[-+# 0-9.]*([a-zA-Z%])")
_CALLED = re.compile(r"(?:[\w.]+\.)?(\w+)\(")
_PLAIN = re.compile(r"^\w+$")
_SAME = frozenset({"ToLower", "ToUpper", "TrimSpace", "string", "Clean"})
_SPRINTF = frozenset({"Sprintf"})


def parts(text: str, separator: str) -> list[str] | None:
    """An expression cut at a separator that stands in no bracket and no string; None where brackets do not match."""
    depth, quote, begin = 0, "", 0
    found: list[str] = []
    for at, character in enumerate(text):
        if quote:
            quote = "" if character == quote and (quote == "`" or text[at - 1] != "\\") else quote
        elif character in _QUOTES:
            quote = character
        elif character == separator and depth == 0:
            found.append(text[begin:at].strip())
            begin = at + 1
        else:
            depth += (character in _OPENING) - (character in _CLOSING)
            if depth < 0:
                return None
    return [*found, text[begin:].strip()] if depth == 0 and not quote else None


def keys_of(expression: str, spot: Spot, functions: dict[str, list[Spot]], depth: int = 0) -> str:
    """The keys that an expression can make, as a regular expression: what is not known is `.*`."""
    expression = expression.strip()
    literal = _LITERAL.match(expression)
    if literal:
        return re.escape(literal[1] if literal[1] is not None else literal[2])
    added = parts(expression, "+")
    if added and len(added) > 1:
        return "".join(keys_of(one, spot, functions, depth) for one in added)
    if _PLAIN.match(expression):
        local = spot.function.locals.get(expression)
        if local is not None and depth < DEPTH:
            return keys_of(local.whole or local.text, spot, functions, depth + 1)
        return _constant(expression, spot)
    called = _CALLED.match(expression)
    if called and expression.endswith(")"):
        return _made(called[1], parts(expression[called.end() : -1], ",") or [], spot, functions, depth)
    return ANYTHING


def can_make(pattern: str, key: str) -> bool:
    """Whether a key may be one of those; with many unknown parts every key is, and no time is lost on it."""
    short = _RUNS.sub(ANYTHING, pattern)
    return short.count(ANYTHING) > UNKNOWN_MOST or re.fullmatch(short, key, re.DOTALL) is not None


def characters_said(pattern: str) -> int:
    """How many characters of a key an expression fixes."""
    return len(re.sub(r"\\(.)", r"\1", _SYNTAX.sub("", pattern)))


def _made(name: str, given: list[str], spot: Spot, functions: dict[str, list[Spot]], depth: int) -> str:
    """What a call returns: Sprintf, what leaves its argument alike, or a function of the package that makes one string."""
    if name in _SPRINTF and given and (literal := _LITERAL.match(given[0])):
        words = literal[1] if literal[1] is not None else literal[2]
        made, at, used = "", 0, 0
        for verb in _VERB.finditer(words):
            made += re.escape(words[at : verb.start()])
            at = verb.end()
            if verb[1] == "%":
                made += "%"
                continue
            used += 1
            known = keys_of(given[used], spot, functions, depth + 1) if used < len(given) and verb[1] in "sv" else ANYTHING
            made += r"\d+" if verb[1] == "d" else known
        return made + re.escape(words[at:])
    if name in _SAME and len(given) == 1:
        return keys_of(given[0], spot, functions, depth)
    own = [one for one in functions.get(name, ()) if one.package is spot.package and one.function.result == "string"]
    if len(own) == 1 and depth < DEPTH:
        returned = {keys_of(one.text.removeprefix("return "), own[0], functions, depth + 1) for one in own[0].function.returns}
        if returned:
            return returned.pop() if len(returned) == 1 else f"(?:{'|'.join(sorted(returned))})"
    return ANYTHING


def _constant(name: str, spot: Spot) -> str:
    """The text of a constant or variable of the package, where one line says it."""
    if name not in spot.package.constants and name not in spot.package.variables:
        return ANYTHING
    said = re.compile(rf'\b{re.escape(name)}\b[\w\s.]*=\s*("(?:[^"\\]|\\.)*"|`[^`]*`)')
    for facts in spot.package.files:
        for line in facts.source:
            if found := said.search(line):
                return re.escape(found[1][1:-1])
    return ANYTHING
