"""Options that say what is looked at; commands have them with words of their own."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

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


def grouped(name: str, group: type[Any], *options: Callable[[F], F]) -> Callable[[F], F]:
    """Options that belong together: a command gets them as one argument, a dataclass whose fields are called as they are."""
    fields = [one.name for one in dataclasses.fields(group)]

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def command(*args: object, **given: object) -> object:
            made = group(**{field: given.pop(field) for field in fields})
            return function(*args, **{name: made}, **given)

        for option in reversed(options):
            option(command)  # notes itself on what it is given
        return cast(F, command)

    return decorate
