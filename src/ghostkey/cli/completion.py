"""`ghostkey completion`, and completion for `kubectl ghostkey`."""

from __future__ import annotations

from collections.abc import Sequence

import click
from click.shell_completion import ShellComplete, get_completion_class

from ghostkey.cli import CONTEXT, program

NO_FILES = 4  # cobra's ShellCompDirectiveNoFileComp


@click.command("completion", context_settings=CONTEXT)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell: source <(ghostkey completion bash).

    For `kubectl ghostkey`, kubectl's own completion calls kubectl_complete-ghostkey, which is installed beside ghostkey.
    """
    found = get_completion_class(shell)
    if found is not None:
        click.echo(found(program, {}, "ghostkey", "_GHOSTKEY_COMPLETE").source())


def print_for_kubectl(words: Sequence[str]) -> None:
    """Prints completions as kubectl reads them: a line each, then a directive."""
    *before, incomplete = list(words) or [""]
    completer = ShellComplete(program, {}, "ghostkey", "_GHOSTKEY_COMPLETE")
    for item in completer.get_completions(list(before), incomplete):
        click.echo(item.value + (f"\t{item.help}" if item.help else ""))
    click.echo(f":{NO_FILES}")
