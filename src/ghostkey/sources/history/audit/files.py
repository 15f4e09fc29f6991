"""The files of an audit log: what each is, their order, their lines, and how to divide them."""

from __future__ import annotations

import contextlib
import io
import itertools
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ghostkey.model.errors import NoSuchPath, SourceDamaged
from ghostkey.sources._archives import CANNOT, UNPACKING, Unpacked, is_unread_archive, open_packed
from ghostkey.sources.history.audit.envelopes import Envelope, unwrap
from ghostkey.sources.history.audit.event import done_at
from ghostkey.sources.history.audit.forms import Form, form_of
from ghostkey.sources.history.audit.order import Order

BLOCK_BYTES = 1 << 20
LINE_BYTES = 64 << 20  # an object is at most 1.5 MiB, and stands in an event twice, escaped
SHARE_BYTES = 16 << 20  # less is not worth a process
PROBE_EVENTS, PROBE_BYTES = 1_000, 16 << 20  # what is looked at to tell what a file is
ENOUGH_EVENTS, ENOUGH_BYTES = 100, 4 << 20  # and of large events
SMALL_BYTES = 1 << 20  # of a file, that are looked at whole
SAMPLES = 16  # of a file, whose times tell whether it is in order
TAIL_BYTES, TAIL_BYTES_MOST = 1 << 16, 64 << 20
SPACING, LEAST_HOLE = 3, 5_000_000  # a hole is three times as long as most of the time between two events; microseconds
OVERLAP = 100_000  # microseconds by which the files of one server may overlap: requests that end at the same time
_UNREAD_MAGIC = (
    b"\x04\x22\x4d\x18",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\xff\x06\x00\x00sNaPpY",
)  # lz4, 7-Zip, RAR, snappy
_NEWLINE = re.compile(rb"\n")
_PARTIAL = re.compile(rb"\S{20,40} (?:stdout|stderr) P ")
Note = Callable[[], None]


class LogFile(NamedTuple):
    """A file of an audit log, as its beginning tells: times are microseconds, None when not known."""

    path: Path
    name: str = ""  # what people call it, where it is a member of an archive
    first: int | None = None
    last: int | None = None
    spacing: int = 0  # nine in ten events come within so many microseconds of the one before
    is_packed: bool = False
    is_wrapped: bool = False
    form: Form | None = None  # of a file that has not a record in each line
    is_ordered: bool = True
    is_mixed: bool = False  # of several servers, or with copies of events: a collector's, or files that were put together
    can_divide: bool = False

    @property
    def said(self) -> str:
        """Its name for people."""
        return self.name or str(self.path)


class Piece(NamedTuple):
    """The lines of a file from one byte to another; to its end when there is no other."""

    file: LogFile
    begin: int = 0
    end: int | None = None


def paths_in(paths: Iterable[Path]) -> list[Path]:
    """The files of all paths, folders opened. Raises NoSuchPath for one that does not exist."""
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
    return files


def probe(path: Path, name: str = "") -> LogFile | None:
    """What a file is; None when no audit event is in its first 16 MiB."""
    if str(path) == "-":
        return LogFile(path, is_wrapped=True, is_packed=True)
    order = Order()
    seen = 0
    file = LogFile(path, name)
    try:
        with _open(path) as (handle, is_packed):
            head = handle.peek(BLOCK_BYTES) if isinstance(handle, io.BufferedReader) else b""
            file = file._replace(is_packed=is_packed, form=form_of(head))
            firsts: Iterable[bytes] = iter(handle)
            if file.form is not None:
                firsts = file.form.split(handle, lambda: None, LINE_BYTES)
            envelope, is_partial = Envelope(), False
            for line in firsts:
                seen += len(line)
                is_partial = is_partial or _PARTIAL.match(line) is not None
                for event in envelope.feed(line) if file.form is None else unwrap(line).events:
                    order.add(event)
                count = len(order.times)
                is_enough = count >= PROBE_EVENTS and seen > SMALL_BYTES
                if is_enough or seen > PROBE_BYTES or (count >= ENOUGH_EVENTS and seen > ENOUGH_BYTES):
                    break
            is_wrapped = file.form is not None or set(envelope.words) != {""}
    except UNPACKING:
        is_wrapped, is_partial = True, True
    if not order.times:
        return None
    can_divide = not file.is_packed and file.form is None and not is_partial
    return file._replace(
        first=min(order.times), spacing=order.spacing, is_wrapped=is_wrapped, is_mixed=order.is_mixed,
        is_ordered=order.is_ordered and (not can_divide or _goes_on(path)),
        last=_last_time(path) if not file.is_packed and not is_wrapped else None,
        can_divide=can_divide,
    )  # fmt: skip


def why_unread(path: Path, name: str = "") -> str:
    """Why a file in which no event was found may hold some all the same; empty when it holds none."""
    try:
        with path.open("rb", buffering=BLOCK_BYTES) as handle:
            if is_unread_archive(name or path.name) or handle.read(len(_UNREAD_MAGIC[-1])).startswith(_UNREAD_MAGIC):
                return CANNOT
            handle.seek(0)
            stream = open_packed(handle)
            if stream is not None:
                stream.read_some(1)
    except UNPACKING as error:
        return f"damaged: {error}"
    return ""


