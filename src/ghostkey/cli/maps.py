"""`ghostkey maps`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli._memory import InPod, opened, pod_options
from ghostkey.cli.options import ProgressLine, cluster_options, color_option, parse_duration, use_color
from ghostkey.cli.output import FORMATS
from ghostkey.cli.scope import grouped, kinds_option, subject_option
from ghostkey.cli.where import Where
from ghostkey.model.counts import counted
from ghostkey.model.errors import UsageError, with_extra

if TYPE_CHECKING:
    from ghostkey.processes import AnyProcess, Before, Taken, Wanted
    from ghostkey.report.findings import Report

TOP = 20  # rows of a table, unless --top says otherwise
SORTS = ("bytes", "len", "vacancy", "growth")
OWN_FORMS = ("table", "wide", "json")  # of maps; the others are for findings
LIVE_SECONDS = 2.0  # between two looks of --ui, unless --every says otherwise
SAMPLE = 20  # keys of each map, unless --keys says how many


@dataclass(frozen=True, slots=True)
class Target:
    """Whose memory is read."""

    process_word: str | None
    core: str | None
    exe: str | None


@dataclass(frozen=True, slots=True)
class Rows:
    """Which maps are shown, in which order, and how many keys of each."""

    sort: str
    top: int | None
    min_len: int
    type_word: str
    holder: str
    key_count: int | None

    def wanted(self, form: str) -> Wanted:
        """The same in the library's words; a table has an end, JSON has all."""
        from ghostkey import processes

        shown = TOP if self.top is None and form != "json" else self.top or 0
        return processes.Wanted(self.sort, shown, self.min_len, self.type_word, self.holder, self.key_count or 0)


@dataclass(frozen=True, slots=True)
class Ghosts:
    """Whether ghosts are looked for, and among what."""

    ghosts: bool | None
    kinds: tuple[str, ...]
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Growth:
    """What the census is compared with, and how often it is taken."""

    save: str | None
    diff: str | None
    every: str | None
    duration: str | None
    is_live: bool

    def interval(self) -> float:
        """Seconds between two looks; 0 for one look alone."""
        return parse_duration(self.every) if self.every else 0.0

    def seconds(self) -> float | None:
        """How long it goes on; None for until Ctrl-C."""
        if self.duration is None:
            return None
        if not self.interval():
            raise UsageError("--for says how long --every goes on", "add --every 5s")
        return parse_duration(self.duration)

    def before(self) -> Before | None:
        """The census that it is compared with."""
        from ghostkey import processes

        return processes.load(Path(self.diff)) if self.diff else None


@click.command("maps", context_settings=CONTEXT)
@grouped(
    "target",
    Target,
    click.argument("process_word", metavar="[PID|pod/NAME]", required=False),
    click.option("--core", metavar="FILE", help="Look into a core dump instead of a running process."),
    click.option("--exe", metavar="FILE", help="With --core: the executable, where it is not at the path that the dump names."),
)
@grouped(
    "rows",
    Rows,
    click.option("--sort", type=click.Choice(SORTS), default="bytes", show_default=True, help="What comes first."),
    click.option(
        "--top", type=click.IntRange(0), metavar="N", help=f"Show so many maps; 0 is all (the default: {TOP}, all in JSON)."
    ),
    click.option("--min-len", type=click.IntRange(0), default=0, metavar="N", help="Only maps with so many entries."),
    click.option("--type", "type_word", default="", metavar="TEXT", help="Only maps whose type has this in it: 'map[string]string'."),
    click.option("--holder", default="", metavar="TEXT", help="Only maps whose holder has this in it: Reconciler, or 'main.*'."),
    click.option(
        "--keys", "key_count", type=click.IntRange(1), is_flag=False, flag_value=SAMPLE, metavar="[N]",
        help=f"Show keys of each map, {SAMPLE} unless N says how many; values never.",
    ),
)  # fmt: skip
@grouped(
    "asked",
    Ghosts,
    click.option(
        "--ghosts/--no-ghosts",
        "ghosts",
        default=None,
        help="Find entries whose subject is gone (the default where a cluster is at hand).",
    ),
    kinds_option("With ghosts: consider only these kinds as subjects."),
    subject_option("With ghosts: declare what keys are for."),
)
@cluster_options
@pod_options
@grouped(
    "growth",
    Growth,
    click.option("--save", metavar="FILE", help="Keep the whole census in a file, for --diff."),
    click.option("--diff", metavar="FILE", help="Say how each map grew since the census in this file."),
    click.option("--every", metavar="TIME", help="Look again and again, and say what grew: 5s."),
    click.option("--for", "duration", metavar="TIME", help="With --every: for how long (the default: until Ctrl-C)."),
    click.option("--ui", "is_live", is_flag=True, help="Show all this live in the terminal (extra `ui`)."),
)
@click.option("-o", "--output", "form", type=click.Choice(FORMATS), default="table", help="How to print maps, or ghosts alone.")
@color_option
def command(target: Target, rows: Rows, asked: Ghosts, where: Where, in_pod: InPod, growth: Growth, form: str, color: str) -> int:
    """Show the maps of a running Go process, without stopping it: how long, how big, who holds them, and their ghosts.

    The process may be stripped: no symbols, no debugger, no signal, nothing is written. PID is its number on this machine
    (of your own user, or you root); pod/NAME is read by a helper in an ephemeral container, which is shown and asked for first. Slots and bytes do not come back on delete: a drained map says what it keeps.
    Where a cluster is at hand, entries about objects that are gone are findings (exit code 1), as those of scan.
    """
    from ghostkey import processes
    from ghostkey.cli._memory import ghosts_of
    from ghostkey.cli.output import print_report, screen

    word = _word(target.process_word, target.core)
    interval, seconds = growth.interval(), growth.seconds()
    if growth.is_live:
        _refuse_beside_view(target, asked, growth, form)
        return _live(word, where, in_pod, growth, rows.sort)
    if target.exe and not target.core:
        raise UsageError("--exe names the executable of a core dump", "add --core FILE")
    if target.core and not Path(target.core).exists():
        raise UsageError(f"core dump {target.core} does not exist", "name a file that gcore, or a crash, has written")
    if interval and target.core:
        raise UsageError("a core dump does not change: --every is for running processes")
    if interval and (growth.save or asked.ghosts or form not in OWN_FORMS):
        raise UsageError("--every shows how maps grow: no ghosts, no --save, and in table, wide or json alone")
    if rows.sort == "growth" and not (growth.diff or interval):
        raise UsageError("--sort growth needs something to compare with", "add --diff FILE or --every 5s")
    wanted, before = rows.wanted(form), growth.before()
    progress, shows = ProgressLine(), screen(is_colored=use_color(color), is_local=False)
    with processes.opened(None, target.core, target.exe) if target.core else opened(word, where, in_pod) as process:
        progress("reading the process")
        _check_same(before, process)
        if interval:
            return _again_and_again(process, wanted, before, interval, seconds, form, color)
        taken = processes.take(process, wanted, before) if form in OWN_FORMS or growth.save else None
        report = None
        is_named = bool(asked.ghosts or asked.kinds or asked.subjects)
        if asked.ghosts is not False and (is_named or not target.core):
            progress("looking for ghosts")
            is_asked = is_named or form not in OWN_FORMS
            told = ghosts_of(process, where, asked.kinds, asked.subjects, shows, is_asked=is_asked)
            report = told.report if told is not None else None
        progress.done()
    if growth.save and taken is not None:
        _keep(taken, growth.save)
    if form in OWN_FORMS and taken is not None:
        processes.check_any(process, taken, wanted)
        _print(taken, form, color, report)
    elif report is None:
        raise UsageError(f"-o {form} is for ghosts", "leave --no-ghosts out")
    else:
        print_report(report, form)
    return _ended(report, where)


