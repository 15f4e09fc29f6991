"""`-v LEVEL` as kubectl takes it, and what a word that nobody knows may have been meant for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import click

REQUESTS = 6  # from this level on each request is told, as with kubectl
_JOINED = re.compile(r"(?:-v=?|--v=|--verbose=)(\d{1,2})")
_LEVEL = re.compile(r"\d|10")
NUMBERED = {"maps", "stacks", "pprof"}  # whose first word may be a number: of a process


def levelled(arguments: Sequence[str], commands: Sequence[str]) -> tuple[list[str], int]:
    """The arguments with a plain `-v` for each level, and the highest level: `-v 6`, `-v=6`, `-v6`, `--v=6`, `--v 6`."""
    command = next((word for word in arguments if word in commands), "")
    level, words = 0, list(arguments)
    end = words.index("--") if "--" in words else len(words)
    kept: list[str] = []
    at = 0
    while at < end:
        word = words[at]
        at += 1
        if (joined := _JOINED.fullmatch(word)) is not None:
            level, word = max(level, int(joined[1])), "-v"
        elif word in {"-v", "--v", "--verbose"}:
            follows = at < end and _LEVEL.fullmatch(words[at]) is not None and command not in NUMBERED
            level = max(level, int(words[at]) if follows else 1)
            at += follows
            word = "-v"
        kept.append(word)
    return [*kept, *words[end:]], level


def tell_requests(say: Callable[[str], None]) -> None:
    """Has each request told from now on."""
    from ghostkey.kube import telling

    telling.tell = say


def meant(error: click.UsageError) -> str:
    """The command or the value that may have been meant, in words; empty where click itself says it, or nobody can."""
    from ghostkey.model.nearest import nearest

    return next((said for word, known in _asked(error) if (said := nearest(word, known))), "")


def _asked(error: click.UsageError) -> Iterator[tuple[str, Sequence[str]]]:
    """(word, words that are known) of what an error is about."""
    found = re.search(r"'([^']{1,100})'", error.message)
    if found is None or getattr(error, "possibilities", None):
        return
    if error.message.startswith("No such command") and error.ctx is not None and isinstance(error.ctx.command, click.Group):
        yield found[1], error.ctx.command.list_commands(error.ctx)
    if isinstance(error, click.BadParameter) and error.param is not None and isinstance(error.param.type, click.Choice):
        yield found[1], [str(choice) for choice in error.param.type.choices]
