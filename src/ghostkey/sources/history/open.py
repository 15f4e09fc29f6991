"""Which source of history a path is, told by what is in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from ghostkey.model.errors import NoSuchPath, SourceDamaged, UsageError
from ghostkey.model.history import HistoryEvent
from ghostkey.sources._archives import UNPACKING, beginning, is_readable_name
from ghostkey.sources.history.audit.envelopes import is_worth
from ghostkey.sources.history.facts import KeyedHash

SORTS = ("audit", "snapshot", "wal", "dumps")
DUMP = "dump"  # manifests without a date: no history, and what `scan --from` takes
BBOLT_MAGIC = b"\xed\xda\x0c\xed"
_HEAD = 1 << 16
_FILES = 64  # of a folder, and members of an archive, that are looked at


class PastSource(Protocol):
    """What `History.add` reads."""

    origin: str

    def events(self) -> Iterator[HistoryEvent]:
        """All events, once."""
        ...


def sort_of(path: Path) -> str:
    """audit, snapshot, wal, dumps or DUMP; raises SourceDamaged when it is none of them."""
    if str(path) == "-":
        return "audit"
    if not path.exists():
        raise NoSuchPath(f"{path} does not exist", "name an audit log, an etcd snapshot or WAL, or a folder of dated dumps")
    found = _sort_of_folder(path) if path.is_dir() else _sort_of_file(path)
    if not found:
        what = "holds nothing that is known" if path.is_dir() else "is no audit log, etcd snapshot or WAL, and no dump"
        raise SourceDamaged(f"{path} {what}", "say what it is with --source audit, snapshot, wal or dumps")
    return found


def parts_of(path: Path) -> list[tuple[Path, str]]:
    """The sources in a folder, each with its sort: of etcd's data folders the log and the data file each, snapshots, and what else it is.

    Itself where it is one. A folder of audit logs may hold dated dumps, too. Raises as `sort_of` does.
    """
    if not path.is_dir() or (path / ".git").exists():
        return [(path, sort_of(path))]
    found: list[Path] = []
    for folder in (path, *sorted(child for child in path.iterdir() if child.is_dir())):
        member = folder / "member" if (folder / "member").is_dir() else folder
        if (member / "wal").is_dir():
            found += [member / "wal", *(data for data in (member / "snap" / "db",) if data.is_file())]
            if folder == path:
                return [(part, sort_of(part)) for part in found]
    found += sorted(file for file in path.iterdir() if file.is_file() and _is_snapshot(file))
    parts = [(part, sort_of(part)) for part in found]
    try:
        sort = sort_of(path)
    except SourceDamaged:
        if not parts:
            raise
        return parts
    if sort == "audit":
        return [*parts, (path, sort), *([(path, "dumps")] if any(_dumps_in(path)) else [])]
    return [*parts, (path, sort)] if sort == "dumps" or not parts else parts


def _dumps_in(path: Path) -> Iterator[tuple[int, Path]]:
    """(time, path) of what has a date in its name and holds objects: a rotated log has a date, too."""
    from ghostkey.sources.history.dated_dumps import dated_in

    return ((at, dated) for at, dated in dated_in(path) if _holds_objects(dated))


def _holds_objects(path: Path) -> bool:
    files = itertools.islice(_files(path), _FILES) if path.is_dir() else [path]
    return any(_sort_of_file(file) == DUMP for file in files)


def _is_snapshot(path: Path) -> bool:
    with path.open("rb", buffering=0) as handle:
        return BBOLT_MAGIC in handle.read(64)


def _sort_of_folder(path: Path) -> str:
    from ghostkey.sources.history.dated_dumps import dated_in, has_commits, is_repository, work_tree

    if (path / ".git").exists() or is_repository(path):
        return "dumps"
    if any(path.glob("*.wal")) or (path / "wal").is_dir() or (path / "member" / "wal").is_dir():
        return "wal"
    dated = any(not file.name.startswith(".") for _, file in dated_in(path))
    files = list(itertools.islice(_files(path), 4 * _FILES))
    # files whose names say so first: a must-gather has thousands of others
    files.sort(key=lambda file: "audit" not in str(file.relative_to(path)).lower())
    if any(_sort_of_file(file) == "audit" for file in files[:_FILES]):
        return "audit"
    if dated or (work_tree(path) is not None and has_commits(path)):
        return "dumps"
    return DUMP if any(is_readable_name(file.name) for file in files) else ""


def _files(path: Path) -> Iterator[Path]:
    return (file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))


def _sort_of_file(path: Path) -> str:
    if path.suffix == ".wal":
        return "wal"
    head = _head(path)
    if BBOLT_MAGIC in head[:64]:
        return "snapshot"
    if (sort := _sort_of_archive(path)) is not None:
        return sort
    if is_worth(head):
        return "audit"
    return DUMP if is_readable_name(path.name) or b"apiVersion" in head else ""


def _sort_of_archive(path: Path) -> str | None:
    """What the members of an archive are; None when it is none."""
    from ghostkey.sources.history.audit.archives import beginnings, members

    try:
        names = members(path)
        if names is None:
            return None
        for number, (name, head) in enumerate(names):
            if number >= _FILES and "audit" not in name.lower():
                continue
            # of an archive in it the first bytes must tell: to look for more is to unpack it
            if any(map(is_worth, itertools.islice(beginnings(head()), _FILES))):
                return "audit"
    except UNPACKING:
        pass
    return DUMP


def _head(path: Path) -> bytes:
    try:
        with path.open("rb", buffering=_HEAD) as handle:
            return beginning(handle, _HEAD)
    except UNPACKING:
        return b""


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

        return DatedDumps(paths[0], digest, fields, progress, list(_dumps_in(paths[0])) if paths[0].is_dir() else [])
    if sort == DUMP:
        hint = "name it by its date, as 2026-11-02.yaml, in a folder of its own; ghostkey scan --from looks at it alone"
        raise UsageError(f"{paths[0]} is a dump without a date: it has no history", hint)
    raise UsageError(f"no source is of the sort {sort!r}", f"use one of {', '.join(SORTS)}")
