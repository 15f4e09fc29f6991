"""`ghostkey scan`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli._memory import InPod, maps_of, pod_options
from ghostkey.cli.completing import complete_analysis
from ghostkey.cli.known import Known, baseline_options
from ghostkey.cli.options import (
    ProgressLine,
    cluster_options,
    color_option,
    complete_map,
    local_option,
    parse_fields,
    parse_holder,
    use_color,
)
from ghostkey.cli.output import FORMATS
from ghostkey.cli.scope import grouped, holders_option, kinds_option, subject_option
from ghostkey.cli.where import Where
from ghostkey.model.counts import counted
from ghostkey.model.errors import UsageError
from ghostkey.model.refs import GO_MAPS

if TYPE_CHECKING:
    from ghostkey import api
    from ghostkey.model.events import Gap
    from ghostkey.model.findings import Finding
    from ghostkey.model.refs import Kind
    from ghostkey.model.silences import Heard, Silence
    from ghostkey.report.findings import Report
    from ghostkey.store.snapshot import Snapshot

GAP_NAMES, GAP_LINES = 6, 12
EXPIRED_LINES = 5
SEVERITIES = ("info", "warning", "critical")


@dataclass(frozen=True, slots=True)
class Looked:
    """What is looked at, and for what."""

    all_namespaces: bool
    selector: str
    paths: tuple[str, ...]
    fields: tuple[str, ...]
    subjects: tuple[str, ...]
    kinds: tuple[str, ...]
    holders: tuple[str, ...]
    only: tuple[str, ...]
    process_words: tuple[str, ...]

    def scope(self, namespace: str, names: list[tuple[Kind, str]]) -> api.Scope:
        """The same in the library's words."""
        from ghostkey import api

        return api.Scope(
            namespace=namespace,
            selector=self.selector,
            names=tuple(names),
            holders=api.holder_kinds(self.holders) if self.holders else api.Scope().holders,
            fields=tuple(parse_fields(self.fields)),
            subject_kinds=self.kinds,
            known_by=api.known_by(self.subjects),
        )


@dataclass(frozen=True, slots=True)
class Told:
    """How findings are told, and which of them make the scan fail."""

    form: str
    severity: str
    fail_on: str
    is_local: bool
    color: str


@click.command("scan", context_settings=CONTEXT)
@click.argument("maps", nargs=-1, metavar="[cm/NAME | secret/NAME]…", shell_complete=complete_map)
@cluster_options
@pod_options
@grouped(
    "looked",
    Looked,
    click.option("-A", "--all-namespaces", is_flag=True, help="Maps of all namespaces (the default without -n)."),
    click.option("-l", "--selector", default="", metavar="LABELS", help="Maps with these labels only."),
    click.option(
        "--from", "paths", multiple=True, metavar="PATH", help="Read files, folders or archives instead of a cluster; - is stdin."
    ),
    click.option(
        "--field",
        "fields",
        multiple=True,
        metavar="KIND:PATH",
        help="Look into a map-valued field too, as tenants.demo:status.shards.",
    ),
    subject_option(
        "Declare what keys, or whole objects, are for: 'tenants={namespace}.{name}', 'tenants={spec.slug}', 'secrets:tenants={name}-token'."
    ),
    kinds_option(),
    holders_option,
    click.option("--only", multiple=True, metavar="ANALYSIS", shell_complete=complete_analysis, help="Run only these analyses."),
    click.option(
        "--process",
        "process_words",
        multiple=True,
        metavar="PID|pod/NAME",
        help="Look into the maps of this Go process, too: an operator's.",
    ),
)
@baseline_options
@click.option("--store", metavar="DIR", help="Say when maps near a limit will be full, by this store of history (your own).")
@grouped(
    "told",
    Told,
    click.option("-o", "--output", "form", type=click.Choice(FORMATS), default="table", help="How to print findings."),
    click.option("--severity", type=click.Choice(SEVERITIES), default="warning", help="Show findings from this severity on."),
    click.option("--fail-on", type=click.Choice((*SEVERITIES, "never")), default="warning", help="Exit 1 from this severity on."),
    local_option,
    color_option,
)
def command(
    maps: tuple[str, ...], where: Where, in_pod: InPod, looked: Looked, known: Known, store: str | None, told: Told
) -> int:
    """Find ghost keys and their kin, and prove each.

    Reads; changes nothing. Exit code: 0 nothing found, 1 findings, 3 something could not be seen.
    """
    import gc
    import sys

    from ghostkey.report.evidence import OF_A_DUMP

    # A scan makes millions of objects that live until it ends; looking through them for cycles only costs time.
    gc.disable()
    # The next page is read in a thread while this one is decoded. At Python's 5 ms a turn the reader would wait longer
    # for its turns than for the server.
    sys.setswitchinterval(0.0003)
    if looked.all_namespaces and where.namespace:
        raise UsageError("-A and -n contradict each other")
    silences = known.silences()
    progress = ProgressLine()
    snapshot, heard = _found(parse_holder(maps), where, in_pod, looked, (silences, store), progress)
    progress.done()
    is_narrowed = bool(
        maps or where.namespace or looked.selector or looked.holders or looked.only or looked.kinds or known.excluded
    )
    known.tighten(snapshot, [*heard.spoken, *(item.finding for item in heard.silenced)], is_narrowed=is_narrowed)
    return _tell(snapshot, known.write(heard), told, OF_A_DUMP if looked.paths else where.words(namespace=False))


