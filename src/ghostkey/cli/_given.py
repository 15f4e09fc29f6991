"""`ghostkey churn` in a cluster that is given: its options, the question before it, and cleaning up after a run that was killed."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from ghostkey.cli.terminal import say
from ghostkey.cli.where import Where
from ghostkey.model.counts import counted

if TYPE_CHECKING:
    from ghostkey.churn.campaign import Outcome, Wanted
    from ghostkey.churn.given_operator import Started
    from ghostkey.kube.client import ApiClient

F = TypeVar("F", bound=Callable[..., Any])
NOT_ALL_SEEN, FAILED = 3, 5  # exit codes
FOLDER = "churn"  # of the state folder: notes of what runs are about to make


@dataclass(frozen=True, slots=True)
class Given:
    """The options as they were given."""

    where: Where
    prefix: str
    is_agreed: bool
    cleans_up: bool
    writes_in: tuple[str, ...]

    @property
    def is_asked(self) -> bool:
        """Whether a given cluster is meant, rather than a control plane of our own."""
        return bool(self.where.context or self.where.kubeconfig or self.cleans_up)

    def run(
        self,
        samples: Sequence[str],
        wanted: Wanted,
        source: tuple[str, int],
        form: tuple[str, Path | None],
        started: Started | None,
    ) -> int:
        """The exit code. `source`: URL of /metrics and seed; `form`: how to print, and the page; `started`: the operator, if we start it.

        Raises UsageError and what the API says.
        """
        from ghostkey.churn import given
        from ghostkey.churn.subjects import read_documents
        from ghostkey.cli.options import ProgressLine
        from ghostkey.cli.terminal import safe
        from ghostkey.model.errors import UsageError
        from ghostkey.report.churn import render
        from ghostkey.store.state import state_directory

        client, folder = self.where.client(), state_directory() / FOLDER
        if self.cleans_up:
            return self._clean_up(folder)
        documents = read_documents(samples)
        if not documents:
            raise UsageError("there is no sample to make subjects of", "give --sample FILE")
        given.check_prefix(self.prefix)
        self._ask(client.config.server, started)
        self._say_what_cleans_up(client, folder)
        progress = ProgressLine()
        try:
            outcome = given.Given(client, self.prefix, wanted, folder, *source, progress, started).run(documents)
        finally:
            progress.done()
        print_outcome(render(outcome, form[0]), form[0])
        if form[1] is not None:
            write_outcome_page(form[1], outcome, client.config.server)
        for note in outcome.notes:
            click.echo(safe(f"note: {note}"), err=True)
        return outcome.exit_code

    def _ask(self, server: str, started: Started | None) -> None:
        what = f"a namespace {self.prefix}… with subjects is made in {server}, and removed again"
        if started is not None:
            more = f" and in {', '.join(started.writes_in)}" if started.writes_in else ""
            what += f"; {started.command!r} is started here, and may write there{more}"
        self._agree(what)

    def _agree(self, what: str) -> None:
        """Asks, unless --yes was given. Raises UsageError where nobody agrees."""
        from ghostkey.cli.terminal import safe
        from ghostkey.model.errors import UsageError

        if not self.is_agreed and not (sys.stdin.isatty() and click.confirm(safe(f"{what}. Go on?"), err=True)):
            raise UsageError(f"nobody has agreed that {what}", "add --yes")

    def _say_what_cleans_up(self, client: ApiClient, folder: Path) -> None:
        """The line that cleans up after this run, before it makes anything; and what earlier ones have left."""
        from ghostkey.churn.given_receipt import cluster_of, receipts_in
        from ghostkey.cli.terminal import safe

        again = f"ghostkey churn --clean-up{self.where.words()}"

        def tell(text: str) -> None:
            click.echo(safe(f"note: {text}"), err=True)

        killed = [receipt for receipt, is_in_use in receipts_in(folder, client.config.server, tell) if not is_in_use]
        # those of another cluster that had this address are none of this one's
        here = cluster_of(client) if killed else ""
        left = [receipt.namespace for receipt in killed if not here or receipt.cluster in {"", here}]
        if left:
            click.echo(safe(f"note: a run that was killed has left {', '.join(left)}: {again}"), err=True)
        click.echo(safe(f"if this run is killed: {again}"), err=True)

    def _clean_up(self, folder: Path) -> int:
        from ghostkey.churn.given_receipt import clean_up, receipts_in
        from ghostkey.cli.terminal import safe
        from ghostkey.model.errors import GhostkeyError

        client = self.where.client()
        code = 0

        def unread(text: str) -> None:
            nonlocal code
            code = NOT_ALL_SEEN
            click.echo(safe(text), err=True)

        found = receipts_in(folder, client.config.server, unread)
        receipts = [receipt for receipt, is_in_use in found if not is_in_use]
        for receipt in (receipt for receipt, is_in_use in found if is_in_use):
            click.echo(safe(f"the run of namespace {receipt.namespace} goes on: it is left alone"), err=True)
        if not receipts:
            click.echo("no run has left anything there" if not code else "no other run has left anything there", err=True)
            return code
        for receipt in receipts:
            click.echo(safe(f"  - namespace {receipt.namespace} (receipt {receipt.path})"), err=True)
            for path, uid in receipt.subjects.items():
                click.echo(safe(f"    - {path} {uid or '(if it was made)'}"), err=True)
        self._agree(f"these are removed from {client.config.server}, and finalizers that the operators of those runs put on them")
        held = left = 0
        for receipt in receipts:
            try:
                one = clean_up(client, receipt)
                held, why, worst = held + one.held, one.why, FAILED
            except (GhostkeyError, OSError) as error:  # the others are cleaned up all the same
                why = f"namespace {receipt.namespace} could not be removed: {error}"
                worst = error.exit_code if isinstance(error, GhostkeyError) else FAILED
            if why:
                left, code = left + 1, max(code, worst)
                click.echo(safe(why), err=True)
        if held:
            click.echo(f"finalizers were taken from {counted(held, 'subject')}", err=True)
        click.echo(
            f"{len(receipts) - left} of {counted(len(receipts), 'run that was not finished is', 'runs that were not finished are')} cleaned up",
            err=True,
        )
        return code


def given_options(function: F) -> F:
    """Which cluster, if one is given; the command gets them as one `given`."""

    @functools.wraps(function)
    def command(
        *args: object,
        context: str | None,
        kubeconfig: str | None,
        namespace_prefix: str,
        yes: bool,
        clean_up: bool,
        writes_in: tuple[str, ...],
        **rest: object,
    ) -> object:
        given = Given(Where(kubeconfig, context), namespace_prefix, yes, clean_up, writes_in)
        return function(*args, given=given, **rest)

    for option in reversed(
        [
            click.option(
                "--context",
                metavar="NAME",
                help="Test in this cluster; the operator runs there already, or is started by --operator, for faults that need no proxy.",
            ),
            click.option(
                "--kubeconfig", metavar="FILE", help="The same, of this kubeconfig; that of the operator is always made for it."
            ),
            click.option(
                "--namespace-prefix", default="gk-", show_default=True, metavar="TEXT", help="Of the namespace made there."
            ),
            click.option(
                "--writes-in",
                multiple=True,
                metavar="NS",
                help="In a given cluster: --operator may write in this namespace too; may be repeated.",
            ),
            click.option("--yes", is_flag=True, help="Do not ask before it is made, or removed."),
            click.option("--clean-up", is_flag=True, help="Remove what runs that were killed have left in the cluster, and end."),
        ]
    ):
        option(command)
    return cast(F, command)


def print_outcome(text: str, form: str) -> None:
    """Prints an outcome as it was rendered: for people, or for programs."""
    if form == "table":
        say(*text.split("\n"))
    else:
        click.echo(text)


def write_outcome_page(path: Path, outcome: Outcome, operator: str) -> None:
    """The page with the curves."""
    from ghostkey.cli.output import write_page
    from ghostkey.report.churn_page import page

    write_page(path, page(outcome, operator.split(maxsplit=1)[0].rpartition("/")[2]))
