"""Options that say what is looked at; commands have them with words of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ghostkey.cli.completing import complete_holder, complete_kind

F = TypeVar("F", bound=Callable[..., Any])


def kinds_option(words: str = "Consider only these kinds as subjects (needs fewer rights).") -> Callable[[F], F]:
    """`--kinds`, as `kinds`."""
    return click.option("--kinds", multiple=True, metavar="KIND", shell_complete=complete_kind, help=words)


def subject_option(words: str = "Declare what keys are for, as with scan.") -> Callable[[F], F]:
    """`--subject`, as `subjects`."""
    return click.option("--subject", "subjects", multiple=True, metavar="KIND=TEMPLATE", help=words)


holders_option = click.option(
    "--holders", multiple=True, metavar="KIND", shell_complete=complete_holder, help="Look into configmaps or secrets only."
)