def _found(
    names: list[tuple[Kind, str]], where: Where, in_pod: InPod, looked: Looked, heeded: tuple[list[Silence], str | None],
    progress: ProgressLine,
) -> tuple[Snapshot, Heard]:  # fmt: skip
    """What was read, and what was found in it once each finding was looked at again; `heeded`: silences, and a store of history."""
    import contextlib

    from ghostkey import api
    from ghostkey.cli._forecast import ANALYSES, with_dates
    from ghostkey.cli._incidents import recognised
    from ghostkey.model.refs import ObjectRef
    from ghostkey.model.silences import listen
    from ghostkey.silences import annotated_silences

    client = None if looked.paths else where.client()
    namespace = where.namespace or (client.config.namespace if client and names else "")
    scope = looked.scope(namespace, names)
    silences, store = heeded
    with contextlib.ExitStack() as opened:
        memories = opened.enter_context(maps_of(looked.process_words, where, in_pod)) if looked.process_words else []
        cluster = api.cluster(client, scope, progress) if client else None
        source = cluster or api.manifests(looked.paths, scope, progress)
        snapshot = api.missing(api.collect_with(source, memories, client.config.server if client else ""), scope, client)
        progress("looking for ghosts")
        links = api.declared_links(looked.subjects, snapshot, [ObjectRef(kind, namespace, name) for kind, name in names])
        # objects elsewhere were read as subjects only; what is wrong with them is for a scan of their namespace
        found = [finding for finding in api.analyse(snapshot, links, looked.only) if _is_wanted(finding, namespace, names)]
        heard = listen(found, [*silences, *annotated_silences(snapshot)])
        heard = _spoken(heard, api.confirm(cluster, heard.spoken) if cluster else api.with_writers(snapshot, heard.spoken))
        for memory in memories:
            heard = _spoken(heard, memory.confirm(heard.spoken))
    if any(finding.analysis in ANALYSES for finding in heard.spoken):
        heard = _spoken(heard, with_dates(heard.spoken, store))
    return snapshot, _spoken(heard, recognised(heard.spoken))


