"""Logs in tar and zip archives, each member copied as it is into a folder that lives as long as the reading.

Members are not unpacked there: a log that is packed in an archive is packed in its copy. What unpacks to far more than it was
made from ends, as in `_archives`; archives in an archive have no bounds of their own, but what is left of that one's.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

from ghostkey.model.errors import SourceDamaged
from ghostkey.sources._archives import (
    ARCHIVE_MEMBERS,
    BOMB_BYTES,
    BOMB_RATIO,
    BOMB_RATIO_OF_DENSE,
    NESTED,
    UNPACKING,
    ShortIndex,
    beginning,
    is_tar,
    open_packed,
    tar_headers,
)

MEMBER_BYTES = 16 << 30  # of one log
_BLOCK, _HEAD = 1 << 20, 1 << 16
_AUDIT = "audit"
_TOO_MUCH = "it unpacks to more than is worth reading"
# of a member's header: flags, how it is packed, its bytes packed and unpacked, those of its name and of what is beside that
_ZIP_MARK, _ZIP_HEADER, _SIZE_IS_BEHIND = b"PK\x03\x04", struct.Struct("<6xHH8xIIHH"), 8
Note = Callable[[str, str], None]


class _Room:
    """What a file and all archives in it, one in the other, may still put into the folder."""

    def __init__(self, path: Path) -> None:
        self.bytes = max(BOMB_BYTES, BOMB_RATIO_OF_DENSE * path.stat().st_size)
        self.members = ARCHIVE_MEMBERS

    @property
    def is_full(self) -> bool:
        """Whether too much came already, and was told."""
        return self.bytes < 0 or self.members < 0

    def take_member(self) -> None:
        """Counts a member. Raises SourceDamaged when there are too many."""
        self.members -= 1
        if self.members < 0:
            raise SourceDamaged(f"it has more than {ARCHIVE_MEMBERS:,} members")


def unpacked(paths: Iterable[Path], scratch: Path, note: Note) -> Iterator[tuple[Path, str]]:
    """(path, name for people) of each file, and of each file in an archive among them that may be a log."""
    for number, path in enumerate(paths):
        if str(path) == "-":
            yield path, ""
        else:
            yield from _opened(path, "", scratch / f"archive-{number}", note, _Room(path))


def _opened(path: Path, name: str, folder: Path, note: Note, room: _Room, depth: int = 0) -> Iterator[tuple[Path, str]]:
    """A file, or what is in it where it is an archive, and in the archives in that."""
    said = name or str(path)
    try:
        is_zip, is_tar_file = _is_zip(path), _is_tar(path)
        if depth > NESTED or not (is_zip or is_tar_file):
            yield path, name
            return
        if room.is_full:
            return
        found = (_zip if is_zip else _tar)(path, said, folder, note, names_of_logs(path), room)
        for number, (copy, inner) in enumerate(found):
            yield from _opened(copy, inner, folder / f"in-{number}", note, room, depth + 1)
    except UNPACKING as error:
        note(f"{said} is damaged; what came before was read", str(error) or type(error).__name__)


def is_archive(head: bytes) -> bool:
    """Whether a tar or zip archive begins so, unpacked."""
    return is_tar(head[:512]) or head[:4] == _ZIP_MARK


def _is_zip(path: Path) -> bool:
    return zipfile.is_zipfile(path) and _head(path)[:2] == b"PK"


def members(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]] | None:
    """(name, what gives its first bytes, unpacked) of each file in an archive; None when it is none."""
    if _is_zip(path):
        return _zip_members(path)
    return _tar_members(path) if _is_tar(path) else None


def _zip_members(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with path.open("rb") as handle, zipfile.ZipFile(cast(Any, ShortIndex(handle))) as archive:
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


def beginnings(head: bytes, depth: int = 0) -> Iterator[bytes]:
    """The beginnings of the files that begin in this one of an archive, and in those of archives in it; itself where it is of none.

    Nothing but these beginnings is unpacked. An archive in which no file begins gives an empty one.
    """
    if depth > NESTED or not is_archive(head):
        yield head
        return
    count = 0
    with contextlib.suppress(*UNPACKING, struct.error):
        for file in _begun_in_tar(head) if is_tar(head[:512]) else _begun_in_zip(head):
            count += 1
            yield from beginnings(_beginning(io.BytesIO(file)), depth + 1)
    if not count:
        yield b""


def _begun_in_tar(head: bytes) -> Iterator[bytes]:
    with tarfile.open(fileobj=io.BytesIO(head), mode="r:", tarinfo=tar_headers()) as archive:
        while (member := archive.next()) is not None:
            if member.isfile() and member.size and not member.issparse():
                yield head[member.offset_data : member.offset_data + member.size]


def _begun_in_zip(head: bytes) -> Iterator[bytes]:
    place = head.find(_ZIP_MARK)
    while place >= 0:
        flags, way, packed_bytes, size, name_bytes, more_bytes = _ZIP_HEADER.unpack_from(head, place)
        place += _ZIP_HEADER.size + name_bytes + more_bytes
        end = place + packed_bytes if packed_bytes else len(head)  # what was written as a stream says its size behind it
        if size or flags & _SIZE_IS_BEHIND:  # no folder, and not empty
            file = head[place:end]
            yield zlib.decompressobj(-15).decompress(file, _HEAD) if way == zipfile.ZIP_DEFLATED else file
        place = head.find(_ZIP_MARK, place + packed_bytes)


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


def _tar(path: Path, said: str, folder: Path, note: Note, keep: Callable[[str], bool], room: _Room) -> Iterator[tuple[Path, str]]:
    made: list[tuple[Path, str]] = []
    with path.open("rb", buffering=_BLOCK) as handle:
        stream = open_packed(handle) or handle
        try:
            with tarfile.open(fileobj=cast(Any, stream), mode="r|", tarinfo=tar_headers()) as archive:
                for member in archive:
                    archive.members = []  # type: ignore[attr-defined]  # tarfile keeps a list of all it has seen
                    room.take_member()
                    content = (
                        archive.extractfile(member) if member.isfile() and not member.issparse() and keep(member.name) else None
                    )
                    if content is not None:
                        made.append((_copied(content, folder, len(made), MEMBER_BYTES, room), f"{said}:{member.name}"))
        except UNPACKING as error:
            note(f"{said} is damaged; what came before was read", str(error) or type(error).__name__)
    yield from made


def _zip(path: Path, said: str, folder: Path, note: Note, keep: Callable[[str], bool], room: _Room) -> Iterator[tuple[Path, str]]:
    left = max(BOMB_BYTES, BOMB_RATIO * path.stat().st_size)
    with path.open("rb") as handle, zipfile.ZipFile(cast(Any, ShortIndex(handle))) as archive:
        for number, member in enumerate(archive.infolist()):
            room.take_member()
            if member.is_dir() or not keep(member.filename):
                continue
            if left < 0 or room.is_full:
                note(f"{said} was not read to its end", _TOO_MUCH)
                return
            before, copy = room.bytes, None
            try:
                with archive.open(member) as content:
                    copy = _copied(content, folder, number, min(left, MEMBER_BYTES), room)
            except UNPACKING as error:
                note(f"{said}:{member.filename} could not be read", str(error) or type(error).__name__)
            left -= before - room.bytes
            if copy is not None:
                yield copy, f"{said}:{member.filename}"


def _copied(content: Any, folder: Path, number: int, most: int, room: _Room) -> Path:
    folder.mkdir(exist_ok=True, parents=True, mode=0o700)
    # its name is not the archive's to choose
    path = folder / f"{number}"
    try:
        with path.open("wb") as target:
            shutil.copyfileobj(cast(Any, _Bounded(content, most, room)), target, _BLOCK)
    except BaseException:
        path.unlink()
        raise
    return path


class _Bounded:
    """A stream of which nobody takes more than so much, nor more than there is room for."""

    def __init__(self, stream: Any, most: int, room: _Room) -> None:
        self._stream, self._left, self._room = stream, most, room

    def read(self, size: int) -> bytes:
        """The next bytes. Raises SourceDamaged when they are too many."""
        found: bytes = self._stream.read(size)
        self._left -= len(found)
        self._room.bytes -= len(found)
        if self._left < 0 or self._room.is_full:
            raise SourceDamaged(_TOO_MUCH)
        return found
