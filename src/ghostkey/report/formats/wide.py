"""A row for each finding with all that is known in a line; nothing of it is cut or left out, as kubectl does."""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.model.findings import Finding
from ghostkey.report.findings import Format, Report, about, named, short_kind
from ghostkey.report.formats._columns import Column, table, with_origins
from ghostkey.report.times import in_table

COLUMNS = tuple(
    map(Column, ("ID", "NAMESPACE", "MAP", "FINDING", "SEVERITY", "KEY", "BYTES", "WRITTEN FOR", "WRITER", "MESSAGE"))
)


def _pieces(report: Report) -> Iterator[str]:
    rows = [(finding.severity, _row(finding, is_local=report.screen.is_local)) for finding in report.findings]
    origins = [finding.origin for finding in report.findings]
    yield from table(*with_origins(COLUMNS, rows, origins), report.screen.uncut)


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
        about([finding]) if finding.attribution is not None else "-",
        writer or "-",
        finding.message,
    ]


FORMAT = Format(_pieces)