def _tell(snapshot: Snapshot, heard: Heard, told: Told, words: str) -> int:
    """Prints the findings and keeps them for `explain`; the exit code. `words` are those that name the cluster."""
    from ghostkey.cli import findings_file
    from ghostkey.cli.output import print_report, screen
    from ghostkey.model.findings import Severity
    from ghostkey.report.findings import Report

    shown = [finding for finding in heard.spoken if finding.severity >= Severity[told.severity.upper()]]
    threshold = None if told.fail_on == "never" else Severity[told.fail_on.upper()]
    report = Report(snapshot, shown, heard, threshold, screen(is_colored=use_color(told.color), is_local=told.is_local))
    print_report(report, told.form)
    # what is silenced can be explained all the same
    findings_file.save([*heard.spoken, *(item.finding for item in heard.silenced)], words)
    _say(report, told.form)
    loud = [finding for finding in heard.spoken if report.is_failure(finding)]
    if loud and not any(finding in shown for finding in loud):
        click.echo(
            f"{counted(len(loud), 'finding')} at or above --fail-on {told.fail_on} {'is' if len(loud) == 1 else 'are'} hidden by --severity {told.severity}",
            err=True,
        )
    # What could not be seen outranks what was seen: a script that reads 1 as "these are all" would be wrong.
    return 3 if snapshot.gaps else 1 if loud else 0


def _is_wanted(finding: Finding, namespace: str, names: list[tuple[Kind, str]]) -> bool:
    holder = finding.key.holder
    if holder.kind == GO_MAPS:
        return True  # a process was named as well
    return (not namespace or holder.namespace == namespace) and (not names or (holder.kind, holder.name) in names)


def _spoken(heard: Heard, confirmed: list[Finding]) -> Heard:
    """What is still told after a second look."""
    from ghostkey.model.silences import Heard

    ids = {finding.fingerprint for finding in confirmed}
    return Heard(confirmed, heard.silenced, [item for item in heard.expired if item.finding.fingerprint in ids])


def _say(report: Report, form: str) -> None:
    from ghostkey.cli.terminal import safe
    from ghostkey.report.findings import looked_at, summary, where

    counts, heard, shown = summary(report), report.heard, report.findings
    for line in [*_gap_lines(report.snapshot.gaps), *(f"note: {text}" for text in report.snapshot.notes)]:
        click.echo(safe(line), err=True)
    for item in heard.expired[:EXPIRED_LINES]:
        click.echo(safe(f"no longer silenced: {where(item.finding)} ({item.silence})"), err=True)
    if len(heard.expired) > EXPIRED_LINES:
        click.echo(f"no longer silenced: {len(heard.expired) - EXPIRED_LINES:,} more", err=True)
    if form in {"table", "wide"}:
        hidden = len(heard.spoken) - len(shown)
        line = f"{counted(counts['findings'], 'finding')} in {looked_at(counts)}"
        for state in ("unknown", "suspect", "declared", "silenced"):
            line += f", {counts[state]} {state}" if counts[state] else ""
        line += f", {hidden} below --severity" if hidden else ""
        click.echo(line + (f"; ghostkey explain {shown[0].fingerprint} shows why" if shown else ""), err=True)


def _gap_lines(gaps: list[Gap]) -> list[str]:
    """What was not seen: kinds that failed alike in one line, everything else in a line of its own, hints once."""
    alike: dict[str, list[Gap]] = {}
    for gap in gaps:
        what = gap.what.removeprefix(gap.kind) if gap.kind else gap.what
        alike.setdefault(what, []).append(gap)
    lines: list[str] = []
    for what, group in alike.items():
        first = group[0]
        if len(group) == 1:
            lines.append(f"not seen: {first.what}: {first.why}")
            continue
        # kinds of operators first: those are the ones that keys are written for
        names = sorted((gap.kind for gap in group), key=lambda name: (_is_built_in(name), name))
        more = f" and {len(names) - GAP_NAMES} more (-o json lists all)" if len(names) > GAP_NAMES else ""
        lines.append(f"not seen: {counted(len(group), 'kind')}{what}: {', '.join(names[:GAP_NAMES])}{more}")
        lines.append(f"  for example: {first.why}")
    if len(lines) > GAP_LINES:
        lines = [*lines[:GAP_LINES], f"not seen: {len(lines) - GAP_LINES} more; -o json lists all"]
    return lines + [f"hint: {hint}" for hint in dict.fromkeys(gap.hint for gap in gaps if gap.hint)][:2]


def _is_built_in(qualified: str) -> bool:
    group = qualified.partition(".")[2]
    return "." not in group or group.endswith(".k8s.io")
