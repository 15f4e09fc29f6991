"""`cm/NAME KEY` a line, for scripts."""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.report.findings import Format, Report, short_kind
from ghostkey.report.visible import safe


def _pieces(report: Report) -> Iterator[str]:
    for finding in report.findings:
        yield safe(f"{short_kind(finding.key.holder)} {finding.key}")


FORMAT = Format(_pieces)
