"""`ghostkey maps`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli._memory import InPod, opened, pod_options
from ghostkey.cli.options import ProgressLine, cluster_options, color_option, parse_duration, use_color
from ghostkey.cli.output import FORMATS
from ghostkey.cli.scope import kinds_option, subject_option
from ghostkey.cli.where import Where
from ghostkey.model.errors import UsageError

if TYPE_CHECKING:
    from ghostkey.processes import AnyProcess, Before, Taken, Wanted
    from ghostkey.report.findings import Report

TOP = 20  # rows of a table, unless --top says otherwise
SORTS = ("bytes", "len", "vacancy", "growth")
OWN_FORMS = ("table", "wide", "json")  # of maps; the others are for findings
LIVE_SECONDS = 2.0  # between two looks of --ui, unless --every says otherwise
SAMPLE = 20  # keys of each map, unless --keys says how many


@click.command("maps", context_settings=CONTEXT)
@click.argument("process_word", metavar="[PID|pod/NAME]", required=False)
@click.option("--core", metavar="FILE", help="Look into a core dump instead of a running process.")
@click.option("--exe", metavar="FILE", help="With --core: the executable, where it is not at the path that the dump names.")
@click.option("--sort", type=click.Choice(SORTS), default="bytes", show_default=True, help="What comes first.")
@click.option(
    "--top", type=click.IntRange(0), metavar="N", help=f"Show so many maps; 0 is all (the default: {TOP}, all in JSON)."
)
@click.option("--min-len", type=click.IntRange(0), default=0, metavar="N", help="Only maps with so many entries.")
@click.option("--type", "type_word", default="", metavar="TEXT", help="Only maps whose type has this in it: 'map[string]string'.")
@click.option("--holder", default="", metavar="TEXT", help="Only maps whose holder has this in it: Reconciler, or 'main.*'.")
@click.option(
    "--keys", "key_count", type=click.IntRange(1), is_flag=False, flag_value=SAMPLE, metavar="[N]",
    help=f"Show keys of each map, {SAMPLE} unless N says how many; values never.",
)  # fmt: skip
@click.option(
    "--ghosts/--no-ghosts",
    "ghosts",
    default=None,
    help="Find entries whose subject is gone (the default where a cluster is at hand).",
)
@cluster_options
@pod_options
@kinds_option("With ghosts: consider only these kinds as subjects.")
@subject_option("With ghosts: declare what keys are for.")
@click.option("--save", metavar="FILE", help="Keep the whole census in a file, for --diff.")
@click.option("--diff", metavar="FILE", help="Say how each map grew since the census in this file.")
@click.option("--every", metavar="TIME", help="Look again and again, and say what grew: 5s.")
@click.option("--for", "duration", metavar="TIME", help="With --every: for how long (the default: until Ctrl-C).")
@click.option("--ui", "is_live", is_flag=True, help="Show all this live in the terminal (pip install 'ghostkey[ui]').")
@click.option("-o", "--output", "form", type=click.Choice(FORMATS), default="table", help="How to print maps, or ghosts alone.")
@color_option
def command(
    process_word: str | None,
    core: str | None,
    exe: str | None,
    sort: str,
    top: int | None,
    min_len: int,
    type_word: str,
    holder: str,
    key_count: int | None,
    ghosts: bool | None,
    where: Where,
    in_pod: InPod,
    kinds: tuple[str, ...],
    subjects: tuple[str, ...],
    save: str | None,
    diff: str | None,
    every: str | None,
    duration: str | None,
    is_live: bool,
    form: str,
    color: str,
) -> int:
    """Show the maps of a running Go process, without stopping it: how long, how big, who holds them, and their ghosts.

    The process may be stripped: no symbols, no debugger, no signal, nothing is written. PID is its number on this machine
    (of your own user, or you root); pod/NAME is read by a helper in an ephemeral container, which is shown and asked for first. Slots and bytes do not come back on delete: a drained map says what it keeps.
    Where a cluster is at hand, entries about objects that are gone are findings (exit code 1), as those of scan.
    """
    from ghostkey import processes
    from ghostkey.cli._memory import ghosts_of
    from ghostkey.cli.output import print_report, screen

    word = _word(process_word, core)
    interval = parse_duration(every) if every else 0.0
    seconds = _seconds(duration, interval)
    if is_live:
        refused = [
            word for word, given in (("--core", core), ("--save", save), ("--for", duration), ("--ghosts", ghosts)) if given
        ]
        if refused or form != "table":
            raise UsageError(f"--ui is a live view: {(refused or ['-o'])[0]} does not go with it")
        return _live(word, where, in_pod, interval, diff, sort)
    if exe and not core:
        raise UsageError("--exe names the executable of a core dump", "add --core FILE")
    if interval and core:
        raise UsageError("a core dump does not change: --every is for running processes")
    if interval and (save or ghosts or form not in OWN_FORMS):
        raise UsageError("--every shows how maps grow: no ghosts, no --save, and in table, wide or json alone")
    shown = TOP if top is None and form != "json" else top or 0
    wanted = processes.Wanted(sort, shown, min_len, type_word, holder, key_count or 0)
    if sort == "growth" and not (diff or interval):
        raise UsageError("--sort growth needs something to compare with", "add --diff FILE or --every 5s")
    before = processes.load(Path(diff)) if diff else None
    progress, shows = ProgressLine(), screen(is_colored=use_color(color), is_local=False)
    with processes.opened(None, core, exe) if core else opened(word, where, in_pod) as process:
        progress("reading the process")
        if interval:
            return _again_and_again(process, wanted, before, interval, seconds, form, color)
        taken = processes.take(process, wanted, before) if form in OWN_FORMS or save else None
        report = None
        if ghosts is not False and (ghosts or not core or kinds or subjects):
            progress("looking for ghosts")
            is_asked = bool(ghosts or form not in OWN_FORMS or kinds or subjects)
            told = ghosts_of(process, where, kinds, subjects, shows, is_asked=is_asked)
            report = told.report if told is not None else None
        progress.done()
    if save and taken is not None:
        _keep(taken, save)
    if form in OWN_FORMS and taken is not None:
        _print(taken, form, color, report)
    elif report is None:
        raise UsageError(f"-o {form} is for ghosts", "leave --no-ghosts out")
    else:
        print_report(report, form)
    return _ended(report, where)


def _live(word: str, where: Where, in_pod: InPod, interval: float, diff: str | None, sort: str) -> int:
    """The view, until it is left."""
    import sys

    from ghostkey import processes

    try:
        from ghostkey.ui.maps import MapsView
    except ModuleNotFoundError as error:
        raise UsageError(f"--ui needs {error.name}, which is not installed", "pip install 'ghostkey[ui]'") from None
    if not all(stream is not None and stream.isatty() for stream in (sys.__stdin__, sys.__stderr__)):
        raise UsageError("--ui needs a terminal", f"ghostkey maps {word} --every 5s prints the same as lines")
    before = processes.load(Path(diff)) if diff else None
    with opened(word, where, in_pod) as process:
        view = MapsView(process, interval or LIVE_SECONDS, before, sort)
        code = view.run()
        view.hand.join()
    return code or 0


def _word(word: str | None, core: str | None) -> str:
    if core is not None:
        if word is not None:
            raise UsageError("a process and a core dump are named", "leave one of them out")
        return ""
    if word is None:
        raise UsageError(
            "no process is named", "ghostkey maps PID, pod/NAME, or --core FILE; pgrep -a NAME lists processes by name"
        )
    return word


def _seconds(duration: str | None, interval: float) -> float | None:
    if duration is None:
        return None
    if not interval:
        raise UsageError("--for says how long --every goes on", "add --every 5s")
    return parse_duration(duration)


def _keep(taken: Taken, path: str) -> None:
    from ghostkey import processes

    try:
        processes.save(taken, Path(path))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    click.echo(f"wrote {path}: {len(taken.census.maps):,} maps; ghostkey maps {taken.pid} --diff {path} says what grew", err=True)


def _again_and_again(
    process: AnyProcess, wanted: Wanted, before: Before | None, interval: float, seconds: float | None, form: str, color: str
) -> int:
    """A census each interval, compared with the first; Ctrl-C ends it as the time does."""
    from ghostkey import processes
    from ghostkey.census.errors import NoSuchProcess

    began = due = time.monotonic()
    first = before
    try:
        while True:
            taken = processes.take(process, wanted if first is not None else _first(wanted), first)
            if first is not None:
                _print(taken, form, color)
            else:
                first = processes.Before.of(taken)
            due += interval
            if seconds is not None and due - began > seconds:
                return 0
            time.sleep(max(0.0, due - time.monotonic()))
    except KeyboardInterrupt:
        return 0
    except NoSuchProcess as error:
        click.echo(f"{error}: it was seen {time.monotonic() - began:.0f} s", err=True)
        return 0


def _first(wanted: Wanted) -> Wanted:
    """The first census, of which growth will be told, without what only a table needs."""
    import dataclasses

    return dataclasses.replace(wanted, sort="bytes" if wanted.sort == "growth" else wanted.sort, keys=0)


def _ended(report: Report | None, where: Where) -> int:
    """Keeps the findings for `explain`, tells what was not seen, and gives the exit code."""
    from ghostkey.cli import findings_file
    from ghostkey.cli.terminal import safe

    if report is None:
        return 0
    findings_file.save(report.heard.spoken, where.words(namespace=False))
    for gap in report.snapshot.gaps:
        click.echo(safe(f"not seen: {gap.what}: {gap.why}"), err=True)
    return 3 if report.snapshot.gaps else 1 if any(map(report.is_failure, report.findings)) else 0


def _print(taken: Taken, form: str, color: str, report: Report | None = None) -> None:
    from ghostkey.cli.output import echo_json, print_report, screen
    from ghostkey.cli.terminal import safe
    from ghostkey.report import maps as tables
    from ghostkey.report.findings import finding_record, gap_record

    if form == "json":
        document = tables.document(taken)
        if report is not None:
            document["findings"] = [finding_record(finding) for finding in report.findings]
            document["gaps"] = [gap_record(gap) for gap in report.snapshot.gaps]
            document["notes"] += report.snapshot.notes
        echo_json(document)
        return
    shows = screen(is_colored=use_color(color), is_local=False)
    for line in tables.map_table(taken.rows, shows, is_wide=form == "wide"):
        click.echo(line, color=shows.is_colored)
    for line in tables.key_lines(taken.rows):
        click.echo(safe(line))
    if report is not None and report.findings:
        click.echo("")
        print_report(report, form)
    for note in [*taken.notes, *(report.snapshot.notes if report is not None else ())]:
        click.echo(safe(f"note: {note}"), err=True)
    maps = taken.census.maps
    total = f"{len(maps):,} maps, {sum(found.length for found in maps):,} entries, {sum(found.bytes for found in maps):,} bytes"
    of = f"{taken.name} ({f'pid {taken.pid}, ' if taken.pid else ''}{taken.version})"
    ghosts = "" if report is None else f"; {len(report.findings)} ghost entries"
    ghosts += f"; ghostkey explain {report.findings[0].fingerprint} shows why" if report is not None and report.findings else ""
    click.echo(safe(f"{len(taken.rows)} of {total} in {of}{ghosts}"), err=True)
