"""`ghostkey maps`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli.options import ProgressLine, color_option, parse_duration, use_color
from ghostkey.model.errors import UsageError

if TYPE_CHECKING:
    from ghostkey.census.census import Process
    from ghostkey.processes import Before, Taken, Wanted

TOP = 20  # rows of a table, unless --top says otherwise
SAMPLE = 20  # keys of each map, unless --keys says how many


@click.command("maps", context_settings=CONTEXT)
@click.argument("process_word", metavar="[PID]", required=False)
@click.option("--core", metavar="FILE", help="Look into a core dump instead of a running process.")
@click.option("--exe", metavar="FILE", help="With --core: the executable, where it is not at the path that the dump names.")
@click.option(
    "--sort", type=click.Choice(["bytes", "len", "vacancy", "growth"]), default="bytes", show_default=True, help="What comes first."
)
@click.option("--top", type=click.IntRange(0), metavar="N", help=f"Show so many maps; 0 is all (the default: {TOP}, all in JSON).")
@click.option("--min-len", type=click.IntRange(0), default=0, metavar="N", help="Only maps with so many entries.")
@click.option("--type", "type_word", default="", metavar="TEXT", help="Only maps whose type has this in it: 'map[string]string'.")
@click.option("--holder", default="", metavar="TEXT", help="Only maps whose holder has this in it: Reconciler, or 'main.*'.")
@click.option(
    "--keys", "key_count", type=click.IntRange(1), is_flag=False, flag_value=SAMPLE, metavar="[N]",
    help=f"Show keys of each map, {SAMPLE} unless N says how many; values never.",
)  # fmt: skip
@click.option("--save", metavar="FILE", help="Keep the whole census in a file, for --diff.")
@click.option("--diff", metavar="FILE", help="Say how each map grew since the census in this file.")
@click.option("--every", metavar="TIME", help="Look again and again, and say what grew: 5s.")
@click.option("--for", "duration", metavar="TIME", help="With --every: for how long (the default: until Ctrl-C).")
@click.option("-o", "--output", "form", type=click.Choice(["table", "wide", "json"]), default="table", help="How to print maps.")
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
    save: str | None,
    diff: str | None,
    every: str | None,
    duration: str | None,
    form: str,
    color: str,
) -> int:
    """Show the maps of a running Go process, without stopping it: how long, how big, and who holds them.

    The process may be stripped: no symbols, no debugger, no signal, nothing is written. PID is its number on this machine;
    it has to be of your own user, or you root. Slots and bytes do not come back on delete: a drained map says what it keeps.
    """
    from ghostkey import processes

    pid = _pid(process_word, core)
    interval = parse_duration(every) if every else 0.0
    seconds = _seconds(duration, interval)
    if exe and not core:
        raise UsageError("--exe names the executable of a core dump", "add --core FILE")
    if interval and core:
        raise UsageError("a core dump does not change: --every is for running processes")
    shown = TOP if top is None and form != "json" else top or 0
    wanted = processes.Wanted(sort, shown, min_len, type_word, holder, key_count or 0)
    if sort == "growth" and not (diff or interval):
        raise UsageError("--sort growth needs something to compare with", "add --diff FILE or --every 5s")
    before = processes.load(Path(diff)) if diff else None
    progress = ProgressLine()
    with processes.opened(pid, core, exe) as process:
        progress("reading the process")
        if interval:
            return _again_and_again(process, wanted, before, interval, seconds, form, color)
        taken = processes.take(process, wanted, before)
        progress.done()
    if save:
        _keep(taken, save)
    _print(taken, form, color)
    return 0


def _pid(word: str | None, core: str | None) -> int | None:
    if core is not None:
        if word is not None:
            raise UsageError("a process and a core dump are named", "leave one of them out")
        return None
    if word is None:
        raise UsageError("no process is named", "ghostkey maps PID, or --core FILE; pgrep -a NAME lists processes by name")
    if not word.isascii() or not word.isdecimal() or not 0 < int(word) < 1 << 31:
        raise UsageError(f"{word!r} is no process", "write its number: ghostkey maps 4711; pgrep -a NAME lists processes by name")
    return int(word)


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
    process: Process, wanted: Wanted, before: Before | None, interval: float, seconds: float | None, form: str, color: str
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


def _print(taken: Taken, form: str, color: str) -> None:
    from ghostkey.cli.output import echo_json, screen
    from ghostkey.cli.terminal import safe
    from ghostkey.report import maps as report

    if form == "json":
        echo_json(report.document(taken))
        return
    for line in report.map_table(
        taken.rows, screen(is_colored=use_color(color), is_local=False), is_wide=form == "wide"
    ):
        click.echo(line, color=use_color(color))
    for line in report.key_lines(taken.rows):
        click.echo(safe(line))
    for note in taken.notes:
        click.echo(safe(f"note: {note}"), err=True)
    maps = taken.census.maps
    total = f"{len(maps):,} maps, {sum(found.length for found in maps):,} entries, {sum(found.bytes for found in maps):,} bytes"
    of = f"{taken.name} ({f'pid {taken.pid}, ' if taken.pid else ''}{taken.version})"
    click.echo(safe(f"{len(taken.rows)} of {total} in {of}"), err=True)
