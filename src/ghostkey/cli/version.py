"""`ghostkey version`."""

from __future__ import annotations

import click

import ghostkey
from ghostkey.cli import CONTEXT


@click.command("version", context_settings=CONTEXT)
def command() -> None:
    """Print the version."""
    click.echo(f"ghostkey {ghostkey.__version__}")
