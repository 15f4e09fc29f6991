"""Reports of openreports.io, one for each map, which a dashboard shows beside its object: `ghostkey scan -o openreports | kubectl apply -f -`.

Source: openreports/reports-api v1alpha1, Report and ClusterReport.
"""

from __future__ import annotations

import datetime
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ghostkey.model.findings import Finding, Severity
from ghostkey.model.refs import ObjectRef
from ghostkey.report.findings import Format, Report, named
from ghostkey.report.formats._json import json_bytes
from ghostkey.report.visible import safe

API_VERSION = "openreports.io/v1alpha1"
RESULTS = 1000  # of one report: more would come near what etcd takes of one object
_TEXT = 1000  # characters of a message, so that a thousand of them fit
IsFailure = Callable[[Finding], bool]
_SEVERITIES = {Severity.CRITICAL: "critical", Severity.WARNING: "medium", Severity.INFO: "info"}


def _pieces(report: Report) -> Iterator[bytes]:
    maps: dict[ObjectRef, list[Finding]] = {}
    for finding in report.findings:
        maps.setdefault(finding.key.holder, []).append(finding)
    now = int(datetime.datetime.now(datetime.UTC).timestamp())
    items = [report_of(holder, findings, report.is_failure, now) for holder, findings in maps.items()]
    yield json_bytes({"apiVersion": "v1", "kind": "List", "items": items})


def report_of(
    holder: ObjectRef, findings: Sequence[Finding], is_failure: IsFailure, now: int, *, names_keys: bool = True
) -> dict[str, Any]:
    """The Report of one map; `now` in seconds since the epoch. Without `names_keys` findings are counted and say no more."""
    kind = holder.kind
    spot = "\0".join((kind.qualified, holder.namespace, holder.name))
    scope = {
        "apiVersion": f"{kind.group}/{kind.version}" if kind.group else kind.version,
        "kind": kind.kind,
        "name": holder.name,
        **({"namespace": holder.namespace} if holder.namespace else {}),
        **({"uid": holder.uid} if holder.uid else {}),
    }
    counts = Counter(_outcome(is_failure, finding) for finding in findings)
    metadata: dict[str, Any] = {
        # of a length and alphabet that every name of a map allows
        "name": f"ghostkey-{kind.kind.lower()[:20]}-{hashlib.sha256(spot.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}",
        "labels": {"app.kubernetes.io/managed-by": "ghostkey"},
    }
    if holder.namespace:
        metadata["namespace"] = holder.namespace
    if len(findings) > RESULTS and names_keys:
        metadata["annotations"] = {"ghostkey.dev/left-out": str(len(findings) - RESULTS)}
    return {
        "apiVersion": API_VERSION,
        "kind": "Report" if holder.namespace else "ClusterReport",
        "metadata": metadata,
        "source": "ghostkey",
        "scope": scope,
        # all findings are counted, also those that have no room below
        "summary": {outcome: counts[outcome] for outcome in ("pass", "fail", "warn", "error", "skip")},
        "results": [
            _result(_outcome(is_failure, first), first, scope, now, told)
            for first, told in (_named(findings[:RESULTS]) if names_keys else _counted(findings))
        ],
    }


def _outcome(is_failure: IsFailure, finding: Finding) -> str:
    if finding.state != "found":
        return "skip"
    return "fail" if is_failure(finding) else "warn"


_Told = tuple[str, dict[str, str]]


def _named(findings: Sequence[Finding]) -> Iterator[tuple[Finding, _Told]]:
    """Each finding with its message and properties."""
    for finding in findings:
        properties = {"id": finding.fingerprint, "state": finding.state}
        if key := str(finding.key):
            properties["key"] = safe(key)[:_TEXT]
            properties["field"] = finding.key.field
        yield finding, (finding.message, properties)


def _counted(findings: Sequence[Finding]) -> Iterator[tuple[Finding, _Told]]:
    """One of each kind of finding, with how many there are."""
    groups: dict[tuple[str, str, Severity], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.analysis, finding.state, finding.severity), []).append(finding)
    for (analysis, state, _), found in groups.items():
        message = f"{analysis}: {len(found):,}; ghostkey scan names them to who may read the map"
        yield found[0], (message, {"state": state, "count": str(len(found))})


def _result(outcome: str, finding: Finding, scope: dict[str, str], now: int, told: _Told) -> dict[str, Any]:
    message, properties = told
    return {
        "source": "ghostkey",
        "policy": finding.analysis,
        "category": named(finding),
        "severity": _SEVERITIES[finding.severity],
        "result": outcome,
        "scored": finding.state == "found",
        "message": safe(message)[:_TEXT],
        "resources": [scope],
        "timestamp": {"seconds": now, "nanos": 0},
        "properties": properties,
    }


FORMAT = Format(_pieces)
