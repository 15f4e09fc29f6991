"""`ghostkey churn`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ghostkey.cli import CONTEXT
from ghostkey.cli._given import Given, given_options, print_outcome, write_outcome_page
from ghostkey.cli.scope import grouped
from ghostkey.model.errors import UsageError
from ghostkey.report.churn import FORMATS

if TYPE_CHECKING:
    from ghostkey.churn.run import Request

# what a control plane of our own alone carries out: option and parameter
_OF_OUR_OWN = {"--for": "duration", "--life": "life", "--code": "code"}
_FILE = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True, slots=True)
class Tested:
    """The operator, and as what it runs."""

    operator: str | None
    environment: tuple[str, ...]
    account: str | None
    in_cluster: bool
    metrics_url: str


@dataclass(frozen=True, slots=True)
class Objects:
    """Files of what there is, and of what subjects are made of."""

    crds: tuple[str, ...]
    samples: tuple[str, ...]
    setup: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is done, and how long is waited."""

    rounds: int
    subjects: int
    patience: str
    duration: str
    life: str
    seed: int


@dataclass(frozen=True, slots=True)
class Strikes:
    """Which faults strike; or a plan in place of rounds and faults."""

    faults: bool
    chosen: tuple[str, ...]
    listed: bool
    plan_file: Path | None


@dataclass(frozen=True, slots=True)
class Told:
    """What is failed on, explained, written and printed."""

    allow: tuple[str, ...]
    against: str | None
    since: str | None
    recipe: str
    code: Path | None
    reproduction: Path | None
    page_file: Path | None
    form: str


