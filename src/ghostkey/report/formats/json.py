"""The whole report as one JSON document: summary, findings, what is silenced, gaps."""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.report.findings import Format, Report, document
from ghostkey.report.formats._json import json_bytes


def _pieces(report: Report) -> Iterator[bytes]:
    yield json_bytes(document(report))


FORMAT = Format(_pieces)
