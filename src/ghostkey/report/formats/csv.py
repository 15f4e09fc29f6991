"""A row for each finding, for spreadsheets; cells that a spreadsheet would run as formulas begin with an apostrophe.

Source: RFC 4180, with line feeds alone; OWASP, CSV Injection.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from ghostkey.report.findings import Format, Report, finding_record
from ghostkey.report.visible import safe

HEADER = (
    "id", "analysis", "severity", "state", "namespace", "kind", "name", "field", "key", "value_bytes", "subjects", "writer", "message",
)  # fmt: skip
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def _pieces(report: Report) -> Iterator[str]:
    yield _line(HEADER)
    for finding in report.findings:
        record: dict[str, Any] = finding_record(finding)
        record["kind"] = record["holder"]["kind"]
        record["key"] = str(finding.key)
        record["subjects"] = "; ".join(map(str, finding.subjects))
        record["value_bytes"] = finding.value_bytes if finding.value_bytes >= 0 else ""
        yield _line([cell(str(record[column])) for column in HEADER])


def _line(cells: Any) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()


def cell(text: str) -> str:
    """The text as it may stand in a cell: no formula, no line feed, nothing that cannot be seen."""
    # a spreadsheet leaves out spaces before it looks
    return safe(f"'{text}" if text.lstrip(" ").startswith(_FORMULAS) else text)


FORMAT = Format(_pieces)
