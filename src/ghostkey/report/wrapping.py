"""Lines for people, broken at words where a terminal is narrower; commands and code stay whole, so that they can be copied."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.report.visible import MARKED, width_of

# what stands before the text: a number, a bullet, a label with a column of its own
_LEAD = re.compile(r" *(?:\d+\. |[-+•✓✗] |[\w-]{1,14}: +(?=ghostkey |kubectl )|[\w-]{1,14} {2,} *)?")
_CODE = re.compile(r" +\d+ \| | {12}[-+] ")  # as findings of lint show it: nobody breaks code for its author
_PIECE = re.compile(r" *[^ ]+| +$")
_PROGRAMS = {"ghostkey", "kubectl", "pip"}
# what stands in commands and hardly ever in prose
_IN_COMMANDS = re.compile(r"^-|[/=|'\"{}<>]|^\d{4}|^(?:cm|get|grep|jq)$")
_CLOSES = re.compile(r"[;,:.)]$")


def wrapped(line: str, width: int) -> str:
    """The line, broken at spaces into lines of at most `width` columns where it is longer; those that follow stand in a little.

    A word or a command that is longer by itself is not broken: the terminal does that, and what is copied from it is whole.
    """
    if width_of(line) <= width or _CODE.match(line):
        return line
    lead = _LEAD.match(line)[0]  # type: ignore[index]  # (it matches nothing, too)
    indent = " " * (len(lead) if lead.strip() else len(lead) + 2)
    if len(indent) > width // 2:
        indent = "  "
    lines, current, used = [], lead, len(lead)
    for piece in _whole(_PIECE.findall(line[len(lead) :])):
        size = _shown(piece)
        if used + size > width and current not in {lead, indent}:
            lines.append(current)
            current, used = indent + piece.lstrip(" "), len(indent) + _shown(piece.lstrip(" "))
        else:
            current, used = current + piece, used + size
    return "\n".join([*lines, current])


def _shown(text: str) -> int:
    """Columns of a piece; marks of ours take none."""
    return width_of(MARKED.sub("", text) if "\x00" in text else text)


def _whole(pieces: list[str]) -> Iterator[str]:
    """The pieces, those of one command as one."""
    command: list[str] = []
    is_quoted = False
    for piece in pieces:
        word = piece.strip(" ")
        if command and (is_quoted or _goes_on(command, word)):
            command.append(piece)
            is_quoted ^= word.count("'") % 2 == 1
            continue
        if command:
            yield "".join(command)
            command = []
        if word.lstrip("`'(") in _PROGRAMS:
            command, is_quoted = [piece], False
        else:
            yield piece
    if command:
        yield "".join(command)


def _goes_on(command: list[str], word: str) -> bool:
    """Whether a word is of the command before it: its verb, an option or its value, a name such as prose does not have."""
    before = command[-1].strip(" ")
    if _CLOSES.search(before):
        return False
    return len(command) == 1 or before.startswith("-") or before in {"|", "grep"} or _IN_COMMANDS.search(word) is not None
