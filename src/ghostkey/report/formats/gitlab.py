"""A Code Quality report of GitLab (`artifacts:reports:codequality`).

Source: GitLab, Code Quality report format: description, check_name, fingerprint, location.path, location.lines.begin, severity.
"""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.model.findings import Severity
from ghostkey.report.findings import Format, Report, named, where
from ghostkey.report.formats._json import json_bytes
from ghostkey.report.places import all_places
from ghostkey.report.visible import safe

_SEVERITIES = {Severity.CRITICAL: "critical", Severity.WARNING: "major", Severity.INFO: "info"}


def _pieces(report: Report) -> Iterator[bytes]:
    places = all_places(report.snapshot, report.findings)
    yield json_bytes(
        [
            {
                "description": safe(f"{where(finding)}: {finding.message}"),
                "check_name": f"ghostkey/{named(finding)}",
                "fingerprint": finding.fingerprint,
                "severity": _SEVERITIES[finding.severity] if finding.state == "found" else "info",
                "location": {"path": place.path, "lines": {"begin": place.line}},
            }
            for finding, place in zip(report.findings, places, strict=True)
        ]
    )


FORMAT = Format(_pieces)
