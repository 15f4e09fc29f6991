"""`ghostkey stacks`."""

from __future__ import annotations

import sys

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli._memory import InPod, opened, pod_options
from ghostkey.cli.countdown import Countdown
from ghostkey.cli.options import ProgressLine, cluster_options, parse_duration
from ghostkey.cli.where import Where
from ghostkey.model.errors import UsageError


@click.command("stacks", context_settings=CONTEXT)
@click.argument("process_word", metavar="PID|pod/NAME")
@click.option(
    "--map", "map_words", multiple=True, required=True, metavar="HOLDER|TYPE|ADDRESS", help="Which map; up to four may be named."
)
@click.option("--for", "duration", default="30s", show_default=True, metavar="TIME", help="How long to watch.")
@click.option(
    "--by", "way", type=click.Choice(["perf", "ptrace", "poll"]), default="perf", show_default=True,
    help="By the kernel's perf events; by ptrace, where those are forbidden: each write stops its thread for a moment; or by "
    "looking at the length from time to time, which works everywhere and sees less.",
)  # fmt: skip
@click.option(
    "-o", "--output", "form", type=click.Choice(["text", "json", "folded", "pprof"]), default="text",
    help="How to print stacks: folded is for flame graphs, pprof for go tool pprof.",
)  # fmt: skip
@cluster_options
@pod_options
def command(
    process_word: str, map_words: tuple[str, ...], where: Where, in_pod: InPod, duration: str, way: str, form: str
) -> int:
    """Say which lines of code insert into a map of a running Go process, and which delete from it.

    Every change of the map's length comes with its whole stack, also from a stripped program. Nobody is stopped: the processor
    tells, by breakpoints that are gone with this command, however it ends. Hits are counted against the change of the length.
    """
    from ghostkey import processes
    from ghostkey.census import profiles, watchpoints
    from ghostkey.cli.output import echo_json
    from ghostkey.cli.terminal import safe, say
    from ghostkey.report import stacks as report

    seconds = parse_duration(duration)
    if form == "pprof" and sys.stdout.isatty():
        raise UsageError("a profile is no text", "write it to a file: … -o pprof > map.pb.gz; go tool pprof -http=: map.pb.gz")
    progress = ProgressLine()
    with opened(process_word, where, in_pod, is_watched=True) as process:
        progress("looking for the maps")
        census = process.census()
        process.name_types(census.maps)
        meant = {(like := processes.named(process, census, word))[0].address: like for word in map_words}
        chosen = [like[0] for like in meant.values()]
        if len(chosen) > watchpoints.MAPS_MOST:
            raise UsageError(f"{len(chosen)} maps are named", f"a processor has breakpoints for {watchpoints.MAPS_MOST}")
        progress.done()
        for found in chosen:
            words = f"watching {found.holder} ({found.type or 'map'}, len {found.length:,}) for {duration}"
            click.echo(safe(words + processes.not_watched(meant[found.address])), err=True)
        with Countdown(seconds, lambda: "watching", progress):
            seen = processes.watch(process, chosen, seconds, way)
        progress.done()
        name, pid, version = process.name, process.pid, process.version
    if seen.ended:
        click.echo(f"{seen.ended} after {seen.seconds:.0f} s", err=True)
    match form:
        case "json":
            echo_json(report.document(seen, name, pid, version))
        case "folded":
            for line in report.folded(seen):
                click.echo(safe(line))
        case "pprof":
            click.echo(profiles.encode(report.profile(seen)), nl=False)
        case _:
            say(*report.text(seen))
    return 130 if seen.ended == "interrupted" else 4 if seen.ended else 0
