"""What a scan found, as every format is given it, and what the formats share: records, counts, groups."""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ghostkey.model.counts import counted
from ghostkey.model.events import Gap
from ghostkey.model.findings import Finding, Severity
from ghostkey.model.refs import ObjectRef
from ghostkey.model.silences import Heard, Silenced
from ghostkey.report.visible import json_safe, safe
from ghostkey.store.snapshot import Snapshot

SCHEMA_VERSION = 1
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Screen:
    """Where a report is shown: `width` in characters, None where nothing is to be cut (a pipe, a file)."""

    width: int | None = None
    is_colored: bool = False
    is_local: bool = False
    shows: Callable[[str], bool] = str.isascii

    @property
    def uncut(self) -> Screen:
        """The same, for what is shown whole however narrow it is."""
        return dataclasses.replace(self, width=None)


@dataclass(frozen=True, slots=True)
class Report:
    """A scan: what is to be shown of it, and where. `fail_on` is the severity from which a finding is a failure, None for never."""

    snapshot: Snapshot
    findings: Sequence[Finding]
    heard: Heard = field(default_factory=lambda: Heard([], [], []))
    fail_on: Severity | None = Severity.WARNING
    screen: Screen = field(default_factory=Screen)

    def is_failure(self, finding: Finding) -> bool:
        """Whether the finding is what makes a scan end with 1."""
        return self.fail_on is not None and finding.severity >= self.fail_on and finding.state == "found"


@dataclass(frozen=True, slots=True)
class Format:
    """One way to print a report, a piece after the other: text is followed by a line feed, bytes go out as they are."""

    pieces: Callable[[Report], Iterator[str | bytes]]


def short_kind(holder: ObjectRef) -> str:
    """`cm/NAME`, `secret/NAME`, or the qualified kind."""
    return str(holder).partition(" -n ")[0]


def named(finding: Finding) -> str:
    """The analysis, and the state unless it is simply found."""
    return finding.analysis + ("" if finding.state == "found" else f" ({finding.state})")


def where(finding: Finding) -> str:
    """The map and the key, for people: `cm/registry -n shop: acme`."""
    key = str(finding.key)
    return safe(f"{finding.key.holder}: {key}" if key else str(finding.key.holder))


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


def encoded(findings: Sequence[Finding]) -> bytes:
    """Findings as one JSON list, all its characters visible."""
    return json_safe(msgspec.json.encode([finding_record(finding) for finding in findings]))


def _object_record(holder: ObjectRef) -> dict[str, str]:
    return {
        "group": holder.kind.group,
        "version": holder.kind.version,
        "kind": holder.kind.kind,
        "namespace": holder.namespace,
        "name": holder.name,
        "uid": holder.uid,
    }


def silence_record(item: Silenced) -> dict[str, Any]:
    """A silenced finding as JSON: which, by whom, until when and why."""
    finding, silence = item.finding, item.silence
    return {
        "id": finding.fingerprint,
        "analysis": finding.analysis,
        "severity": str(finding.severity),
        "holder": _object_record(finding.key.holder),
        "key": str(finding.key),
        "silenced_by": silence.origin,
        "until": silence.until_text,
        "reason": silence.reason,
    }


def gap_record(gap: Gap) -> dict[str, str]:
    """A gap as JSON."""
    return {"what": gap.what, "why": gap.why, "kind": gap.kind, "hint": gap.hint}


def summary(report: Report) -> dict[str, int]:
    """Counts of what was looked at and what was found."""
    snapshot = report.snapshot
    states = collections.Counter(finding.state for finding in report.findings)
    return {
        "maps": len({(seen.holder.kind, seen.holder.namespace, seen.holder.name) for seen in snapshot.maps}),
        "keys": snapshot.key_count,
        "entries": snapshot.entry_count,
        "subjects": len(snapshot.subjects),
        "findings": states["found"],
        "unknown": states["unknown"],
        "suspect": states["suspect"],
        "declared": states["declared"],
        "silenced": len(report.heard.silenced),
        "expired": len(report.heard.expired),
        "gaps": len(snapshot.gaps),
    }


def looked_at(counts: Mapping[str, int]) -> str:
    """What a scan looked at, by the counts of its summary: `1 key and 50 entries of documents in 1 map`."""
    entries = f" and {counted(counts['entries'], 'entry', 'entries')} of documents" if counts["entries"] else ""
    return f"{counted(counts['keys'], 'key')}{entries} of {counted(counts['maps'], 'map')}"


def document(report: Report) -> dict[str, Any]:
    """The whole report for programs, as JSON and YAML print it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "GhostkeyScan",
        "cluster": report.snapshot.cluster,
        "summary": summary(report),
        "findings": [finding_record(finding) for finding in report.findings],
        "silenced": [silence_record(item) for item in report.heard.silenced],
        "gaps": [gap_record(gap) for gap in report.snapshot.gaps],
        "notes": report.snapshot.notes,
    }


def grouped(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Findings that people read as one: of one map, analysis and template; maps that differ in a number alone come together."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        holder = finding.key.holder
        about = finding.attribution.template if finding.attribution else ""
        # maps that differ in a number alone, one for each object of a kind, share a row; so do children of one kind
        single = _DIGITS.sub("#", holder.name) if finding.key.field != "children" else ""
        spot = (finding.origin, finding.analysis, finding.state, holder.kind, holder.namespace, single, finding.key.path, about)
        groups.setdefault(spot, []).append(finding)
    return list(groups.values())


def about(members: Sequence[Finding]) -> str:
    """What a group of findings is about: the template of its keys, or the message of the first."""
    first = members[0]
    if first.attribution is None:
        return first.message
    return f"{'/'.join(kind.kind for kind in first.attribution.kinds[:3])} {first.attribution.template}"