@click.command("churn", context_settings=CONTEXT)
@grouped(
    "tested",
    Tested,
    click.option(
        "--operator", metavar="'PROGRAM --FLAG …'", help="How to start the operator; {kubeconfig} stands for its kubeconfig."
    ),
    click.option(
        "--env", "environment", multiple=True, metavar="NAME=VALUE", help="Environment of the operator; may be repeated."
    ),
    click.option(
        "--as-serviceaccount", "account", metavar="NS/NAME", help="Let the operator be this account, whose rights --setup gives."
    ),
    click.option(
        "--in-cluster", is_flag=True, help="Give the operator a Pod's files (token, ca.crt, namespace) in place of KUBECONFIG."
    ),
    click.option(
        "--metrics", "metrics_url", default="", metavar="URL", help="Where /metrics is, if not on a port that it listens on."
    ),
)
@grouped(
    "objects",
    Objects,
    click.option("--crds", multiple=True, metavar="FILE|DIR", help="CRDs of the operator; may be repeated."),
    click.option(
        "--sample",
        "samples",
        multiple=True,
        metavar="FILE",
        help="Objects that make one subject; {{n}} is a running number; may be repeated. Without one the CRD's schema makes them.",
    ),
    click.option(
        "--setup",
        multiple=True,
        metavar="FILE",
        help="Objects that the operator needs to be there, such as its namespace; may be repeated.",
    ),
)
@grouped(
    "amount",
    Amount,
    click.option(
        "--rounds", type=click.IntRange(1, 100), metavar="N", default=3, show_default=True, help="How often subjects come and go."
    ),
    click.option(
        "--subjects", type=click.IntRange(1, 2000), metavar="N", default=20, show_default=True, help="Subjects of each round."
    ),
    click.option(
        "--patience", default="90s", show_default=True, metavar="TIME", help="How long delayed cleanups are waited for."
    ),
    click.option("--for", "duration", default="10m", show_default=True, metavar="TIME", help="Begin no new trial after that."),
    click.option("--life", default="0s", metavar="TIME", help="How long subjects live, for an operator that works by the clock."),
    click.option("--seed", type=int, metavar="N", default=0, show_default=True, help="Of all random choices."),
)
@grouped(
    "strikes",
    Strikes,
    click.option(
        "--faults/--no-faults",
        default=True,
        show_default=True,
        help="Have faults meet every call of a subject, too: minutes, where rounds alone are seconds.",
    ),
    click.option("--fault", "chosen", multiple=True, metavar="NAME", help="Only this fault; may be repeated."),
    click.option("--list-faults", "listed", is_flag=True, help="List the faults and end."),
    click.option("--plan", "plan_file", type=_FILE, metavar="FILE", help="Carry out this plan, as --reproduction writes it."),
)
@grouped(
    "told",
    Told,
    click.option("--allow", multiple=True, metavar="'TEXT: WHY'", help="Do not fail on signatures with this text; says why."),
    click.option(
        "--against", metavar="'PROGRAM …'", help="How to start an older build: tell what got worse, and fail on that alone."
    ),
    click.option(
        "--since",
        metavar="REV",
        help="The same, of this revision: it is checked out (of the repository of --code, or here) and built.",
    ),
    click.option(
        "--build",
        "recipe",
        default="",
        metavar="'COMMAND'",
        help="With --since: what builds the program; a Go program says it itself.",
    ),
    click.option(
        "--code",
        type=click.Path(path_type=Path, exists=True),
        metavar="DIR",
        help="The operator's Go source: name the lines behind a leak.",
    ),
    click.option(
        "--reproduction", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Write the least reproductions."
    ),
    click.option("--html", "page_file", type=_FILE, metavar="FILE", help="Write a page with the curves."),
    click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        help="How to print what is found.",
    ),
)
@given_options
def command(tested: Tested, objects: Objects, amount: Amount, strikes: Strikes, told: Told, given: Given) -> int | None:
    """Test an operator for leaks: unmodified, with a real API server, subjects that come and go, and faults.

    Every trace that outlives its subject is told: objects, keys, values, annotations, finalizers, metric series, entries of Go maps.
    An operator that does nothing for its subjects, or a source that cannot be read, is "inconclusive", never "clean".

    Exit codes: 0 clean; 1 leaks; 2 wrong usage; 3 inconclusive; 5 failed.
    """
    from ghostkey.churn.faults import all_faults

    if strikes.listed:
        for name in all_faults():
            click.echo(f"{name:<26}{fault_title(name)}")
        return 0
    unknown = [name for name in strikes.chosen if name not in all_faults()]
    if unknown:
        raise UsageError(f"no fault is named {unknown[0]!r}", f"known: {', '.join(all_faults())}")
    if given.is_asked:
        return _in_given_cluster(tested, objects, amount, strikes, told, given)
    if not tested.operator:
        raise UsageError("no operator is named", "write --operator './manager --flag value' --crds DIR")
    request = _request(tested.operator, tested, objects, amount, strikes, told)
    _check_two_builds(told)
    if told.since is not None:
        return _since(request, told.since, told)
    if told.recipe:
        raise UsageError("--build says how an older revision is built", "add --since REV")
    if told.against is not None:
        return _compared(request, told.against, told)
    return _tested(request, told)


def _request(operator: str, tested: Tested, objects: Objects, amount: Amount, strikes: Strikes, told: Told) -> Request:
    from ghostkey.churn.run import Request
    from ghostkey.cli.options import parse_duration, parse_pair

    return Request(
        operator, objects.crds, objects.samples, objects.setup, dict(map(parse_pair, tested.environment)),
        amount.rounds, amount.subjects, strikes.chosen if strikes.faults else None,
        parse_duration(amount.patience), parse_duration(amount.duration), strikes.plan_file, tuple(map(_allowed, told.allow)),
        tested.account or "", tested.metrics_url, amount.seed, told.reproduction, told.code, parse_duration(amount.life),
        tested.in_cluster,
    )  # fmt: skip


def _tested(request: Request, told: Told) -> int:
    from ghostkey.churn.run import run
    from ghostkey.cli.options import ProgressLine
    from ghostkey.cli.terminal import safe
    from ghostkey.report.churn import render

    progress = ProgressLine()
    try:
        outcome = run(request, progress)
    finally:
        progress.done()
    print_outcome(render(outcome, told.form), told.form)
    if told.page_file is not None:
        write_outcome_page(told.page_file, outcome, request.operator)
    for note in outcome.notes:
        click.echo(safe(f"note: {note}"), err=True)
    return outcome.exit_code


