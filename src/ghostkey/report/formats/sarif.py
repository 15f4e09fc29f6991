"""SARIF 2.1.0, as GitHub's code scanning takes it: each result at a file and line, each rule with its page and level.

A live cluster has no files: its maps have paths `kubernetes/NAMESPACE/KIND/NAME.yaml`, the same from scan to scan.
Source: OASIS SARIF 2.1.0 errata 01; GitHub, SARIF support for code scanning (25,000 results a run, of which 5,000 are shown).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import ghostkey
from ghostkey.analyses import all_analyses, page
from ghostkey.model.counts import counted
from ghostkey.model.findings import Finding, Severity
from ghostkey.report.findings import Format, Report, short_kind, where
from ghostkey.report.formats._json import json_bytes
from ghostkey.report.places import Place, all_places
from ghostkey.report.visible import safe

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
RESULTS = 25_000
_PLACEHOLDER = re.compile(r"\{(\d+)\}")
_LEVELS = {Severity.CRITICAL: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_PROBLEMS = {Severity.CRITICAL: "error", Severity.WARNING: "warning", Severity.INFO: "recommendation"}


def _pieces(report: Report) -> Iterator[bytes]:
    yield json_bytes(sarif(report))


def sarif(report: Report) -> dict[str, Any]:
    """The log of one run."""
    findings = list(report.findings[:RESULTS])
    names = sorted({finding.analysis for finding in findings})
    numbers = {name: number for number, name in enumerate(names)}
    places = all_places(report.snapshot, findings)
    driver = {
        "name": "ghostkey",
        "version": ghostkey.__version__,
        "semanticVersion": ghostkey.__version__,
        "rules": [_rule(name) for name in names],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(report)],
        "results": [_result(finding, place, numbers[finding.analysis]) for finding, place in zip(findings, places, strict=True)],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(name: str) -> dict[str, Any]:
    text = page(name)
    severity = all_analyses()[name].severity
    title, _, body = text.partition("\n")
    return {
        "id": name,
        "name": "".join(part.capitalize() for part in name.split("-")),
        "shortDescription": {"text": title},
        "fullDescription": {"text": _section(body, "What it finds") or title},
        "help": {"text": text, "markdown": f"```text\n{text}\n```"},
        "defaultConfiguration": {"level": _LEVELS[severity]},
        "properties": {"tags": ["kubernetes", "ghost-keys"], "precision": "high", "problem.severity": _PROBLEMS[severity]},
    }


def _section(page_text: str, title: str) -> str:
    """The paragraph of a page under a title, as one line."""
    _, _, rest = page_text.partition(f"{title}\n")
    lines = []
    for line in rest.splitlines():
        if line and not line.startswith(" "):
            break
        lines.append(line.strip())
    return " ".join(filter(None, lines))


def _result(finding: Finding, place: Place, rule: int) -> dict[str, Any]:
    holder = finding.key.holder
    base = {} if place.path.startswith("/") else {"uriBaseId": "%SRCROOT%"}
    qualified = f"{holder.namespace}/{short_kind(holder)}/{finding.key.field}/{finding.key}"
    return {
        "ruleId": finding.analysis,
        "ruleIndex": rule,
        "level": _LEVELS[finding.severity] if finding.state == "found" else "note",
        "message": {"text": plain(f"{where(finding)}: {finding.message}")},
        # the name that code scanning compares, and ours
        "partialFingerprints": {"primaryLocationLineHash": f"{finding.fingerprint}:1", "ghostkey/v1": finding.fingerprint},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": place.uri, **base},
                    "region": {"startLine": place.line},
                },
                "logicalLocations": [
                    {"kind": "member", "name": safe(str(finding.key)), "fullyQualifiedName": safe(qualified)},
                ],
            }
        ],
        "properties": {"state": finding.state, "evidence": [safe(step) for step in finding.evidence]},
    }


def _invocation(report: Report) -> dict[str, Any]:
    """How the scan went: what could not be seen, and what is left out here."""
    notes = [f"not seen: {gap.what}: {gap.why}" for gap in report.snapshot.gaps[:1000]]
    if len(report.findings) > RESULTS:
        notes.append(
            f"{counted(len(report.findings) - RESULTS, 'more finding is', 'more findings are')} left out: code scanning takes {RESULTS:,} of a run"
        )
    found: dict[str, Any] = {"executionSuccessful": not report.snapshot.gaps}
    if notes:
        found["toolExecutionNotifications"] = [{"level": "warning", "message": {"text": plain(note)}} for note in notes]
    return found


def plain(text: str) -> str:
    """A message's text: nothing in it is a link (`[text](1)`) or a placeholder (`{0}`)."""
    shown = safe(text)
    if "](" in shown:
        shown = shown.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return _PLACEHOLDER.sub(r"{{\1}}", shown)


FORMAT = Format(_pieces)
