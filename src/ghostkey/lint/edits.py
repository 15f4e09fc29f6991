"""Edits that rules suggest where the shape is simple: a line of Go, and what stands in its place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ghostkey.lint.expressions import parts
from ghostkey.lint.module import Spot
from ghostkey.lint.reach import is_gone

_TAKES_OUT = {"Store": "Delete", "LoadOrStore": "Delete", "Swap": "Delete", "Insert": "Delete", "Add": "Delete"}
_WORD = re.compile(r"(?<![\w.\"])[A-Za-z_]\w*")
_NOT_FOUND = re.compile(r"NotFound")


@dataclass(frozen=True, slots=True)
class Edit:
    """`old` is the line's text without its indentation; each line of `new` gets that indentation."""

    path: str
    line: int
    old: str
    new: str


def instead(spot: Spot, line: int, new: str) -> Edit:
    """Another text in place of a line."""
    return Edit(spot.file.path, line, text_of(spot, line), new)


def before(spot: Spot, line: int, new: str) -> Edit:
    """Lines above a line."""
    return instead(spot, line, f"{new}\n{text_of(spot, line)}")


def after(spot: Spot, line: int, new: str) -> Edit:
    """Lines below a line."""
    return instead(spot, line, f"{text_of(spot, line)}\n{new}")


def text_of(spot: Spot, line: int) -> str:
    """A line without its indentation; empty where the file has none of that number."""
    source = spot.file.source
    return source[line - 1].strip() if 0 < line <= len(source) else ""


def assignment(text: str) -> tuple[str, str, str] | None:
    """`m[key] = value` as (m, key, value), where a line is that and nothing else."""
    left, equals, value = text.partition(" = ")
    if not equals or not left.endswith("]") or "//" in value:
        return None
    for at in (at for at, character in enumerate(left) if character == "["):
        if parts(left[:at], ",") and parts(left[at + 1 : -1], ","):
            return left[:at], left[at + 1 : -1], value
    return None


def deletion(text: str) -> tuple[str, str] | None:
    """`delete(m, key)` as (m, key), where a line is that and nothing else."""
    if not (text.startswith("delete(") and text.endswith(")")):
        return None
    given = parts(text[len("delete(") : -1], ",")
    return (given[0], given[1]) if given and len(given) == 2 else None


def taking_out(spot: Spot, line: int, how: str) -> tuple[str, str] | None:
    """The statement that takes out what an insert of one line puts in, and its key; None where the line is more than that."""
    text = text_of(spot, line)
    if how == "=":
        found = assignment(text)
        return (f"delete({found[0]}, {found[1]})", found[1]) if found else None
    counted = re.fullmatch(r"([\w.]+)\[([^\[\]]+)\]\+\+", text)
    if how == "++" and counted:
        return f"delete({counted[1]}, {counted[2]})", counted[2]
    called = re.fullmatch(rf"([\w.]+)\.{re.escape(how)}\(([\w.]+(?:\(\))?)(?:, .*)?\)", text)
    return (f"{called[1]}.{_TAKES_OUT[how]}({called[2]})", called[2]) if called and how in _TAKES_OUT else None


def release_when_gone(spot: Spot, line: int, how: str) -> tuple[Edit, ...]:
    """The delete that an insert lacks, in front of the return for what is not found; for keys made of the function's parameters alone."""
    taken = taking_out(spot, line, how)
    known = {name for name, _ in spot.function.params} | {spot.function.receiver}
    if any(call.name in {"Lock", "RLock"} for call in spot.function.calls):
        return ()  # a delete belongs under the same lock, and where that is free is not said here
    if taken is None or not set(_WORD.findall(taken[1])) <= known:
        return ()
    returns = [one for one in spot.function.returns if is_gone(one.branches)]
    returns = [one for one in returns if any(_NOT_FOUND.search(branch.text) for branch in one.branches)] or returns[-1:]
    return (before(spot, returns[0].line, taken[0]),) if returns and returns[0].line < line else ()
