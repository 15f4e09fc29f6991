"""The command line: one file a command, parsing and rendering only. Commands are imported when they are called."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

import click

import ghostkey

# name → (module, first line of help): the help page of the program imports no command
# what each extra brings, by the name it is imported by
EXTRAS = {
    "cryptography": "testing", "duckdb": "history", "pyarrow": "history", "pyspark": "spark", "textual": "ui",
    "tree_sitter": "source", "tree_sitter_go": "source",
}  # fmt: skip
COMMANDS = {
    "scan": "Find ghost keys, and prove each.",
    "explain": "Show the evidence of a finding, or what an analysis means.",
    "trim": "Remove keys of one map, atomically and with a receipt.",
    "undo": "Put back what a trim removed.",
    "verify": "Watch that trimmed keys stay gone.",
    "ui": "Do all that in the terminal, full screen.",
    "blame": "Show who wrote each key of a map last.",
    "maps": "Show the maps of a running Go process, and who holds them.",
    "stacks": "Say which lines of code insert into a map of a Go process, and which delete.",
    "pprof": "Say which calls made maps grow, from the heap profiles of a Go program.",
    "lab": "Show on your own Go what is true of its maps.",
    "history": "Import audit logs, etcd snapshots and more, and look at what is known.",
    "record": "Record a cluster's keys and objects as they change.",
    "lint": "Find inserts without a delete in Go source.",
    "churn": "Test an operator for leaks, unmodified, with subjects that come and go, and faults.",
    "guard": "Keep maps from growing past a cap, by an admission policy.",
    "watch": "Watch a cluster: metrics of every map, Events for what is new.",
    "learn": "Make of one incident a guard, an alert, a lint configuration, a test and a post-mortem.",
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
        _let_it_tell(command)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is called, with the options that settings give it."""
        name, command, rest = super().resolve_command(ctx, args)
        if name and command is not None and not ctx.resilient_parsing:
            from ghostkey.cli.defaults import defaults_of

            ctx.default_map = {name: defaults_of(command, name, _words)}
        return name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


class Verbs(click.Group):
    """A command of several, each told by its first sentence; click itself would cut it off."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands."""
        with formatter.section("Commands"):
            told = {name: inner.help or "" for name, inner in sorted(self.commands.items())}
            formatter.write_dl([(name, _SENTENCE.split(" ".join(text.split()), maxsplit=1)[0]) for name, text in told.items()])


_SENTENCE = re.compile(r"(?<=[.])\s")
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


_words: list[str] = []  # of the command line
_is_verbose = False  # of this process: an error that ends it is told with where it came from


def _verbose() -> click.Option:
    # its level was taken out before: a level that click took would swallow a name
    text = "Say where an error came from; -v 6 tells each request."
    return click.Option(["-v", "--verbose"], is_flag=True, expose_value=False, help=text)


def _let_it_tell(command: click.Command) -> None:
    """Gives -v to a command and those below it."""
    if not any(parameter.name == "verbose" for parameter in command.params):
        command.params.append(_verbose())
    for inner in getattr(command, "commands", {}).values():
        _let_it_tell(inner)


@click.group(cls=Commands, context_settings=CONTEXT, invoke_without_command=True)
@click.version_option(ghostkey.__version__, prog_name="ghostkey", message="%(prog)s %(version)s")
@click.pass_context
def program(ctx: click.Context) -> None:
    """Find keys that outlive the subject they were written for, and take them away safely.

    Start with `ghostkey scan`. Nothing is changed without `trim --apply`, and `undo` puts it back.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


program.params.append(_verbose())


def run(arguments: Sequence[str]) -> int:
    """Runs the program and gives the exit code: 0 nothing, 1 findings, 2 usage, 3 not everything seen, 4 outdated, 5 failed."""
    from ghostkey.cli.levels import REQUESTS, levelled, meant, tell_requests
    from ghostkey.model.errors import GhostkeyError, with_extra

    global _is_verbose, _words  # noqa: PLW0603 (of the one command line of this process)
    words, level = levelled(arguments, list(COMMANDS))
    _words = words
    _is_verbose = level > 0
    if level >= REQUESTS:
        tell_requests(lambda text: click.echo(_line(text), err=True))
    try:
        try:
            code = program.main(words, prog_name=_called_as(), standalone_mode=False)
        finally:
            if options := sys.modules.get("ghostkey.cli.options"):
                options.ProgressLine.end()  # or an error would stand behind what was being done
    except GhostkeyError as error:
        _complain(str(error), error.hint)
        return error.exit_code
    except click.exceptions.Abort:
        return 130
    except click.UsageError as error:
        error.show()
        if hint := meant(error):
            click.echo(f"hint: {hint}", err=True)
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
    except ModuleNotFoundError as error:
        if (extra := EXTRAS.get((error.name or "").partition(".")[0])) is None:
            _confess(error)
        else:
            _complain(f"this needs {error.name}, which is not installed", with_extra(extra))
        return 5
    except OSError as error:
        _complain(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", "")
        return 5
    except Exception as error:  # noqa: BLE001 (whatever it is, it must not look like findings, and must not quote a secret)
        _confess(error)
        return 5
    return code if isinstance(code, int) else 0


def ended(code: int) -> int:
    """The exit code once all that was printed has gone out; 5 when it could not."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except BrokenPipeError:
            return 141
        except (OSError, ValueError) as error:
            if stream is not sys.stderr:
                _complain(f"cannot write: {getattr(error, 'strerror', None) or error}", "")
            code = 5
    return code


def _confess(error: Exception) -> None:
    """One line about an error that nobody foresaw. Its own words may quote a value, so they are never shown."""
    from ghostkey.model.errors import place_of, places_of

    again = "" if _is_verbose else ", run again with -v"
    _complain(f"this is a bug in ghostkey: {place_of(error)}{again}", "")
    if _is_verbose:
        for place in places_of(error):
            click.echo(f"  {place}", err=True)


def _called_as() -> str:
    return "kubectl ghostkey" if os.path.basename(sys.argv[0]).startswith("kubectl-") else "ghostkey"


def _complain(message: str, hint: str) -> None:
    click.echo(f"error: {_line(message)}", err=True)
    if hint:
        click.echo(f"hint: {_line(hint)}", err=True)


def _line(text: str) -> str:
    """The text in one line: a stranger's line feed must not begin a line that looks like ours."""
    from ghostkey.cli.terminal import safe

    return safe(" ".join(filter(None, (part.strip() for part in text.splitlines()))))
