"""The command line: one file a command, parsing and rendering only. Commands are imported when they are called."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

import ghostkey

# name → (module, first line of help): the help page of the program imports no command
COMMANDS = {
    "scan": "Find ghost keys, and prove each.",
    "explain": "Show the evidence of a finding, or what an analysis means.",
    "trim": "Remove keys of one map, atomically and with a receipt.",
    "undo": "Put back what a trim removed.",
    "verify": "Watch that trimmed keys stay gone.",
    "blame": "Show who wrote each key of a map last.",
    "history": "Import audit logs, etcd snapshots and more, and look at what is known.",
    "record": "Record a cluster's keys and objects as they change.",
    "rbac": "Print the rights that a command needs.",
    "completion": "Print the completion script of a shell.",
    "version": "Print the version.",
}


class ReaderGoneError(Exception):
    """Nobody reads the output any more."""


class Commands(click.Group):
    """The commands, each imported from its file when it is needed."""

    def invoke(self, ctx: click.Context) -> Any:
        """What the command gives. Raises ReaderGoneError, where click itself would end with the 1 that means findings."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise ReaderGoneError from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of a working day."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"ghostkey.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group(cls=Commands, context_settings=CONTEXT, invoke_without_command=True)
@click.version_option(ghostkey.__version__, prog_name="ghostkey", message="%(prog)s %(version)s")
@click.pass_context
def program(ctx: click.Context) -> None:
    """Find keys that outlive the subject they were written for, and take them away safely.

    Start with `ghostkey scan`. Nothing is changed without `trim --apply`, and `undo` puts it back.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def run(arguments: Sequence[str]) -> int:
    """Runs the program and gives the exit code: 0 nothing, 1 findings, 2 usage, 3 not everything seen, 4 outdated, 5 failed."""
    from ghostkey.model.errors import GhostkeyError

    try:
        code = program.main(list(arguments), prog_name=_called_as(), standalone_mode=False)
    except GhostkeyError as error:
        _complain(str(error), error.hint)
        return error.exit_code
    except click.exceptions.Abort:
        return 130
    except click.UsageError as error:
        error.show()
        return 2
    except click.ClickException as error:
        _complain(error.format_message(), "")
        return 2
    except KeyboardInterrupt:
        return 130
    except ReaderGoneError:
        # the reader has seen enough, as in `ghostkey scan | head`; nothing more can be said on stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        _complain(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", "")
        return 5
    return code if isinstance(code, int) else 0


def _called_as() -> str:
    return "kubectl ghostkey" if os.path.basename(sys.argv[0]).startswith("kubectl-") else "ghostkey"


def _complain(message: str, hint: str) -> None:
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)
