"""`ghostkey pprof`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli.options import ProgressLine, cluster_options, parse_duration
from ghostkey.cli.where import Where
from ghostkey.model.errors import UsageError

if TYPE_CHECKING:
    from ghostkey.kube.client import ApiClient


@click.command("pprof", context_settings=CONTEXT)
@click.argument("places", nargs=-1, required=True, metavar="URL|FILE|pod/NAME:PORT[/PATH] [URL|FILE|…]")
@click.option("--for", "duration", metavar="TIME", help="With one URL: ask it twice, so far apart, and say what grew.")
@cluster_options
@click.option("-o", "--output", "form", type=click.Choice(["text", "json"]), default="text", help="How to print the result.")
def command(places: tuple[str, ...], duration: str | None, where: Where, form: str) -> int:
    """Say which calls made the maps of a program grow, from its own heap profiles.

    For processes whose memory cannot be read. A URL is the address of a program that serves net/http/pprof (asked with gc=1),
    pod/NAME:PORT the same through the API server, a file what curl or go tool pprof kept of one. Two of them: what grew from the first to the second.
    """
    from ghostkey import heap_profiles
    from ghostkey.cli.output import echo_json
    from ghostkey.cli.terminal import say
    from ghostkey.report import heap as report

    if len(places) > 2:
        raise UsageError(f"{len(places)} profiles are named", "name one, or two to compare")
    places = tuple(map(heap_profiles.pod_place, places))
    seconds = parse_duration(duration) if duration else 0.0
    if seconds and (len(places) != 1 or not heap_profiles.is_address(places[0])):
        raise UsageError("--for asks one URL twice", "name one URL, or two files without --for")

    def connect() -> tuple[ApiClient, str]:
        client = where.client()
        return client, client.config.namespace

    progress = ProgressLine()
    progress("reading profiles")
    told = heap_profiles.compare(places, seconds, get=heap_profiles.through_pods(connect))
    progress.done()
    if form == "json":
        echo_json(report.document(told))
    else:
        say(*report.text(told))
        for note in heap_profiles.CANNOT_KNOW:
            click.echo(f"note: {note}", err=True)
    return 0
