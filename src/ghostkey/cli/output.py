"""Findings as table, wide, json, jsonl, yaml, name and sarif."""

from __future__ import annotations

import collections
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import click

import ghostkey
from ghostkey.cli.terminal import INVISIBLE, json_safe, marked, safe
from ghostkey.model.events import Gap
from ghostkey.model.findings import Finding, Severity
from ghostkey.model.refs import ObjectRef
from ghostkey.store.snapshot import Snapshot

SCHEMA_VERSION = 1
COLORS = {Severity.CRITICAL: "31m", Severity.WARNING: "33m", Severity.INFO: "36m"}
FORMATS = ("table", "wide", "json", "jsonl", "yaml", "name", "sarif")
_DIGITS = re.compile(r"\d+")
CELL_CHARACTERS = 400  # of a table: more than any name has, and a line of a megabyte shows nothing to anybody


def echo_json(document: Any) -> None:
    """Prints a document as JSON for people and programs: indented, in UTF-8, all its characters visible."""
    import msgspec

    click.echo(json_safe(msgspec.json.format(msgspec.json.encode(document, enc_hook=str), indent=2)))


def short_kind(holder: ObjectRef) -> str:
    """`cm/NAME`, `secret/NAME`, or the qualified kind."""
    return str(holder).partition(" -n ")[0]


def finding_record(finding: Finding) -> dict[str, Any]:
    """A finding as JSON; fields are added to it in later versions, never given another meaning."""
    ref, holder, attribution = finding.key, finding.key.holder, finding.attribution
    return {
        "id": finding.fingerprint,
        "analysis": finding.analysis,
        "severity": str(finding.severity),
        "state": finding.state,
        "holder": _object_record(holder),
        "namespace": holder.namespace,
        "name": holder.name,
        "field": ref.field,
        "path": list(ref.path),
        "key": ref.key,
        "value_bytes": finding.value_bytes,
        "subjects": [
            {
                "group": s.kind.group,
                "version": s.kind.version,
                "kind": s.kind.kind,
                "namespace": s.namespace,
                "name": s.name,
                "uid": s.uid,
            }
            for s in finding.subjects
        ],
        "attribution": attribution
        and {
            "template": attribution.template,
            "certainty": str(attribution.certainty),
            "kinds": [kind.qualified for kind in attribution.kinds],
            "support": attribution.support,
            "coverage": round(attribution.coverage, 4),
            "subject_coverage": round(attribution.subject_coverage, 4),
            "scope": attribution.scope,
        },
        "writer": finding.writer,
        "origin": finding.origin,
        "message": finding.message,
        "evidence": list(finding.evidence),
    }


def _object_record(holder: ObjectRef) -> dict[str, str]:
    return {
        "group": holder.kind.group,
        "version": holder.kind.version,
        "kind": holder.kind.kind,
        "namespace": holder.namespace,
        "name": holder.name,
        "uid": holder.uid,
    }


def gap_record(gap: Gap) -> dict[str, str]:
    """A gap as JSON."""
    return {"what": gap.what, "why": gap.why, "kind": gap.kind, "hint": gap.hint}


def summary(snapshot: Snapshot, findings: Sequence[Finding]) -> dict[str, int]:
    """Counts of what was looked at and what was found."""
    states = collections.Counter(finding.state for finding in findings)
    return {
        "maps": len({(seen.holder.kind, seen.holder.namespace, seen.holder.name) for seen in snapshot.maps}),
        "keys": snapshot.key_count,
        "subjects": len(snapshot.subjects),
        "findings": states["found"],
        "unknown": states["unknown"],
        "suspect": states["suspect"],
        "declared": states["declared"],
        "gaps": len(snapshot.gaps),
    }


def print_report(snapshot: Snapshot, findings: Sequence[Finding], form: str, *, color: bool) -> None:
    """Prints findings to stdout in one of FORMATS."""
    if form in {"table", "wide"}:
        rows = wide_rows(findings) if form == "wide" else table_rows(findings)
        print_table(rows, color=color)
        return
    if form == "name":
        for finding in findings:
            click.echo(safe(f"{short_kind(finding.key.holder)} {finding.key}"))
        return
    import msgspec

    encode = msgspec.json.encode
    records = map(finding_record, findings)
    if form == "jsonl":
        for record in records:
            click.echo(json_safe(encode({"schema_version": SCHEMA_VERSION, **record})))
        return
    if form == "sarif":
        echo_json(sarif(findings))
        return
    document = {
        "schema_version": SCHEMA_VERSION,
        "kind": "GhostkeyScan",
        "cluster": snapshot.cluster,
        "summary": summary(snapshot, findings),
        "findings": list(records),
        "gaps": [gap_record(gap) for gap in snapshot.gaps],
        "notes": snapshot.notes,
    }
    if form == "yaml":
        from ghostkey.kube.yaml_text import dump_yaml

        text = dump_yaml(document)
        # YAML's own escapes mean the same, those of a terminal would be other names
        is_shown = INVISIBLE.search(text) is None and _is_encoded(text)
        click.echo(text if is_shown else dump_yaml(document, is_ascii=True), nl=False)
    else:
        echo_json(document)


