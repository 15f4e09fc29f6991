"""`ghostkey history`."""

from __future__ import annotations

import sys

import click

from ghostkey.cli import CONTEXT, Verbs
from ghostkey.cli.options import ProgressLine, local_option, parse_fields

STORE = click.option("--store", metavar="DIR", help="The store; by default the user's own.")
TABLES = ("key_events", "subject_events", "coverage")


@click.group("history", cls=Verbs, context_settings=CONTEXT)
def command() -> None:
    """Import audit logs, etcd snapshots, WALs and dumps into a store, and look at what is known.

    The store is a folder of Parquet files; values are never in it.
    """


@command.command("import", context_settings=CONTEXT)
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@STORE
@click.option("--source", "sort", type=click.Choice(["audit", "snapshot", "wal", "dumps"]), help="What the paths are.")
@click.option("--field", "fields", multiple=True, metavar="KIND:PATH", help="A map-valued field too: tenants.demo:status.shards.")
@click.option("--carve", is_flag=True, help="Recover freed revisions of an etcd snapshot too.")
def import_(paths: tuple[str, ...], store: str | None, sort: str | None, fields: tuple[str, ...], carve: bool) -> None:
    """Import files and folders; each is told by what is in it. The same content twice changes nothing."""
    from pathlib import Path

    from ghostkey import story
    from ghostkey.cli.terminal import safe, say
    from ghostkey.store.history import History

    progress = ProgressLine()
    history = History(Path(store) if store else None)
    done = story.import_paths(history, paths, sort or "", parse_fields(fields), carve=carve, progress=progress)
    progress.done()
    for made in done:
        what = f"{made.key_events:,} key events, {made.subject_events:,} subject events"
        say(f"{made.id}  {made.origin}  {what}" + ("" if made.is_new else "  (was imported before)"))
        if made.said:
            click.echo(safe(f"note: {made.id}: {made.said}"), err=True)


@command.command("list", context_settings=CONTEXT)
@STORE
@click.option("-o", "--output", "form", type=click.Choice(["table", "json"]), default="table", help="How to print.")
@local_option
def list_(store: str | None, form: str, is_local: bool) -> None:
    """List what was imported."""
    from pathlib import Path

    from ghostkey.cli.output import echo_json, echo_table
    from ghostkey.model.history import rfc3339
    from ghostkey.report.times import local
    from ghostkey.store.history import History

    found = History(Path(store) if store else None).imports()
    if form == "json":
        echo_json({"schema_version": 1, "imports": found})
        return
    told = local if is_local else str
    rows = [
        [
            i.id,
            i.origin,
            told(rfc3339(i.since)) or "?",
            told(rfc3339(i.until)) or "?",
            f"{i.key_events:,}",
            f"{i.subject_events:,}",
            i.source,
        ]
        for i in found
    ]
    echo_table(["ID", "ORIGIN", "SINCE", "UNTIL", "KEY EVENTS", "SUBJECT EVENTS", "SOURCE"], rows)
    if not found:
        click.echo("nothing was imported yet", err=True)


@command.command("gaps", context_settings=CONTEXT)
@STORE
def gaps(store: str | None) -> int:
    """Say where and when the sources were blind. Exit code 3 when they were."""
    from pathlib import Path

    from ghostkey.cli.terminal import say
    from ghostkey.store.engines import open_engine
    from ghostkey.store.history import History
    from ghostkey.story import coverage, gap_line

    rows = coverage(open_engine("duckdb", History(Path(store) if store else None)))
    for row in rows:
        say(gap_line(row))
    if not rows:
        click.echo("nothing was imported yet: ghostkey history import PATH", err=True)
    return 3 if any(row["is_gap"] for row in rows) else 0


@command.command("export", context_settings=CONTEXT)
@click.argument("table", type=click.Choice(TABLES), metavar="key_events|subject_events|coverage")
@STORE
def export(table: str, store: str | None) -> None:
    """Print a table as JSON lines; times are microseconds since 1970. The Parquet files themselves are in the store."""
    from pathlib import Path

    import msgspec

    from ghostkey.cli.terminal import json_safe
    from ghostkey.store.engines import open_engine
    from ghostkey.store.history import History

    engine = open_engine("duckdb", History(Path(store) if store else None))
    for row in engine.rows(f"SELECT * FROM {table}"):  # noqa: S608 (one of TABLES)
        sys.stdout.buffer.write(json_safe(msgspec.json.encode(row)) + b"\n")
