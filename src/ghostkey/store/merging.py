"""Parts of a recording, put together, so that a store that grows by one every quarter of an hour is read from few files.

Sixteen parts become one, sixteen of those one again: each event is written once for each power of sixteen. The new one says which it
replaces, and from then on those are as if they were not there; they are removed when the next part has come, since somebody may be reading them.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ghostkey.store.history import TABLES, History, Imported, schema

try:
    import fcntl
except ImportError:  # Windows: who records there has the store for itself
    fcntl = None  # type: ignore[assignment]

PARTS = 16
LEVELS = 8
_COVERED = "coverage"


def merge(history: History, origin: str, source: str) -> list[Imported]:
    """Puts together what has become many of one recording; what was made. Does nothing while somebody else does it.

    Raises OSError when the store cannot be written; then all is as it was.
    """
    made: list[Imported] = []
    with _alone(history.directory) as is_alone:
        if not is_alone:
            return made
        for replaced in history.replaced():
            history.drop(replaced)
        for level in range(LEVELS):
            parts = [one for one in history.imports() if (one.origin, one.source) == (origin, source) and _level(one.id) == level]
            if len(parts) < PARTS:
                break
            made.append(_merged(history, parts, level + 1))
    return made


def _level(name: str) -> int:
    """How often what is in a part was merged; -1 of what is none of a recording."""
    if name.startswith("record-"):
        return 0
    head, _, rest = name.partition("-")
    number = rest.partition("-")[0]
    return int(number) if head == "merged" and number.isdecimal() else -1


def _merged(history: History, parts: Sequence[Imported], level: int) -> Imported:
    folders = [history.directory / "parts" / one.id for one in parts]
    whole = Imported(
        f"merged-{level}-{secrets.token_hex(8)}",
        parts[0].origin,
        parts[0].source,
        sum(one.key_events for one in parts),
        sum(one.subject_events for one in parts),
        parts[-1].imported_at,
        min((one.since for one in parts if one.since is not None), default=None),
        max((one.until for one in parts if one.until is not None), default=None),
        replaces=tuple(one.id for one in parts),
    )
    with history.unfinished(whole.id) as (unfinished, finish):
        for table in TABLES:
            _copy(table, [file for folder in folders for file in sorted(folder.glob(f"{table}*.parquet"))], unfinished)
        finish(whole)
    return whole


def _copy(table: str, files: Sequence[Path], into: Path) -> None:
    """All rows of a table, a row group at a time; coverage that goes on without a break is one row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = schema(table)
    with (
        os.fdopen(os.open(into / f"{table}-0.parquet", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as sink,
        pq.ParquetWriter(sink, columns, compression="zstd") as writer,
    ):
        if table == _COVERED:
            rows = [row for file in files for row in pq.read_table(file, schema=columns).to_pylist()]
            writer.write_table(pa.Table.from_pylist(_joined(rows), schema=columns))
            return
        for file in files:
            for batch in pq.ParquetFile(file).iter_batches(batch_size=8192):
                writer.write_table(pa.Table.from_batches([batch]).select(columns.names).cast(columns))


def _joined(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    joined: list[dict[str, Any]] = []
    last: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        about = tuple(value for name, value in row.items() if name not in ("since", "until"))
        before = last.get(about)
        if before is not None and not row["is_gap"] and before["until"] == row["since"]:
            before["until"] = row["until"]
        else:
            last[about] = {**row}
            joined.append(last[about])
    return joined


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[bool]:
    lock = os.open(directory / ".merging", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
        yield True
    finally:
        os.close(lock)
