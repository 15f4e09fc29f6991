"""Logs in tar and zip archives, each member copied as it is into a folder that lives as long as the reading.

Members are not unpacked there: a log that is packed in an archive is packed in its copy. What unpacks to far more than it was
made from ends, as in `_archives`.
"""

from __future__ import annotations

import io
import itertools
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

from ghostkey.model.errors import SourceDamaged
from ghostkey.sources._archives import (
    ARCHIVE_MEMBERS,
    BOMB_BYTES,
    BOMB_RATIO,
    NESTED,
    UNPACKING,
    beginning,
    is_tar,
    open_packed,
    tar_headers,
)

MEMBER_BYTES = 16 << 30  # of one log
_BLOCK, _HEAD = 1 << 20, 1 << 16
_AUDIT = "audit"


def unpacked(paths: Iterable[Path], scratch: Path, note: Callable[[str, str], None]) -> Iterator[tuple[Path, str]]:
    """(path, name for people) of each file, and of each file in an archive among them that may be a log."""
    for number, path in enumerate(paths):
        if str(path) == "-":
            yield path, ""
        else:
            yield from _opened(path, "", scratch / f"archive-{number}", note, 0)


def _opened(path: Path, name: str, folder: Path, note: Callable[[str, str], None], depth: int) -> Iterator[tuple[Path, str]]:
    """A file, or what is in it where it is an archive, and in the archives in that."""
    said = name or str(path)
    try:
        is_zip, is_tar_file = _is_zip(path), _is_tar(path)
        if depth > NESTED or not (is_zip or is_tar_file):
            yield path, name
            return
        found = (_zip if is_zip else _tar)(path, said, folder, note, names_of_logs(path))
        for number, (copy, inner) in enumerate(found):
            yield from _opened(copy, inner, folder / f"in-{number}", note, depth + 1)
    except UNPACKING as error:
        note(f"{said} is damaged; what came before was read", str(error) or type(error).__name__)


def is_archive(head: bytes) -> bool:
    """Whether a tar or zip archive begins so, unpacked."""
    return is_tar(head[:512]) or head[:4] == b"PK\x03\x04"


def _is_zip(path: Path) -> bool:
    return zipfile.is_zipfile(path) and _head(path)[:2] == b"PK"


def members(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]] | None:
    """(name, what gives its first bytes, unpacked) of each file in an archive; None when it is none."""
    if _is_zip(path):
        return _zip_members(path)
    return _tar_members(path) if _is_tar(path) else None


def _zip_members(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                with archive.open(member) as content:
                    yield member.filename, partial(_beginning, content)


def _tar_members(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with path.open("rb", buffering=_BLOCK) as handle:
        stream = open_packed(handle) or handle
        with tarfile.open(fileobj=cast(Any, stream), mode="r|", tarinfo=tar_headers()) as archive:
            for member in itertools.islice(archive, ARCHIVE_MEMBERS):
                archive.members = []  # type: ignore[attr-defined]
                content = archive.extractfile(member) if member.isfile() and not member.issparse() else None
                if content is not None:
                    yield member.name, partial(_beginning, content)


def _beginning(content: Any) -> bytes:
    buffered = io.BufferedReader(content, _BLOCK) if not hasattr(content, "peek") else content
    return beginning(buffered, _HEAD)


def names_of_logs(path: Path) -> Callable[[str], bool]:
    """Which members of an archive may be logs: those whose name says so, else all that are no manifests by their name."""
    try:
        names = [name for name, _ in members(path) or ()]
    except UNPACKING:
        names = []
    if any(_AUDIT in name.lower() for name in names):
        return lambda name: _AUDIT in name.lower()
    if any(not name.lower().endswith((".yaml", ".yml")) for name in names):
        return lambda name: not name.lower().endswith((".yaml", ".yml"))
    return lambda _: True


def _head(path: Path) -> bytes:
    with path.open("rb") as handle:
        return handle.read(512)


def _is_tar(path: Path) -> bool:
    with path.open("rb", buffering=_BLOCK) as handle:
        stream = open_packed(handle) or handle
        try:
            return is_tar(stream.read(512))
        except UNPACKING:
            return False


def _tar(
    path: Path, said: str, folder: Path, note: Callable[[str, str], None], keep: Callable[[str], bool]
) -> Iterator[tuple[Path, str]]:
    made: list[tuple[Path, str]] = []
    with path.open("rb", buffering=_BLOCK) as handle:
        stream = open_packed(handle) or handle
        try:
            with tarfile.open(fileobj=cast(Any, stream), mode="r|", tarinfo=tar_headers()) as archive:
                for number, member in enumerate(archive):
                    archive.members = []  # type: ignore[attr-defined]  # tarfile keeps a list of all it has seen
                    if number >= ARCHIVE_MEMBERS:
                        raise SourceDamaged(f"it has more than {ARCHIVE_MEMBERS:,} members")
                    content = (
                        archive.extractfile(member) if member.isfile() and not member.issparse() and keep(member.name) else None
                    )
                    if content is not None:
                        made.append((_copied(content, folder, len(made), MEMBER_BYTES), f"{said}:{member.name}"))
        except UNPACKING as error:
            note(f"{said} is damaged; what came before was read", str(error) or type(error).__name__)
    yield from made


def _zip(
    path: Path, said: str, folder: Path, note: Callable[[str, str], None], keep: Callable[[str], bool]
) -> Iterator[tuple[Path, str]]:
    left = max(BOMB_BYTES, BOMB_RATIO * path.stat().st_size)
    with zipfile.ZipFile(path) as archive:
        for number, member in enumerate(archive.infolist()):
            if member.is_dir() or not keep(member.filename):
                continue
            try:
                with archive.open(member) as content:
                    copy = _copied(content, folder, number, min(left, MEMBER_BYTES))
            except UNPACKING as error:
                note(f"{said}:{member.filename} could not be read", str(error) or type(error).__name__)
                continue
            left -= copy.stat().st_size
            yield copy, f"{said}:{member.filename}"


def _copied(content: Any, folder: Path, number: int, most: int) -> Path:
    folder.mkdir(exist_ok=True, parents=True, mode=0o700)
    # its name is not the archive's to choose
    path = folder / f"{number}"
    with path.open("wb") as target:
        shutil.copyfileobj(cast(Any, _Bounded(content, most)), target, _BLOCK)
    return path


class _Bounded:
    """A stream of which nobody takes more than so much."""

    def __init__(self, stream: Any, most: int) -> None:
        self._stream, self._left = stream, most

    def read(self, size: int) -> bytes:
        """The next bytes. Raises SourceDamaged when they are too many."""
        found: bytes = self._stream.read(size)
        self._left -= len(found)
        if self._left < 0:
            raise SourceDamaged("it unpacks to more than is worth reading")
        return found