def _check_same(before: Before | None, process: AnyProcess) -> None:
    """Raises UsageError where the census to compare with is another process's: all maps of this one would be new, and none is."""
    if before is not None and before.whose != (process.name, process.pid):
        name, pid = before.whose
        raise UsageError(
            f"the census to compare with is of {name} (pid {pid}), and this is {process.name} (pid {process.pid})",
            f"ghostkey maps {process.pid} --save FILE keeps one of this process",
        )


def _refuse_beside_view(target: Target, asked: Ghosts, growth: Growth, form: str) -> None:
    """Raises UsageError for what makes no sense in a live view."""
    others = (("--core", target.core), ("--save", growth.save), ("--for", growth.duration), ("--ghosts", asked.ghosts))
    refused = [word for word, given in others if given] or (["-o"] if form != "table" else [])
    if refused:
        raise UsageError(f"--ui is a live view: {refused[0]} does not go with it")


def _live(word: str, where: Where, in_pod: InPod, growth: Growth, sort: str) -> int:
    """The view, until it is left."""
    import sys

    try:
        from ghostkey.ui.maps import MapsView
    except ModuleNotFoundError as error:
        raise UsageError(f"--ui needs {error.name}, which is not installed", with_extra("ui")) from None
    if not all(stream is not None and stream.isatty() for stream in (sys.__stdin__, sys.__stderr__)):
        raise UsageError("--ui needs a terminal", f"ghostkey maps {word} --every 5s prints the same as lines")
    with opened(word, where, in_pod) as process:
        before = growth.before()
        _check_same(before, process)
        view = MapsView(process, growth.interval() or LIVE_SECONDS, before, sort)
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


def _keep(taken: Taken, path: str) -> None:
    from ghostkey import processes

    try:
        processes.save(taken, Path(path))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    click.echo(
        f"wrote {path}: {counted(len(taken.census.maps), 'map')}; ghostkey maps {taken.pid} --diff {path} says what grew",
        err=True,
    )


def _again_and_again(
    process: AnyProcess, wanted: Wanted, before: Before | None, interval: float, seconds: float | None, form: str, color: str
) -> int:
    """A census each interval, compared with the first; Ctrl-C ends it as the time does, the end of the process before that: 4."""
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
        return 4  # as for `stacks` and `verify`


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
    from ghostkey.cli.terminal import safe, say
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
    say(*tables.key_lines(taken.rows))
    if report is not None and report.findings:
        click.echo("")
        print_report(report, form)
    for note in [*taken.notes, *(report.snapshot.notes if report is not None else ())]:
        click.echo(safe(f"note: {note}"), err=True)
    maps = taken.census.maps
    total = f"{counted(len(maps), 'map')}, {counted(sum(found.length for found in maps), 'entry', 'entries')}, {sum(found.bytes for found in maps):,} bytes"
    of = f"{taken.name} ({f'pid {taken.pid}, ' if taken.pid else ''}{taken.version})"
    ghosts = "" if report is None else f"; {len(report.findings)} ghost entries"
    ghosts += f"; ghostkey explain {report.findings[0].fingerprint} shows why" if report is not None and report.findings else ""
    click.echo(safe(f"{len(taken.rows)} of {total} in {of}{ghosts}"), err=True)