def _goes_on(path: Path) -> bool:
    """Whether events here and there in a file, and its last ones, follow each other: not where files were put one behind the other."""
    order, envelope, samples = Order(), Envelope(), []
    size = path.stat().st_size
    with path.open("rb") as handle:
        for number in range(SAMPLES if size > SAMPLES * TAIL_BYTES else 0):
            handle.seek(size * number // SAMPLES)
            handle.readline(LINE_BYTES)
            samples.append(handle.readline(LINE_BYTES))
        handle.seek(max(0, size - TAIL_BYTES))
        samples += handle.read(TAIL_BYTES).splitlines()[1:]
    for line in samples:
        for event in envelope.feed(line):
            order.add(event)
        envelope.close()  # the other part of one that came in parts is no sample
    return order.is_ordered


def _last_time(path: Path) -> int | None:
    """When the last event of a plain file was written, among its last few."""
    size = path.stat().st_size
    reach = TAIL_BYTES
    with path.open("rb") as handle:
        while True:
            handle.seek(max(0, size - reach))
            tail = handle.read(reach)
            lines = tail.splitlines()[1 if size > reach else 0 :]
            times = [at for line in lines[-20:] if (at := done_at(line)) is not None]
            if times:
                return max(times)
            if reach >= min(size, TAIL_BYTES_MOST):
                return None
            reach *= 8


def hole_from(files: Sequence[LogFile]) -> int:
    """How long nothing may be seen between two of these files before it is a hole, in microseconds."""
    return max(LEAST_HOLE, SPACING * max((file.spacing for file in files), default=0))


def follow_each_other(files: Sequence[LogFile]) -> bool:
    """Whether the files, in the order of their beginnings, are one server's log: none begins before the last one ends."""
    return all(file.is_ordered and not file.is_mixed for file in files) and all(
        left.last is not None and right.first is not None and left.last <= right.first + OVERLAP
        for left, right in itertools.pairwise(files)
    )


def divided(files: Sequence[LogFile], most: int) -> list[list[Piece]]:
    """The files, in their order, in at most so many shares of about the same work. Those that cannot be divided stay whole."""
    if any(str(file.path) == "-" for file in files):
        return [[Piece(file) for file in files]]
    weights = [file.path.stat().st_size for file in files]
    count = max(1, min(most, sum(weights) // SHARE_BYTES))
    shares: list[list[Piece]] = [[]]
    full = left = sum(weights) / count
    for file, weight in zip(files, weights, strict=True):
        begin = 0
        while weight - begin > left and len(shares) < count and file.can_divide:
            cut = _line_start(file.path, begin + int(left))
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


class _Stream(io.RawIOBase):
    """What a packed stream unpacks to, for a BufferedReader."""

    def __init__(self, stream: Unpacked) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self._stream.read_some(len(buffer))
        buffer[: len(found)] = found
        return len(found)


@contextlib.contextmanager
def _open(path: Path) -> Iterator[tuple[Any, bool]]:
    """The bytes of a file, unpacked, and whether it was packed."""
    with contextlib.ExitStack() as stack:
        handle: Any = sys.stdin.buffer if str(path) == "-" else stack.enter_context(path.open("rb", buffering=BLOCK_BYTES))
        unpacked = open_packed(handle)
        if unpacked is None:
            yield handle, False
        else:
            yield io.BufferedReader(_Stream(unpacked), BLOCK_BYTES), True


def lines(piece: Piece, note_damage: Note, note_bytes: Callable[[int], None] = lambda _: None) -> Iterator[bytes]:
    """Lines of one piece of a file. What a cut packed file holds before its end is read; the cut is damage."""
    path = piece.file.path
    try:
        with _open(path) as (handle, _):
            if piece.begin:
                handle.seek(piece.begin)
            feed = _Feed(handle, None if piece.end is None else piece.end - piece.begin, note_bytes)
            reader = io.BufferedReader(feed, BLOCK_BYTES)
            yield from piece.file.form.split(reader, note_damage, LINE_BYTES) if piece.file.form is not None else reader
    except FileNotFoundError:
        raise SourceDamaged(f"cannot read {path}: it is not there any more") from None
    except UNPACKING as error:
        if isinstance(error, OSError) and error.errno and not piece.file.is_packed:
            raise SourceDamaged(f"cannot read {path}: {error.strerror or error}") from None
        note_damage()


def events(
    piece: Piece, note_damage: Note, note_bytes: Callable[[int], None] = lambda _: None, words: dict[str, int] | None = None
) -> Iterator[bytes]:
    """The events of a piece as bare lines; `words` counts how they were wrapped."""
    found = lines(piece, note_damage, note_bytes)
    if not piece.file.is_wrapped:
        yield from found
        return
    envelope = Envelope(note_damage)
    if piece.file.form is not None:
        for value in found:
            yield from map(_one_line, envelope.record(value))
    else:
        for line in found:
            for event in envelope.feed(line):
                yield event if event is line else _one_line(event)
    envelope.close()
    if words is not None:
        for word, count in envelope.words.items():
            said = piece.file.form.words if piece.file.form is not None else word
            words[said] = words.get(said, 0) + count


def _one_line(event: bytes) -> bytes:
    """JSON has newlines only between its parts, where a space does as well, and at its end, where lines have them."""
    return event if event.find(b"\n", 0, len(event) - 1) < 0 else event.replace(b"\n", b" ")
