"""Which source of history a path is, told by what is in it."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from ghostkey.model.errors import NoSuchPath, SourceDamaged, UsageError
from ghostkey.model.history import HistoryEvent
from ghostkey.sources.history.states import KeyedHash

SORTS = ("audit", "snapshot", "wal", "dumps")
BBOLT_MAGIC = b"\xed\xda\x0c\xed"
_AUDIT = b"audit.k8s.io/"
_HEAD = 4096


class PastSource(Protocol):
    """What `History.add` reads."""

    origin: str

    def events(self) -> Iterator[HistoryEvent]:
        """All events, once."""
        ...


def sort_of(path: Path) -> str:
    """audit, snapshot, wal or dumps; raises SourceDamaged when it is none of them."""
    if str(path) == "-":
        return "audit"
    if not path.exists():
        raise NoSuchPath(f"{path} does not exist", "name an audit log, an etcd snapshot or WAL, or a folder of dated dumps")
    if path.is_dir():
        if (path / ".git").exists():
            return "dumps"
        if any(path.glob("*.wal")) or (path / "wal").is_dir() or (path / "member" / "wal").is_dir():
            return "wal"
        from ghostkey.sources.history.dated_dumps import dated_name

        files = [file for file in sorted(path.iterdir()) if not file.name.startswith(".")]
        if any(file.is_file() and _AUDIT in _head(file) for file in files[:16]):
            return "audit"
        if any(dated_name(file.name) is not None for file in files):
            return "dumps"
        raise SourceDamaged(f"{path} holds nothing that is known", "say what it is with --source audit, snapshot, wal or dumps")
    if path.suffix == ".wal":
        return "wal"
    head = _head(path)
    if BBOLT_MAGIC in head[:64]:
        return "snapshot"
    if _AUDIT in head:
        return "audit"
    raise SourceDamaged(
        f"{path} is no audit log, etcd snapshot or WAL", "say what it is with --source audit, snapshot, wal or dumps"
    )


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            head = handle.read(_HEAD)
        if head[:2] == b"\x1f\x8b":
            with gzip.open(path) as unzipped:
                return unzipped.read(_HEAD)
    except (OSError, EOFError):
        return b""
    return head


def open_source(
    paths: Iterable[Path],
    sort: str,
    digest: KeyedHash,
    fields: Iterable[tuple[str, str]] = (),
    *,
    carve: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> PastSource:
    """The source of these paths, all of one sort; only audit logs come as several."""
    paths = list(paths)
    if sort == "audit":
        from ghostkey.sources.history.audit.log import AuditLog

        return AuditLog(paths, digest, fields, progress)
    if len(paths) != 1:
        raise UsageError(f"{len(paths)} paths of the sort {sort}", "give one at a time")
    if sort == "snapshot":
        from ghostkey.sources.history.etcd.snapshot import EtcdSnapshot

        return EtcdSnapshot(paths[0], digest, fields, carve=carve, progress=progress)
    if sort == "wal":
        from ghostkey.sources.history.etcd.wal import EtcdWal

        return EtcdWal(paths[0], digest, fields, progress)
    if sort == "dumps":
        from ghostkey.sources.history.dated_dumps import DatedDumps

        return DatedDumps(paths[0], digest, fields, progress)
    raise UsageError(f"no source is of the sort {sort!r}", f"use one of {', '.join(SORTS)}")
