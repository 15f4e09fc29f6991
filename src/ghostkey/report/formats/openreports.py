"""Reports of openreports.io, one for each map, which a dashboard shows beside its object: `ghostkey scan -o openreports | kubectl apply -f -`.

Source: openreports/reports-api v1alpha1, Report and ClusterReport.
"""

from __future__ import annotations

import datetime
import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ghostkey.model.findings import Finding, Severity
from ghostkey.model.refs import ObjectRef
from ghostkey.report.findings import Format, Report, named
from ghostkey.report.formats._json import json_bytes
from ghostkey.report.visible import safe

API_VERSION = "openreports.io/v1alpha1"
RESULTS = 1000  # of one report: more would come near what etcd takes of one object
_TEXT = 1000  # characters of a message, so that a thousand of them fit
_SEVERITIES = {Severity.CRITICAL: "critical", Severity.WARNING: "medium", Severity.INFO: "info"}


def _pieces(report: Report) -> Iterator[bytes]:
    maps: dict[ObjectRef, list[Finding]] = {}
    for finding in report.findings:
        maps.setdefault(finding.key.holder, []).append(finding)
    now = int(datetime.datetime.now(datetime.UTC).timestamp())
    items = [_report(report, holder, findings, now) for holder, findings in maps.items()]
    yield json_bytes({"apiVersion": "v1", "kind": "List", "items": items})


def _report(report: Report, holder: ObjectRef, findings: list[Finding], now: int) -> dict[str, Any]:
    kind = holder.kind
    spot = "\0".join((kind.qualified, holder.namespace, holder.name))
    scope = {
        "apiVersion": f"{kind.group}/{kind.version}" if kind.group else kind.version,
        "kind": kind.kind,
        "name": holder.name,
        **({"namespace": holder.namespace} if holder.namespace else {}),
        **({"uid": holder.uid} if holder.uid else {}),
    }
    counts = Counter(_outcome(report, finding) for finding in findings)
    metadata: dict[str, Any] = {
        # of a length and alphabet that every name of a map allows
        "name": f"ghostkey-{kind.kind.lower()[:20]}-{hashlib.sha256(spot.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}",
        "labels": {"app.kubernetes.io/managed-by": "ghostkey"},
    }
    if holder.namespace:
        metadata["namespace"] = holder.namespace
    if len(findings) > RESULTS:
        metadata["annotations"] = {"ghostkey.dev/left-out": str(len(findings) - RESULTS)}
    return {
        "apiVersion": API_VERSION,
        "kind": "Report" if holder.namespace else "ClusterReport",
        "metadata": metadata,
        "source": "ghostkey",
        "scope": scope,
        # all findings are counted, also those that have no room below
        "summary": {outcome: counts[outcome] for outcome in ("pass", "fail", "warn", "error", "skip")},
        "results": [_result(report, finding, scope, now) for finding in findings[:RESULTS]],
    }


def _outcome(report: Report, finding: Finding) -> str:
    if finding.state != "found":
        return "skip"
    return "fail" if report.is_failure(finding) else "warn"


def _result(report: Report, finding: Finding, scope: dict[str, str], now: int) -> dict[str, Any]:
    properties = {"id": finding.fingerprint, "state": finding.state}
    if key := str(finding.key):
        properties["key"] = safe(key)[:_TEXT]
        properties["field"] = finding.key.field
    return {
        "source": "ghostkey",
        "policy": finding.analysis,
        "category": named(finding),
        "severity": _SEVERITIES[finding.severity],
        "result": _outcome(report, finding),
        "scored": finding.state == "found",
        "message": safe(finding.message)[:_TEXT],
        "resources": [scope],
        "timestamp": {"seconds": now, "nanos": 0},
        "properties": properties,
    }


FORMAT = Format(_pieces)
