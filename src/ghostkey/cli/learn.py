"""`ghostkey learn`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli._history import past_options
from ghostkey.cli.options import ProgressLine, cluster_options, parse_pair
from ghostkey.cli.where import Where
from ghostkey.model.errors import GhostkeyError, UsageError

if TYPE_CHECKING:
    from ghostkey.guard.caps import Cap
    from ghostkey.learn.incident import Incident
    from ghostkey.story.opening import Past

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command("learn", context_settings=CONTEXT)
@click.argument("what", default="", metavar="INCIDENT")
@cluster_options
@past_options
@click.option("--pick", default="", metavar="ID|cm/NAME", help="Which of several incidents in a file.")
@click.option("--operator", metavar="'PROGRAM …'", help="The operator that leaks: the test is run on it.")
@click.option("--fixed", default="", metavar="'PROGRAM …'", help="A build that does not leak: the test has to pass on it.")
@click.option("--crds", multiple=True, metavar="FILE|DIR", help="CRDs of the operator; may be repeated.")
@click.option("--sample", "samples", multiple=True, metavar="FILE", help="Objects that make one subject.")
@click.option("--setup", multiple=True, metavar="FILE", help="Objects that the operator needs to be there.")
@click.option(
    "--env",
    "environment",
    multiple=True,
    metavar="NAME=VALUE",
    help="Environment of the operator; may be repeated. What is called as credentials are is not written into the test.",
)
@click.option("--code", "source", type=_FOLDER, metavar="DIR", help="Go source of the operator: lint looks for the cause there.")
@click.option("--cap", type=click.IntRange(0), metavar="N", help="The guard's cap, instead of one worked out.")
@click.option("--out", type=_FOLDER, metavar="DIR", help="Where the folder is made; ./incident-ID by default.")
@click.option("--force", "is_forced", is_flag=True, help="Replace a folder that is there.")
@click.option("--list", "is_listed", is_flag=True, help="List what was learnt so far, and end.")
@click.option("-o", "--output", "form", type=click.Choice(["table", "json"]), default="table", help="How to print.")
def command(
    what: str, where: Where, past: Past, pick: str, is_listed: bool, out: Path | None, is_forced: bool, form: str, **given: Any
) -> int:
    """Make of one incident what keeps it from happening again, each part tried on the real thing before it is handed over.

    INCIDENT is an id of the last scans or of a trim's receipt, or a file: the JSON of scan, explain, churn or lint. Written are a
    guard, an alert with its test, a lint configuration, a regression test with its churn scenario, and a post-mortem. What does not
    hold is not written, and said. Nothing is written to a cluster.

    Exit code: 0 every part was tried and held; 3 one was not tried, or is missing.
    """
    from ghostkey.learn import folder, kept
    from ghostkey.learn import run as learning

    if is_listed:
        return _print_kept(form)
    if not what:
        raise UsageError(
            "no incident is named", "an id of the last scans, a receipt, or a file: ghostkey scan -o json > scan.json"
        )
    incident = _incident(what, pick, where)
    if past:
        incident = _with_past(incident, past, where)
    target = out or Path(f"incident-{incident.id}")
    folder.check(target, is_forced=is_forced)
    known, damaged = kept.all_kept()
    for line in damaged:
        click.echo(f"not seen: {line}", err=True)
    place = (incident.namespace, "" if incident.is_secret else incident.map)
    cap, in_cluster = _cap(incident, given["cap"], past, where)
    progress = ProgressLine()
    wanted = learning.Wanted(cap, _build(given), given["source"], kept.like(incident.pattern, known, place), in_cluster)
    try:
        lesson = learning.learn(incident, wanted, progress)
    finally:
        progress.done()
    learning.write(lesson, target, is_forced=is_forced)
    _keep(lesson.incident)
    _print_lesson(lesson, target, form)
    return 0 if lesson.is_whole else 3


def _incident(what: str, pick: str, where: Where) -> Incident:
    """What the word means: a file, an id of the last scans, or a receipt."""
    from ghostkey.actions.receipts import FileReceipts
    from ghostkey.cli import findings_file
    from ghostkey.learn import reading

    path = Path(what)
    if path.is_file():
        return reading.read_file(path, pick)
    found, damaged = findings_file.find(what)
    for error in damaged:
        click.echo(f"not seen: {error}", err=True)
    if len(found) == 1:
        record, place = found[0]
        others = [other for other, said in findings_file.find("")[0] if said == place]
        return reading.of_finding(record, others, f"finding {record['id']} of a scan")
    if found:
        raise UsageError(f"{len(found)} findings of the last scans begin with {what!r}", "write more of the id")
    try:
        return reading.of_receipt(FileReceipts().load(what))
    except GhostkeyError as error:
        raise UsageError(
            f"{what!r} is no file, no finding of the last scans, and no receipt: {error}",
            "ghostkey scan shows ids, ghostkey undo --list receipts",
        ) from None


def _with_past(incident: Incident, past: Past, where: Where) -> Incident:
    """The incident with timeline, proof and forecast from a history of its map."""
    import dataclasses

    from ghostkey import story as stories
    from ghostkey.learn import reading
    from ghostkey.story.opening import opened

    if not incident.name:
        raise UsageError("a history is of a map, and this incident is of none", "leave out --from and --store")
    holder, progress = (incident.resource, incident.namespace, incident.name), ProgressLine()
    with opened(holder, past, where.client, progress) as asked:
        told = dataclasses.asdict(stories.story_of(asked, *holder))
        progress.done()
    told["subjects"], told["links"] = list(told["subjects"].values()), list(told["links"].values())
    if not told["ghosts"]:
        unknown = (*incident.unknown, "the history that was given knows of no key that outlives its subject")
        return dataclasses.replace(incident, unknown=unknown, forecast=reading.forecast_lines(told))
    more = reading.of_story(told, incident.source)
    return dataclasses.replace(
        incident, timeline=tuple(sorted({*more.timeline, *incident.timeline})), proof=(*more.proof, *incident.proof),
        forecast=more.forecast, unknown=(*more.unknown, *incident.unknown),
        pattern=incident.pattern if incident.pattern.template else more.pattern,
    )  # fmt: skip


def _cap(incident: Incident, wanted: int | None, past: Past, where: Where) -> tuple[Cap | str, str]:
    """The cap of the incident's map (or why there is none), and what the cluster says to the guard by dry run."""
    from ghostkey import api
    from ghostkey.cli.guard import growth_in
    from ghostkey.guard.apply import dry_run
    from ghostkey.guard.caps import Cap, cap_of
    from ghostkey.guard.plan import plan_guard

    kind = incident.kind
    if kind is None or not incident.name:
        return "it is not about a map of the API, which alone a guard can keep", ""
    try:
        client = where.client()
        live = api.read_map(client, kind, incident.namespace, incident.name)
        growth = growth_in(past.store or None, (kind, incident.namespace, incident.name))
        cap = cap_of(kind, live, growth, wanted=wanted)
    except GhostkeyError as error:
        if wanted is None:
            return f"how many keys the map has is not known: {error}; --cap N says what it may have", ""
        return Cap(
            kind, incident.namespace, incident.name, 0, wanted, f"{wanted:,} was asked for"
        ), f"not tried in the cluster: {error}"
    try:
        dry_run(client, plan_guard(client, [cap], [], None))
    except GhostkeyError as error:
        return cap, f"not tried in the cluster: {error}"
    return cap, "the cluster's dry run took it"


