"""`ghostkey explain`."""

from __future__ import annotations

from typing import Any

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli._history import past_options
from ghostkey.cli.options import ProgressLine, cluster_options
from ghostkey.cli.where import Where
from ghostkey.model.errors import UsageError


def _complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    from ghostkey.analyses import all_analyses

    return [name for name in all_analyses() if name.startswith(incomplete)]


@click.command("explain", context_settings=CONTEXT)
@click.argument("what", metavar="FINDING|ANALYSIS|cm/NAME", shell_complete=_complete)
@click.argument("key", default="", metavar="[KEY]")
@cluster_options
@click.option("--kinds", multiple=True, metavar="KIND", help="With cm/NAME: consider only these kinds as subjects.")
@click.option(
    "--subject", "subjects", multiple=True, metavar="KIND=TEMPLATE", help="With cm/NAME: declare what keys are written for."
)
@past_options
@click.option("--html", "page_file", metavar="FILE", help="Write the story as one page that needs no network.")
@click.option("--field", "fields", multiple=True, metavar="KIND:PATH", help="A map-valued field too: tenants.demo:status.shards.")
@click.option("-o", "--output", "form", type=click.Choice(["text", "json"]), default="text", help="How to print a story.")
def command(
    what: str,
    key: str,
    where: Where,
    kinds: tuple[str, ...],
    subjects: tuple[str, ...],
    paths: tuple[str, ...],
    sort: str | None,
    store: str | None,
    carve: bool,
    engine: str,
    page_file: str | None,
    fields: tuple[str, ...],
    form: str,
) -> int:
    """Show the evidence of a finding, what an analysis means, or the whole story of a map or a key.

    FINDING is an id of the last scan, or its beginning. With cm/NAME [KEY] the map is looked at anew; with --from or --store
    its history is told: who wrote a key, when its subject went, and why the key is still there.
    """
    if paths or store:
        past = (paths, sort, store, engine, carve, fields, subjects)
        return _tell(what, key, where, past, page_file, form)
    if "/" in what:
        return _explain_map(what, key, where, kinds, subjects)
    from ghostkey.analyses import all_analyses, page
    from ghostkey.cli.findings_file import find

    if what in all_analyses():
        click.echo(f"{what}: {page(what)}")
        return 0
    found = find(what)
    if len(found) == 1:
        _print_chain(found[0])
        return 0
    known = ", ".join(sorted(all_analyses()))
    if found:
        raise UsageError(f"{len(found)} findings of the last scan begin with {what!r}", "write more of the id")
    raise UsageError(f"no finding {what!r} in the last scan, and no analysis of that name", f"analyses: {known}")


def _tell(what: str, key: str, where: Where, past: tuple[Any, ...], page_file: str | None, form: str) -> int:
    """The story of a map, or of one key, from its history; 1 when keys outlive their subject."""
    from pathlib import Path

    from ghostkey import story as stories
    from ghostkey.cli._history import one_holder, opened
    from ghostkey.cli.terminal import safe
    from ghostkey.report import page, text

    paths, sort, store, engine, carve, fields, subjects = past
    holder = one_holder((what,), where.namespace)
    with opened(holder, paths, sort, store, engine, carve=carve, fields=fields, subjects=subjects, where=where) as asked:
        told = stories.story_of(asked, *holder, key)
        if not told.keys:
            raise UsageError(
                f"the history has no key {key!r} of {what} in namespace {holder[1]!r}"
                if key
                else f"the history has no {what} in namespace {holder[1]!r}",
                "name the namespace with -n",
            )
        moments = stories.timeline(asked, told, key) if key else []
    if page_file:
        Path(page_file).write_text(page.page(told), encoding="utf-8")
        click.echo(f"wrote {page_file}", err=True)
    if form == "json":
        import dataclasses

        from ghostkey.cli.output import echo_json

        record: dict[str, Any] = {"schema_version": 1, "kind": "GhostkeyStory", **dataclasses.asdict(told)}
        # keys of JSON objects are text
        record["links"] = list(told.links.values())
        record["subjects"] = list(told.subjects.values())
        record["timeline"] = [dataclasses.asdict(moment) for moment in moments]
        echo_json(record)
    else:
        for line in text.key_lines(told, key, moments) if key else text.map_lines(told):
            click.echo(safe(line))
    return 1 if told.ghosts else 0


def _print_chain(record: dict[str, Any]) -> None:
    from ghostkey.cli.terminal import safe

    holder = record["holder"]
    word = {"ConfigMap": "cm", "Secret": "secret"}.get(holder["kind"], holder["kind"])
    place = f"{word}/{holder['name']}" + (f" -n {holder['namespace']}" if holder["namespace"] else "")
    name = "/".join([*record["path"], record["key"]])
    click.echo(safe(f"{record['analysis']} {record['id']} ({record['severity']}, {record['state']})"))
    click.echo(safe(f"{place}: {name or record['field']}"))
    click.echo(safe(f"  {record['message']}"))
    for number, step in enumerate(record["evidence"], 1):
        click.echo(safe(f"  {number}. {step}"))
    if record["analysis"] in {"ghost-key", "tombstone"} and record["state"] == "found":
        click.echo(f"  next: ghostkey trim {place} --ghosts")


def _explain_map(what: str, key: str, where: Where, kinds: tuple[str, ...], subjects: tuple[str, ...]) -> int:
    from ghostkey.cli._cluster import findings_of_map, one_map
    from ghostkey.cli.output import finding_record

    client = where.client()
    kind, name = one_map((what,))
    progress = ProgressLine()
    findings, snapshot = findings_of_map(client, kind, name, kinds, subjects, progress)
    progress.done()
    chosen = [finding for finding in findings if not key or str(finding.key) == key or finding.key.key == key]
    for finding in chosen[:20]:
        _print_chain(finding_record(finding))
    if len(chosen) > 20:
        click.echo(f"… and {len(chosen) - 20} more; name a KEY")
    if not chosen:
        seen = [s for s in snapshot.maps if (s.holder.kind, s.holder.name) == (kind, name)]
        has = any(key in s.keys for s in seen)
        click.echo(
            f"nothing is wrong with {what}{f' {key}' if key and has else ''}" if not key or has else f"{what} has no key {key!r}"
        )
    for gap in snapshot.gaps[:5]:
        click.echo(f"not seen: {gap.what}: {gap.why}", err=True)
    return 3 if snapshot.gaps else 1 if chosen else 0
