"""A row for each map and kind of finding, with the number of keys and one example."""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.report.findings import Format, Report, about, grouped, named, short_kind
from ghostkey.report.formats._columns import Column, table, with_origins

COLUMNS = (
    Column("ID"),
    # what the next command needs is cut last
    Column("NAMESPACE", cut=2),
    Column("MAP", cut=2),
    Column("FINDING", cut=2),
    Column("KEYS"),
    Column("WRITTEN FOR", cut=1, leaves=2),
    Column("EXAMPLE", cut=1, leaves=1),
)


def _pieces(report: Report) -> Iterator[str]:
    rows, origins = [], []
    for members in grouped(report.findings):
        first = members[0]
        name = short_kind(first.key.holder)
        if (maps := len({finding.key.holder.name for finding in members})) > 1:
            name = f"{name} (+{maps - 1})"
        count = str(len(members)) if first.key.key else "-"
        space = first.key.holder.namespace or "-"
        row = [first.fingerprint, space, name, named(first), count, about(members), str(first.key) or "-"]
        rows.append((first.severity, row))
        origins.append(first.origin)
    yield from table(*with_origins(COLUMNS, rows, origins), report.screen)


FORMAT = Format(_pieces)
