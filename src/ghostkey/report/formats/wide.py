"""A row for each finding, with everything that has room in a line."""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.model.findings import Finding
from ghostkey.report.findings import Format, Report, named, short_kind
from ghostkey.report.formats._columns import Column, table, with_origins
from ghostkey.report.times import in_table

COLUMNS = (
    Column("ID"),
    Column("NAMESPACE", cut=1),
    Column("MAP", cut=1),
    Column("FINDING", cut=2),
    Column("SEVERITY", leaves=3),
    Column("KEY", cut=1),
    Column("BYTES", leaves=2),
    Column("WRITER", cut=1, leaves=1),
    Column("MESSAGE", cut=1, leaves=4),
)


def _pieces(report: Report) -> Iterator[str]:
    rows = [(finding.severity, _row(finding, is_local=report.screen.is_local)) for finding in report.findings]
    origins = [finding.origin for finding in report.findings]
    yield from table(*with_origins(COLUMNS, rows, origins), report.screen)


def _row(finding: Finding, *, is_local: bool) -> list[str]:
    manager, _, at = finding.writer.rpartition(" ")
    writer = f"{manager} {in_table(at, is_local=is_local)}" if manager else at
    return [
        finding.fingerprint,
        finding.key.holder.namespace or "-",
        short_kind(finding.key.holder),
        named(finding),
        str(finding.severity),
        str(finding.key) or "-",
        str(finding.value_bytes) if finding.value_bytes >= 0 else "-",
        writer or "-",
        finding.message,
    ]


FORMAT = Format(_pieces)