def _is_encoded(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "shows", None) or getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


Row = tuple[Severity | None, list[str]]


def table_rows(findings: Sequence[Finding]) -> Iterator[Row]:
    """A row for each map and kind of finding, with the number of keys and one example."""
    several = any(finding.origin for finding in findings)
    yield None, [*(["FROM"] if several else []), "NAMESPACE", "MAP", "FINDING", "KEYS", "WRITTEN FOR", "EXAMPLE", "ID"]
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        holder = finding.key.holder
        about = finding.attribution.template if finding.attribution else ""
        # maps that differ in a number alone, one for each object of a kind, share a row; so do children of one kind
        single = _DIGITS.sub("#", holder.name) if finding.key.field != "children" else ""
        spot = (finding.origin, finding.analysis, finding.state, holder.kind, holder.namespace, single, finding.key.path, about)
        groups.setdefault(spot, []).append(finding)
    for members in groups.values():
        first = members[0]
        kinds = "/".join(kind.kind for kind in first.attribution.kinds[:3]) if first.attribution else ""
        about = f"{kinds} {first.attribution.template}" if first.attribution else first.message
        name = short_kind(first.key.holder)
        if (maps := len({finding.key.holder.name for finding in members})) > 1:
            name = f"{name} (+{maps - 1})"
        finding_name = first.analysis + ("" if first.state == "found" else f" ({first.state})")
        count = str(len(members)) if first.key.key else "-"
        yield (
            first.severity,
            [
                *([first.origin or "-"] if several else []),
                *(first.key.holder.namespace or "-", name, finding_name, count, about, str(first.key) or "-", first.fingerprint),
            ],
        )


def wide_rows(findings: Sequence[Finding]) -> Iterator[Row]:
    """A row for each finding."""
    several = any(finding.origin for finding in findings)
    head = ["ID", "NAMESPACE", "MAP", "FINDING", "SEVERITY", "KEY", "BYTES", "WRITER", "MESSAGE"]
    yield None, [*head, "FROM"] if several else head
    for finding in findings:
        name = finding.analysis + ("" if finding.state == "found" else f" ({finding.state})")
        yield (
            finding.severity,
            [
                finding.fingerprint,
                finding.key.holder.namespace or "-",
                short_kind(finding.key.holder),
                name,
                str(finding.severity),
                str(finding.key) or "-",
                str(finding.value_bytes) if finding.value_bytes >= 0 else "-",
                finding.writer or "-",
                finding.message,
                *([finding.origin or "-"] if several else []),
            ],
        )


def print_table(rows: Iterator[Row], *, color: bool) -> None:
    """Prints rows in columns, the finding's word in the colour of its severity. Nothing for a header alone."""
    table = [(severity, [safe(_cut(cell)) for cell in cells]) for severity, cells in rows]
    if len(table) < 2:
        return
    widths = [max(map(_width, column)) for column in zip(*(cells for _, cells in table), strict=True)]
    colored = table[0][1].index("FINDING")
    for severity, cells in table:
        padded = [cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True)]
        if color and severity is not None:
            padded[colored] = f"{marked(COLORS[severity])}{padded[colored]}{marked('0m')}"
        line = "   ".join(padded).rstrip()
        click.echo(f"{marked('1m')}{line}{marked('0m')}" if color and severity is None else line, color=color)


def _cut(cell: str) -> str:
    return cell if len(cell) <= CELL_CHARACTERS else cell[: CELL_CHARACTERS - 1] + "…"


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _sarif_rule(name: str) -> dict[str, Any]:
    from ghostkey.analyses import page

    text = page(name)
    return {"id": name, "shortDescription": {"text": text.partition("\n")[0]}, "help": {"text": text}}


def sarif(findings: Sequence[Finding]) -> dict[str, Any]:
    """SARIF 2.1.0, with the map and key as logical location."""
    levels = {Severity.CRITICAL: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
    rules = sorted({finding.analysis for finding in findings})
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "ghostkey",
                        "version": ghostkey.__version__,
                        "rules": [_sarif_rule(rule) for rule in rules],
                    }
                },
                "results": [
                    {
                        "ruleId": finding.analysis,
                        "level": "note" if finding.state != "found" else levels[finding.severity],
                        "message": {"text": safe(f"{finding.key}: {finding.message}")},
                        "partialFingerprints": {"ghostkey/v1": finding.fingerprint},
                        "locations": [
                            {
                                "logicalLocations": [
                                    {
                                        "kind": "member",
                                        "name": safe(str(finding.key)),
                                        "fullyQualifiedName": safe(
                                            f"{finding.key.holder.namespace}/{short_kind(finding.key.holder)}"
                                            f"/{finding.key.field}/{finding.key}"
                                        ),
                                    }
                                ]
                            }
                        ],
                    }
                    for finding in findings
                ],
            }
        ],
    }
