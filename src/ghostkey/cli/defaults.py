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
OTHERS = {"lint"}  # whose --config is a file of another sort
_DEEP = 64
_HELP = {"-h", "--help"}


def defaults_of(command: click.Command, name: str, words: Sequence[str]) -> dict[str, Any]:
    """Values by parameter, for commands that read the settings anyway. Raises UsageError for what is wrong in them.

    Other commands take nothing from settings; options that a file means to give them are an error too, rather than passed over.
    """
    if _HELP & set(words):
        return {}
    is_reader = name not in OTHERS and any(parameter.name == "config" for parameter in command.params)
    path = _named(words) if is_reader else None
    if path is None and not any((place / ".ghostkey.yaml").is_file() for place in [Path.cwd(), *Path.cwd().parents][:_DEEP]):
        return {}
    from ghostkey import silences
    from ghostkey.cli import COMMANDS
    from ghostkey.model.errors import UsageError
    from ghostkey.model.nearest import nearest

    try:
        found = Path(path) if path else silences.find_settings(Path.cwd())
    except UsageError:
        if is_reader:
            raise
        return {}  # somebody else's file, from which nothing would be taken
    options: Mapping[str, Mapping[str, Any]] = {}
    if found:
        options = silences.read_settings(found).options if is_reader else silences.read_options(found, COMMANDS)
    _check_commands(found, options)
    by_word = {word.lstrip("-"): parameter for parameter in command.params for word in parameter.opts if word.startswith("--")}
    values: dict[str, Any] = {}
    for word, value in options.get(name, {}).items():
        parameter = by_word.get(word)
        if name not in READERS or word not in ALLOWED or parameter is None or parameter.name is None:
            known = sorted(ALLOWED & by_word.keys()) if name in READERS else []
            hint = f"{nearest(word, known)} it may give {', '.join(known) or 'nothing'}".strip()
            raise UsageError(f"{found}: options.{name}: {word} is not for a settings file to give", hint)
        values[parameter.name] = value if parameter.multiple or not isinstance(value, list) else value[0] if value else None
        if parameter.multiple and not isinstance(value, list):
            values[parameter.name] = [value]
    return values


def _check_commands(found: Path | None, options: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises UsageError for options of a command that there is not: whoever meant one would never hear that they are not its."""
    from ghostkey.cli import COMMANDS
    from ghostkey.model.errors import UsageError
    from ghostkey.model.nearest import nearest

    for unknown in (name for name in options if name not in COMMANDS):
        hint = f"{nearest(unknown, list(COMMANDS))} a settings file may give options of {' and '.join(sorted(READERS))}".strip()
        raise UsageError(f"{found}: options.{unknown[:60]}: no command is named so", hint)


def _named(words: Sequence[str]) -> str | None:
    for at, word in enumerate(words):
        if word == "--config" and at + 1 < len(words):
            return words[at + 1]
        if word.startswith("--config="):
            return word.partition("=")[2]
    return None