def _check_two_builds(told: Told) -> None:
    """Raises UsageError where the options do not go with an older build: before anything is built."""
    if told.since is not None and told.against is not None:
        raise UsageError("--since and --against name two older builds", "leave one of them out")
    if (told.since is not None or told.against is not None) and told.form not in {"table", "json"}:
        option = "--against" if told.since is None else "--since"
        raise UsageError(f"{option} is printed as table or json, not as {told.form}", f"leave {option} out, or add -o json")


def _since(request: Request, revision: str, told: Told) -> int:
    from ghostkey.churn.since import built_since
    from ghostkey.cli.options import ProgressLine

    progress = ProgressLine()
    progress(f"building {revision}")
    folder = told.code or Path()
    try:
        with built_since(request.operator, revision, folder if folder.is_dir() else folder.parent, told.recipe) as older:
            progress.done()
            return _compared(request, older, told)
    finally:
        progress.done()


def _compared(request: Request, against: str, told: Told) -> int:
    from ghostkey.churn.compare import compare
    from ghostkey.cli.options import ProgressLine
    from ghostkey.report.churn import render_compared

    progress = ProgressLine()
    try:
        compared = compare(request, against, progress)
    finally:
        progress.done()
    print_outcome(render_compared(compared, told.form), told.form)
    if told.page_file is not None:
        write_outcome_page(told.page_file, compared.now, request.operator)
    return compared.exit_code


def _in_given_cluster(tested: Tested, objects: Objects, amount: Amount, strikes: Strikes, told: Told, given: Given) -> int:
    from ghostkey.churn.campaign import Wanted
    from ghostkey.churn.given import impossible_faults
    from ghostkey.churn.given_operator import Started
    from ghostkey.cli.options import parse_duration, parse_pair

    options = {
        "--crds": objects.crds, "--setup": objects.setup, "--plan": strikes.plan_file,
        "--reproduction": told.reproduction, "--against": told.against, "--since": told.since, "--build": told.recipe,
    }  # fmt: skip
    unfit = [option for option, value in options.items() if value]
    if unfit:
        raise UsageError("in a given cluster nothing but subjects is made", f"leave out {', '.join(unfit)}")
    if strikes.chosen and strikes.faults:
        for why, names in impossible_faults(strikes.chosen, is_ours=bool(tested.operator), elects=None).items():
            raise UsageError(f"in a given cluster there is no {', '.join(names)}: {why}", "leave out --fault, or this one")
    without = [option for option, name in _OF_OUR_OWN.items() if _is_given(name) and not (name == "duration" and tested.operator)]
    if without:
        raise UsageError(
            f"in a given cluster nothing comes of {', '.join(without)}",
            f"leave {'it' if len(without) == 1 else 'them'} out, or test without --context and --kubeconfig",
        )
    started = None
    if tested.operator:
        account = tested.account or ""
        started = Started(tested.operator, dict(map(parse_pair, tested.environment)), given.writes_in, account, tested.in_cluster)
    elif tested.account or tested.in_cluster or tested.environment or given.writes_in:
        raise UsageError(
            "--as-serviceaccount, --env, --in-cluster and --writes-in are of an operator that is started here", "add --operator"
        )
    faults = strikes.chosen if strikes.faults else None
    wanted = Wanted(
        amount.rounds, amount.subjects, parse_duration(amount.patience), tuple(map(_allowed, told.allow)), faults,
        parse_duration(amount.duration),
    )  # fmt: skip
    return given.run(objects.samples, wanted, (tested.metrics_url, amount.seed), (told.form, told.page_file), started)


def _is_given(parameter: str) -> bool:
    return click.get_current_context().get_parameter_source(parameter) is ParameterSource.COMMANDLINE


def fault_title(name: str) -> str:
    """The first line of a fault's page."""
    import importlib

    module = importlib.import_module(f"ghostkey.churn.faults.{name.replace('-', '_')}")
    return (module.__doc__ or "").strip().splitlines()[0]


def _allowed(text: str) -> tuple[str, str]:
    what, colon, why = text.rpartition(": ")
    if not colon or not what.strip() or not why.strip():
        raise UsageError(
            f"--allow {text!r} gives no reason", "write --allow 'secrets <ns>/backup-<S>: backups are kept on purpose'"
        )
    return what.strip(), why.strip()
