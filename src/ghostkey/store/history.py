"""The history of keys and subjects: Parquet files, one folder for each import, and SQL over all of them.

An import is written aside and renamed when it is whole, so a crash leaves either all of it or nothing; the same content
again is the same folder and changes nothing. Values are never stored: `value_hash` is keyed with the store's own key.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from ghostkey.foreign import UnreadableError, decode_json
from ghostkey.model.errors import GhostkeyError, SourceDamaged, with_extra
from ghostkey.model.history import Covered, HistoryEvent, KeyEvent, SubjectEvent, rfc3339_now
from ghostkey.store.scratch import claimed, sweep
from ghostkey.store.state import digest_key, state_directory, sync_directory, write_private

SCHEMA_VERSION = 1
ROWS = 65_536  # of a row group: what is in memory while importing
TABLES: dict[str, type[Any]] = {"key_events": KeyEvent, "subject_events": SubjectEvent, "coverage": Covered}
TIMES = {"at", "since", "until"}


@dataclass(frozen=True, slots=True)
class Imported:
    """One import: its id (of the content), where it came from, how many events it gave, when it was made, and what its source said."""

    id: str
    origin: str
    source: str
    key_events: int
    subject_events: int
    imported_at: str
    since: int | None = None
    until: int | None = None
    is_new: bool = True
    contents: tuple[tuple[int, str], ...] = ()  # bytes and hash of each file
    replaces: tuple[str, ...] = ()  # ids of imports that are as if they were not there, since this one has what they have
    said: str = ""  # how its events were recognised, and what was passed over


class History:
    """One store of history, in a folder."""

    def __init__(self, directory: Path | None = None, rows: int = ROWS) -> None:
        """`rows` are in memory at most while one table of an import is made."""
        self.directory, self._rows = directory or state_directory() / "history", rows

    @property
    def secret(self) -> bytes:
        """The key of this store's value hashes, made on first use."""
        return digest_key(self.directory).key

    def has(self, import_id: str) -> Imported | None:
        """The import of this content, if it was made already."""
        found = self._read(self.directory / "parts" / import_id)
        return dataclasses.replace(found, is_new=False) if found else None

    def imports(self) -> list[Imported]:
        """All imports, oldest first."""
        found = [self._read(path) for path in self._folders()]
        return sorted((made for made in found if made), key=lambda made: made.imported_at)

    def _folders(self) -> list[Path]:
        """Those of all imports but the replaced ones, in no order."""
        folders = [path for path in (self.directory / "parts").glob("*") if not path.name.startswith(".")]
        replaced = self.replaced(folders)
        return [path for path in folders if path.name not in replaced] if replaced else folders

    def replaced(self, folders: Iterable[Path] | None = None) -> set[str]:
        """Ids of imports that another one replaces; their folders may be there still."""
        merged = (path for path in folders or (self.directory / "parts").glob("merged-*") if path.name.startswith("merged-"))
        return {name for path in merged if (made := self._read(path)) is not None for name in made.replaces}

    def add(
        self,
        import_id: str,
        origin: str,
        source: str,
        events: Iterable[HistoryEvent] | Callable[[Parts], Iterable[HistoryEvent]],
        contents: tuple[tuple[int, str], ...] = (),
    ) -> Imported:
        """Imports events; does nothing when their content was imported already. Raises what the source raises.

        A source whose reading is divided is called with where its helpers write to, and yields what is left.
        """
        if (made := self.has(import_id)) is not None:
            return made
        _need("pyarrow")
        with self.unfinished(import_id) as (folder, finish):
            parts_made = Parts(folder, self._rows)
            seen: list[Covered] = []
            with parts_made.writer(0) as add:
                for event in events(parts_made) if callable(events) else events:
                    add(event)
                    if type(event) is Covered and not event.is_gap:
                        seen.append(event)
            counts = parts_made.count("key_events"), parts_made.count("subject_events")
            since = min((one.since for one in seen if one.since is not None), default=None)
            until = max((one.until for one in seen if one.until is not None), default=None)
            said = "; ".join(dict.fromkeys(one.why for one in seen if one.why))
            made = Imported(
                import_id, origin, source, *counts, rfc3339_now(is_exact=True), since, until, contents=contents, said=said
            )
            finish(made)
        return made

    @contextlib.contextmanager
    def unfinished(self, import_id: str) -> Iterator[tuple[Path, Callable[[Imported], None]]]:
        """A folder for the files of an import, and what makes it one; without that, or with an error, it is gone afterwards."""
        parts = self.directory / "parts"
        parts.mkdir(parents=True, exist_ok=True, mode=0o700)
        sweep(parts, ".*")
        folder = Path(tempfile.mkdtemp(prefix=f".{import_id}.", dir=parts))
        claim = contextlib.ExitStack()

        def finish(made: Imported) -> None:
            record = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(made)}
            write_private(folder / "import.json", json.dumps(record, indent=1).encode())
            claim.close()
            folder.rename(parts / import_id)
            sync_directory(parts)

        try:
            claim.enter_context(claimed(folder))
            yield folder, finish
        finally:
            claim.close()
            shutil.rmtree(folder, ignore_errors=True)

    def drop(self, import_id: str) -> None:
        """Forgets one import, and those that it replaces: without it they would count again."""
        made = self._read(self.directory / "parts" / import_id)
        for name in made.replaces if made is not None else ():
            shutil.rmtree(self.directory / "parts" / name, ignore_errors=True)
        shutil.rmtree(self.directory / "parts" / import_id, ignore_errors=True)

    def files(self, table: str) -> list[Path]:
        """The Parquet files of a table."""
        # folders first: one that is being written may be gone, or have its name, in the next moment
        found: list[Path] = []
        for folder in self._folders():
            with contextlib.suppress(FileNotFoundError):  # dropped, or merged into another, since it was listed
                found += folder.glob(f"{table}*.parquet")
        return sorted(found)

    @staticmethod
    def _read(path: Path) -> Imported | None:
        try:
            return msgspec.convert(decode_json((path / "import.json").read_bytes()), Imported)
        except (OSError, UnreadableError, msgspec.ValidationError):
            return None


