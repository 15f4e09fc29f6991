"""One finding a line, as JSON."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ghostkey.report.findings import SCHEMA_VERSION, Format, Report, finding_record
from ghostkey.report.visible import json_safe


def _pieces(report: Report) -> Iterator[bytes]:
    for finding in report.findings:
        yield json_safe(msgspec.json.encode({"schema_version": SCHEMA_VERSION, **finding_record(finding)})) + b"\n"


FORMAT = Format(_pieces)
