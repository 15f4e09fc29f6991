"""The files of an audit log: their order, their lines, and how to divide them."""

from __future__ import annotations

import gzip
import io
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ghostkey.model.errors import NoSuchPath, SourceDamaged
from ghostkey.sources.history.audit.event import received

BLOCK_BYTES = 1 << 20
LINE_BYTES = 64 << 20  # an object is at most 1.5 MiB, and stands in an event twice, escaped
SHARE_BYTES = 16 << 20  # less is not worth a process
_NEWLINE = re.compile(rb"\n")
GZIP = b"\x1f\x8b"
GZIP_RATIO = 10  # what such a file holds is about so many times what it takes


class Piece(NamedTuple):
    """The lines of a file from one byte to another; to its end when there is no other."""

    path: Path
    begin: int = 0
    end: int | None = None


def in_order(paths: Iterable[Path]) -> list[Path]:
    """The files of all paths, oldest first by their first event: rotation renames, so names do not tell.

    Raises SourceDamaged for a path that does not exist.
    """
    files: list[Path] = []
    for path in paths:
        if str(path) == "-":
            files.append(path)
        elif path.is_dir():
            files += [file for file in sorted(path.rglob("*")) if file.is_file() and not file.name.startswith(".")]
        elif path.is_file():
            files.append(path)
        else:
            raise NoSuchPath(f"{path} does not exist", "name an audit log, or a folder of them")
    if len(files) < 2:
        return files
    return sorted(files, key=lambda file: first_time(file) or sys.maxsize)


def first_time(path: Path) -> int | None:
    """When the first event of a file came in, in microseconds; None when it is no audit log."""
    return next((received(line) for line in lines(Piece(path), lambda: None)), None)


def divided(files: Sequence[Path], most: int) -> list[list[Piece]]:
    """The files, in their order, in at most so many shares of about the same work. Compressed ones stay whole."""
    if any(str(file) == "-" for file in files):
        return [[Piece(file) for file in files]]
    weights = [file.stat().st_size * (GZIP_RATIO if _is_gzip(file) else 1) for file in files]
    count = max(1, min(most, sum(weights) // SHARE_BYTES))
    shares: list[list[Piece]] = [[]]
    full = left = sum(weights) / count
    for file, weight in zip(files, weights, strict=True):
        begin = 0
        while weight - begin > left and len(shares) < count and not _is_gzip(file):
            cut = _line_start(file, begin + int(left))
            if cut >= weight:
                break
            shares[-1].append(Piece(file, begin, cut))
            shares.append([])
            begin, left = cut, full
        shares[-1].append(Piece(file, begin))
        left -= weight - begin
        if left <= 0 and len(shares) < count:
            shares.append([])
            left = full
    return [share for share in shares if share]


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(2) == GZIP


def _line_start(path: Path, place: int) -> int:
    """Where the next line begins."""
    with path.open("rb") as handle:
        handle.seek(place)
        while block := handle.read(BLOCK_BYTES):
            found = block.find(b"\n")
            if found >= 0:
                return place + found + 1
            place += len(block)
    return place


class _Feed(io.RawIOBase):
    """Bytes of a file for a BufferedReader; a line longer than any event is cut, so that it does not fill the memory."""

    def __init__(self, handle: Any, size: int | None, note_bytes: Callable[[int], None]) -> None:
        self._handle, self._size, self._note_bytes = handle, size, note_bytes
        self._fed = self._run = 0  # bytes given, and about how many of them since the last line ended

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._size is not None:
            buffer = buffer[: max(0, self._size - self._fed)]
        count: int = self._handle.readinto1(buffer)
        self._fed += count
        self._note_bytes(count)
        self._run = 0 if _NEWLINE.search(buffer, 0, count) else self._run + count
        if self._run > LINE_BYTES:
            buffer[0] = 10
            self._run = 0
        return count


def _open(piece: Piece) -> Any:
    handle: Any = sys.stdin.buffer if str(piece.path) == "-" else piece.path.open("rb")
    if piece.begin:
        handle.seek(piece.begin)
        return handle
    return gzip.GzipFile(fileobj=handle) if handle.peek(2)[:2] == GZIP else handle


def lines(piece: Piece, note_damage: Callable[[], None], note_bytes: Callable[[int], None] = lambda _: None) -> Iterator[bytes]:
    """Lines of one file. What a cut gzip file holds before its end is read; the cut is damage."""
    try:
        with _open(piece) as handle:
            feed = _Feed(handle, None if piece.end is None else piece.end - piece.begin, note_bytes)
            yield from io.BufferedReader(feed, BLOCK_BYTES)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        note_damage()
    except OSError as error:
        raise SourceDamaged(f"cannot read {piece.path}: {error.strerror or error}") from None
