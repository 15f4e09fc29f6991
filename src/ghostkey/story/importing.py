"""Files and folders into a store of history, each told by its content."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ghostkey.sources.history.facts import KeyedHash
from ghostkey.sources.history.open import open_source, parts_of
from ghostkey.sources.history.remote import fetch, is_remote
from ghostkey.store.history import SCHEMA_VERSION, History, Imported, begin_with, content_id, contents_of
from ghostkey.store.scratch import scratch_directory

if TYPE_CHECKING:
    from ghostkey.sources.history.audit.log import AuditLog


def import_paths(
    history: History,
    paths: Sequence[str | Path],
    sort: str = "",
    fields: Sequence[tuple[str, str]] = (),
    *,
    carve: bool = False,
    progress: Callable[[str], None] = lambda _: None,
    processes: int = 0,
) -> list[Imported]:
    """Imports files and folders, each told by its content unless `sort` says what they are; audit logs come as one set.

    The same content again changes nothing. An audit log that has grown since takes the place of what was imported of it; what
    another one in its place does not hold stays.
    A large audit log is read by so many processes, 0 for one a processor. Raises SourceDamaged when one cannot be read at all.
    """
    with contextlib.ExitStack() as stack:
        return _import_all(
            history, _local(paths, stack, progress), sort, fields, carve=carve, progress=progress, processes=processes
        )


def _local(paths: Sequence[str | Path], stack: contextlib.ExitStack, progress: Callable[[str], None]) -> dict[Path, str]:
    """Each path with what people call it; what lies elsewhere is copied here first, for as long as the import takes."""
    found: dict[Path, str] = {}
    for path in map(str, paths):
        if is_remote(path):
            found[fetch(path, stack.enter_context(scratch_directory("remote")), progress)] = path
        else:
            found[Path(path)] = path
    return found


def _import_all(
    history: History,
    paths: Mapping[Path, str],
    sort: str,
    fields: Sequence[tuple[str, str]],
    *,
    carve: bool,
    progress: Callable[[str], None],
    processes: int,
) -> list[Imported]:
    sorts: dict[str, list[Path]] = {}
    for path in paths:
        for part, found in [(path, sort)] if sort else parts_of(path):
            sorts.setdefault(found, []).append(part)
    digest = KeyedHash(history.secret)
    salt = repr((sorted(fields), carve, SCHEMA_VERSION))
    done = []
    for found, members in sorts.items():
        for group in [members] if found == "audit" else [[member] for member in members]:
            with _spooled(group) as files:
                contents = contents_of(files)
                import_id = content_id(contents, salt=salt + found)
                source = open_source(files, found, digest, fields, carve=carve, progress=progress)
                events = (
                    source.events()
                    if found != "audit"
                    else partial(cast("AuditLog", source).events, processes=processes or _processors())
                )
                made = history.has(import_id) or history.add(
                    import_id, source.origin, " ".join(map(str, group)), events, contents
                )
                # a log that has grown holds all that was imported of it; one that was rotated does not
                for older in history.imports() if found == "audit" and made.is_new else ():
                    if older.id != made.id and older.source == made.source and begin_with(files, older.contents):
                        history.drop(older.id)
            done.append(made)
    return done


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _spooled(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """The paths, with standard input written to a file: it is read twice, for its id and for its events."""
    if not any(str(path) == "-" for path in paths):
        yield list(paths)
        return
    with scratch_directory("stdin") as folder:
        spooled = folder / "stdin"
        with spooled.open("wb") as handle:
            shutil.copyfileobj(sys.stdin.buffer, handle)
        yield [spooled if str(path) == "-" else path for path in paths]