class Parts:
    """Where the events of an import that is being made are written: by number, each with files of its own."""

    def __init__(self, directory: Path, rows: int = ROWS) -> None:
        self.directory, self._rows = directory, rows

    @contextlib.contextmanager
    def writer(self, number: int) -> Iterator[Callable[[HistoryEvent], None]]:
        """Takes events; 0 is the one that makes the import, others are its helpers."""
        writers = {TABLES[name]: _Writer(self.directory / f"{name}-{number}.parquet", name, self._rows) for name in TABLES}

        def add(event: HistoryEvent) -> None:
            writers[type(event)].add(event)

        yield add
        for writer in writers.values():
            writer.close()

    def drop(self, number: int) -> None:
        """Takes back what a helper wrote."""
        for name in TABLES:
            (self.directory / f"{name}-{number}.parquet").unlink(missing_ok=True)

    def count(self, table: str) -> int:
        """Rows that are written of a table."""
        import pyarrow.parquet as pq

        return sum(int(pq.read_metadata(path).num_rows) for path in self.directory.glob(f"{table}-*.parquet"))


class _Writer:
    """One Parquet file, written a row group at a time."""

    def __init__(self, path: Path, table: str, most: int) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._pa, self._columns = pa, schema(table)
        self._sink = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        self._file = pq.ParquetWriter(self._sink, self._columns, compression="zstd")
        self._rows: list[HistoryEvent] = []
        self._most = most

    def add(self, event: HistoryEvent) -> None:
        """Takes one event."""
        self._rows.append(event)
        if len(self._rows) >= self._most:
            self._flush()

    def _flush(self) -> None:
        pa = self._pa
        if not self._rows:
            return
        columns = zip(*self._rows, strict=True)
        arrays = [pa.array(column, known.type) for column, known in zip(columns, self._columns, strict=True)]
        self._file.write_table(pa.Table.from_arrays(arrays, schema=self._columns))
        self._rows.clear()

    def close(self) -> None:
        """Writes what is left."""
        self._flush()
        self._file.close()
        self._sink.close()


def column_types(table: str) -> dict[str, type[Any]]:
    """Column → int, str or bool, in the order of the event's fields; which ints may be absent the event's docstring says."""
    hints = get_type_hints(TABLES[table])
    return {name: kind if kind in (str, bool) else int for name, kind in hints.items()}


def schema(table: str) -> Any:
    """The Arrow schema of a table: the fields of its event, times as UTC microseconds."""
    import pyarrow as pa

    types: Mapping[type[Any], Any] = {int: pa.int64(), str: pa.string(), bool: pa.bool_()}
    return pa.schema([(name, pa.timestamp("us") if name in TIMES else types[kind]) for name, kind in column_types(table).items()])


def _need(module: str) -> None:
    import importlib.util

    if importlib.util.find_spec(module) is None:
        raise GhostkeyError(f"history needs {module}, which is not installed", with_extra("history"))


def contents_of(paths: Iterable[Path]) -> tuple[tuple[int, str], ...]:
    """Bytes and hash of each file, folders opened, in no order that names would make. Raises SourceDamaged for one that is not there."""
    files = [file for path in paths for file in _files(path)]
    return tuple(sorted((file.stat().st_size, _hash(file)) for file in files))


def content_id(contents: Iterable[tuple[int, str]], *, salt: str = "") -> str:
    """The id of what files hold: the same content has the same id, wherever it lies and whatever it is called."""
    from hashlib import blake2b

    sha = blake2b(salt.encode(), digest_size=12)
    for _, digest in contents:
        sha.update(bytes.fromhex(digest))
    return sha.hexdigest()


def begin_with(paths: Iterable[Path], contents: Iterable[tuple[int, str]]) -> bool:
    """Whether each of some contents is the beginning of one of these files, which lacks nothing of it."""
    files = [file for path in paths for file in _files(path)]
    sizes = [file.stat().st_size for file in files]
    known = list(contents)
    return bool(known) and all(
        any(size >= least and _hash(file, least) == digest for file, size in zip(files, sizes, strict=True))
        for least, digest in known
    )


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _hash(file: Path, most: int | None = None) -> str:
    """The hash of a file, or of so many bytes of its beginning."""
    from hashlib import blake2b

    found = blake2b(digest_size=16)
    left = most if most is not None else 1 << 62
    try:
        with file.open("rb") as handle:
            while left and (block := handle.read(min(left, 1 << 22))):
                found.update(block)
                left -= len(block)
    except OSError as error:
        raise SourceDamaged(f"cannot read {file}: {error.strerror}", "name a file that is there") from None
    return found.hexdigest()
