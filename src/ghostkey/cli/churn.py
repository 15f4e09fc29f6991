"""`ghostkey churn`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli._given import Given, given_options, told, write_outcome_page
from ghostkey.report.churn import FORMATS

if TYPE_CHECKING:
    from ghostkey.churn.run import Request
    from ghostkey.cli.options import ProgressLine

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("churn", context_settings=CONTEXT)
@click.option(
    "--operator", metavar="'PROGRAM --FLAG …'", help="How to start the operator; {kubeconfig} stands for its kubeconfig."
)
@click.option("--crds", multiple=True, metavar="FILE|DIR", help="CRDs of the operator; may be repeated.")
@click.option(
    "--sample", "samples", multiple=True, metavar="FILE", help="Objects that make one subject; {{n}} is a running number."
)
@click.option("--setup", multiple=True, metavar="FILE", help="Objects that the operator needs to be there.")
@click.option("--env", "environment", multiple=True, metavar="NAME=VALUE", help="Environment of the operator; may be repeated.")
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True, help="How often subjects come and go.")
@click.option("--subjects", type=click.IntRange(1, 2000), default=20, show_default=True, help="Subjects of each round.")
@click.option("--faults/--no-faults", default=True, help="Have faults meet every call of a subject, too.")
@click.option("--fault", "chosen", multiple=True, metavar="NAME", help="Only this fault; may be repeated.")
@click.option("--list-faults", "listed", is_flag=True, help="List the faults and end.")
@click.option("--patience", default="90s", show_default=True, metavar="TIME", help="How long delayed cleanups are waited for.")
@click.option("--for", "duration", default="10m", show_default=True, metavar="TIME", help="Begin no new trial after that.")
@click.option("--life", default="0s", metavar="TIME", help="How long subjects live, for an operator that works by the clock.")
@click.option("--plan", "plan_file", type=_FILE, metavar="FILE", help="Carry out this plan, as --reproduction writes it.")
@click.option("--allow", multiple=True, metavar="'TEXT: WHY'", help="Do not fail on signatures with this text; says why.")
@click.option(
    "--as-serviceaccount", "account", metavar="NS/NAME", help="Let the operator be this account, whose rights --setup gives."
)
@click.option(
    "--metrics", "metrics_url", default="", metavar="URL", help="Where /metrics is, if not on a port that it listens on."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of all random choices.")
@click.option(
    "--reproduction", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Write the least reproductions."
)
@click.option(
    "--against", metavar="'PROGRAM …'", help="How to start an older build: tell what got worse, and fail on that alone."
)
@click.option(
    "--code",
    type=click.Path(path_type=Path, exists=True),
    metavar="DIR",
    help="The operator's Go source: name the lines behind a leak.",
)
@click.option("--html", "page_file", type=_FILE, metavar="FILE", help="Write a page with the curves.")
@given_options
@click.option(
    "-o", "--output", type=click.Choice(FORMATS), default="table", show_default=True, help="How to print what is found."
)
def command(
    operator: str | None,
    crds: tuple[str, ...],
    samples: tuple[str, ...],
    setup: tuple[str, ...],
    environment: tuple[str, ...],
    rounds: int,
    subjects: int,
    faults: bool,
    chosen: tuple[str, ...],
    listed: bool,
    patience: str,
    duration: str,
    life: str,
    plan_file: Path | None,
    allow: tuple[str, ...],
    account: str | None,
    metrics_url: str,
    seed: int,
    reproduction: Path | None,
    against: str | None,
    code: Path | None,
    page_file: Path | None,
    given: Given,
    output: str,
) -> None:
    """Test an operator for leaks: unmodified, with a real API server, subjects that come and go, and faults.

    Every trace that outlives its subject is told: objects, keys, values, annotations, finalizers, metric series, entries of Go maps.
    An operator that does nothing for its subjects, or a source that cannot be read, is "inconclusive", never "clean".

    Exit codes: 0 clean; 1 leaks; 2 wrong usage; 3 inconclusive; 5 failed.
    """
    from ghostkey.churn.faults import all_faults
    from ghostkey.cli.options import parse_duration, parse_pair
    from ghostkey.model.errors import UsageError

    if listed:
        for name in all_faults():
            click.echo(f"{name:<26}{fault_title(name)}")
        return
    unknown = [name for name in chosen if name not in all_faults()]
    if unknown:
        raise UsageError(f"no fault is named {unknown[0]!r}", f"known: {', '.join(all_faults())}")
    if given.is_asked:
        if operator or (faults and chosen) or account or setup or plan_file or against or reproduction:
            raise UsageError(
                "in a given cluster the operator runs already, and nothing but subjects is made",
                "leave out --operator, --setup, --fault, --plan, --reproduction, --against and --as-serviceaccount",
            )
        from ghostkey.churn.campaign import Wanted

        wanted = Wanted(rounds, subjects, parse_duration(patience), tuple(map(_allowed, allow)))
        sys.exit(given.run(samples, wanted, (metrics_url, seed), (output, page_file)))
    if not operator:
        raise UsageError("no operator is named", "write --operator './manager --flag value' --crds DIR")
    from ghostkey.churn.run import Request, run
    from ghostkey.cli.options import ProgressLine
    from ghostkey.cli.terminal import safe
    from ghostkey.report.churn import render

    progress = ProgressLine()
    request = Request(
        operator, crds, samples, setup, dict(map(parse_pair, environment)), rounds, subjects, chosen if faults else None,
        parse_duration(patience), parse_duration(duration), plan_file, tuple(map(_allowed, allow)), account or "", metrics_url, seed,
        reproduction, code, parse_duration(life),
    )  # fmt: skip
    if against is not None:
        sys.exit(_compared(request, against, progress, output, page_file))
    try:
        outcome = run(request, progress)
    finally:
        progress.done()
    told(render(outcome, output), output)
    if page_file is not None:
        write_outcome_page(page_file, outcome, operator)
    for note in outcome.notes:
        click.echo(safe(f"note: {note}"), err=True)
    sys.exit(outcome.exit_code)


def _compared(request: Request, against: str, progress: ProgressLine, output: str, page_file: Path | None) -> int:
    from ghostkey.churn.compare import compare
    from ghostkey.model.errors import UsageError
    from ghostkey.report.churn import render_compared

    if output not in {"table", "json"}:
        raise UsageError(f"--against is printed as table or json, not as {output}")
    try:
        compared = compare(request, against, progress)
    finally:
        progress.done()
    told(render_compared(compared, output), output)
    if page_file is not None:
        write_outcome_page(page_file, compared.now, request.operator)
    return compared.exit_code


def fault_title(name: str) -> str:
    """The first line of a fault's page."""
    import importlib

    module = importlib.import_module(f"ghostkey.churn.faults.{name.replace('-', '_')}")
    return (module.__doc__ or "").strip().splitlines()[0]


def _allowed(text: str) -> tuple[str, str]:
    from ghostkey.model.errors import UsageError

    what, colon, why = text.rpartition(": ")
    if not colon or not what.strip() or not why.strip():
        raise UsageError(
            f"--allow {text!r} gives no reason", "write --allow 'secrets <ns>/backup-<S>: backups are kept on purpose'"
        )
    return what.strip(), why.strip()