def _build(given: dict[str, Any]) -> Any:
    from ghostkey.learn.parts.regression import Build

    if not given["operator"]:
        return None
    if not given["crds"] and not given["samples"]:
        raise UsageError("--operator needs to know what its subjects are", "add --crds DIR or --sample FILE")
    return Build(
        given["operator"],
        given["crds"],
        given["samples"],
        given["setup"],
        given["fixed"],
        dict(map(parse_pair, given["environment"])),
    )


def _keep(incident: Incident) -> None:
    from ghostkey.learn.kept import keep

    try:
        keep(incident)
    except (OSError, GhostkeyError) as error:
        click.echo(f"note: it could not be kept for later scans: {getattr(error, 'strerror', None) or error}", err=True)


def _print_lesson(lesson: Any, target: Path, form: str) -> None:
    from ghostkey.cli.output import echo_json
    from ghostkey.cli.terminal import say

    if form == "json":
        parts = [
            {"part": p.name, "state": p.state, "said": p.said, "files": sorted(p.files) if p.is_written else []}
            for p in lesson.parts
        ]
        document = {"schema_version": 1, "kind": "GhostkeyLesson", "incident": lesson.incident.id, "folder": str(target)}
        echo_json({**document, "parts": parts})
        return
    for part in lesson.parts:
        written = ", ".join(sorted(part.files)) if part.is_written else "not written"
        say(f"{part.name:<12} {part.state:<10} {written}")
        for line in part.said.splitlines():
            say(f"{'':<12} {line}")
    click.echo(f"wrote {target}", err=True)


def _print_kept(form: str) -> int:
    from ghostkey.cli.output import echo_json, echo_table
    from ghostkey.learn.kept import all_kept, like

    known, damaged = all_kept()
    rows = []
    for one in known:
        other = like(one.pattern, known, (one.place, one.map))
        rows.append(
            {
                "id": one.id,
                "at": one.at,
                "namespace": one.place,
                "map": one.map,
                "pattern": str(one.pattern),
                "like": str(other) if other else "",
            }
        )
    if form == "json":
        echo_json({"schema_version": 1, "kind": "GhostkeyIncidents", "incidents": rows})
    else:
        cells = []
        for row in rows:
            about = row["map"] or ("a Secret" if row["namespace"] else "no map of the API")
            also = f"; like {row['like']}" if row["like"] else ""
            cells.append([row["id"], row["namespace"] or "-", about, f"{row['pattern']}{also}"])
        echo_table(["ID", "NAMESPACE", "MAP", "PATTERN"], cells)
        if not rows and not damaged:
            click.echo("nothing was learnt yet: ghostkey learn INCIDENT", err=True)
    for line in damaged:
        click.echo(f"not seen: {line}", err=True)
    return 3 if damaged else 0
