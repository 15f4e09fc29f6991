"""Options that `.ghostkey.yaml` gives a command, where the command line does not: of what is looked at and how it is shown, and no others.

A settings file may come with a checkout: nothing in it can say which cluster is asked, as whom, or what is written; and a command
that removes keys takes nothing from it, since who says what keys are for says which of them go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

ALLOWED = {"kinds", "holders", "subject", "only", "output", "severity", "fail-on", "color", "field", "local"}
READERS = {"scan", "watch"}
NEVER = {"undo", "version", "completion"}  # what somebody else's file may not stand in the way of
OTHERS = {"lint"}  # whose --config is a file of another sort
_DEEP = 64
_HELP = {"-h", "--help"}


def defaults_of(command: click.Command, name: str, words: Sequence[str]) -> dict[str, Any]:
    """Values by parameter, for commands that read the settings anyway. Raises UsageError for what is wrong in them.

    Other commands take nothing from settings; options that a file means to give them are an error too, rather than passed over. What
    is meant for another command is that one's affair.
    """
    if name in NEVER or _HELP & set(words):
        return {}
    is_reader = name not in OTHERS and any(parameter.name == "config" for parameter in command.params)
    path = _named(words) if is_reader else None
    if path is None and not _is_there():
        return {}
    from ghostkey import silences
    from ghostkey.model.errors import UsageError
    from ghostkey.model.nearest import nearest

    try:
        found = Path(path) if path else silences.nearest_settings()
    except UsageError:
        if is_reader:
            raise
        return {}  # somebody else's file, from which nothing would be taken
    options: Mapping[str, Any] = {}
    if found:
        options = silences.read_settings(found).options if is_reader else silences.read_options(found, name)
    if is_reader:
        _tell_of_strangers(found, options)
    by_word = {word.lstrip("-"): parameter for parameter in command.params for word in parameter.opts if word.startswith("--")}
    values: dict[str, Any] = {}
    for word, value in silences.options_of(options, name, found).items():
        parameter = by_word.get(word)
        if name not in READERS or word not in ALLOWED or parameter is None or parameter.name is None:
            known = sorted(ALLOWED & by_word.keys()) if name in READERS else []
            hint = f"{nearest(word, known)} it may give {', '.join(known) or 'nothing'}".strip()
            raise UsageError(f"{found}: options.{name}: {word} is not for a settings file to give", hint)
        silences.check_option(value, name, word, found)
        values[parameter.name] = value if parameter.multiple or not isinstance(value, list) else value[0] if value else None
        if parameter.multiple and not isinstance(value, list):
            values[parameter.name] = [value]
    return values


def _is_there() -> bool:
    """Whether there is a file of settings: without one nothing more is imported. Where the current folder has gone there is none."""
    try:
        here = Path.cwd()
    except OSError:
        return False
    return any((place / ".ghostkey.yaml").is_file() for place in [here, *here.parents][:_DEEP])


def _tell_of_strangers(found: Path | None, options: Mapping[str, Any]) -> None:
    """Notes options of a command that there is not: whoever meant one would never hear that they are not its."""
    from ghostkey.cli import COMMANDS
    from ghostkey.cli.terminal import safe
    from ghostkey.model.nearest import nearest

    for unknown in (name for name in options if name not in COMMANDS):
        near = nearest(unknown, list(COMMANDS))
        text = f"note: {found}: options.{unknown[:60]}: no command is named so{near and f'; {near}'}"
        click.echo(safe(" ".join(text.split())), err=True)


def _named(words: Sequence[str]) -> str | None:
    for at, word in enumerate(words):
        if word == "--config" and at + 1 < len(words):
            return words[at + 1]
        if word.startswith("--config="):
            return word.partition("=")[2]
    return None
