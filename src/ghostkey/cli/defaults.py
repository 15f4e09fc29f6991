"""Options that `.ghostkey.yaml` gives a command, where the command line does not: of what is looked at and how it is shown, and no others.

A settings file may come with a checkout: nothing in it can say which cluster is asked, as whom, or what is written; and a command
that removes keys takes nothing from it, since who says what keys are for says which of them go.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

ALLOWED = {"kinds", "holders", "subject", "only", "output", "severity", "fail-on", "color", "field", "local"}
READERS = {"scan", "watch"}
OTHERS = {"lint"}  # whose --config is a file of another sort
_DEEP = 64


def defaults_of(command: click.Command, name: str, words: Sequence[str]) -> dict[str, Any]:
    """Values by parameter, for commands that read the settings anyway. Raises UsageError for what is wrong in them."""
    if name in OTHERS or not any(parameter.name == "config" or "--config" in parameter.opts for parameter in command.params):
        return {}
    path = _named(words)
    if path is None and not any((place / ".ghostkey.yaml").is_file() for place in [Path.cwd(), *Path.cwd().parents][:_DEEP]):
        return {}
    from ghostkey import silences
    from ghostkey.model.errors import UsageError
    from ghostkey.model.nearest import nearest

    found = Path(path) if path else silences.find_settings(Path.cwd())
    chosen = silences.read_settings(found).options.get(name, {}) if found else {}
    by_word = {word.lstrip("-"): parameter for parameter in command.params for word in parameter.opts if word.startswith("--")}
    values: dict[str, Any] = {}
    for word, value in chosen.items():
        parameter = by_word.get(word)
        if name not in READERS or word not in ALLOWED or parameter is None or parameter.name is None:
            known = sorted(ALLOWED & by_word.keys()) if name in READERS else []
            hint = f"{nearest(word, known)} it may give {', '.join(known) or 'nothing'}".strip()
            raise UsageError(f"{found}: options.{name}: {word} is not for a settings file to give", hint)
        values[parameter.name] = value if parameter.multiple or not isinstance(value, list) else value[0] if value else None
        if parameter.multiple and not isinstance(value, list):
            values[parameter.name] = [value]
    return values


def _named(words: Sequence[str]) -> str | None:
    for at, word in enumerate(words):
        if word == "--config" and at + 1 < len(words):
            return words[at + 1]
        if word.startswith("--config="):
            return word.partition("=")[2]
    return None
