"""The files in files: gzip, xz, bzip2 and zstd, tar and zip, one in the other, unpacked in memory and within bounds.

Nothing is ever written to disk. A stream that unpacks to far more than it was made from is a bomb; what is damaged, encrypted or
too large is told in words, and the rest is read.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import importlib
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol, cast

from ghostkey.foreign import SupportsRead
from ghostkey.model.errors import SourceDamaged, with_extra

FILE_BYTES = 104 << 20  # one file, unpacked; its text is in memory, within 256 MiB of it in all
# Dumps of YAML pack to a tenth or a fiftieth, with xz and zstd to a two hundredth; zeros to a thousandth and far less.
# Below 32 MiB nobody asks.
BOMB_BYTES, BOMB_RATIO, BOMB_RATIO_OF_DENSE = 32 << 20, 100, 400
DICTIONARY_BYTES = 80 << 20  # what unpacking xz may take; `xz -9` asks for 65 MiB
NESTED = 4  # archives in archives
ARCHIVE_MEMBERS = 1_000_000
NAME_BYTES = 1 << 20  # of what an archive says of one member, long names and pax headers, and of what it says of all
INDEX_BYTES = 8 << 20  # of a zip's list of its members: some 100,000 of them
_NAME_HEADERS = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
ENDINGS = (".yaml", ".yml", ".json", ".jsonl", ".ndjson")
PACKED = (".gz", ".xz", ".bz2", ".zst")
ARCHIVES = (".tar", ".tgz", ".txz", ".tbz2", ".tbz", ".tzst", ".zip")
# packed in ways that cannot be read here: said, not passed by
CANNOT = "it is packed in a way that cannot be read here; unpack it, and give the folder"
UNREAD = (".7z", ".rar", ".lz4", ".lz", ".lzma", ".br", ".z", ".cab")
_BLOCK = 1 << 20
_HEAD = 512  # a tar header
_LETTERS = 64  # bytes at a text's beginning that tell whether it is UTF-16
_PLAIN = frozenset((*range(32, 127), *b"\t\r\n\x1b"))
UNPACKING = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, SourceDamaged, ValueError,
    OverflowError, RecursionError, NotImplementedError, RuntimeError,
)  # fmt: skip
Member = tuple[str, bytearray]  # where, content
Note = Callable[[str, str], None]  # what could not be read, and why


def is_readable_name(name: str) -> bool:
    """Whether a file's name says that objects may be in it."""
    name = name.lower()
    for ending in PACKED:
        name = name.removesuffix(ending)
    return name.endswith((*ENDINGS, *ARCHIVES))


def is_unread_archive(name: str) -> bool:
    """Whether a file's name says that it is packed in a way that nobody here can unpack."""
    return name.lower().endswith(UNREAD)


def open_packed(handle: Any) -> Unpacked | None:
    """What a packed file unpacks to, as a stream; None when it is not packed, and `handle` still at its beginning.

    Text in UTF-16, as PowerShell redirects it, counts as packed: it unpacks to UTF-8.
    Reading it raises one of UNPACKING where it is damaged, or unpacks to far more than it was made from.
    """
    head = handle.peek(_HEAD)[:_HEAD]
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return _Guarded(b"", _Recoded(handle))
    if (encoding := _unmarked(head)) is not None:
        return _Guarded(b"", _Recoded(handle, encoding))
    if head[:2] != b"\x1f\x8b" and head[:6] != b"\xfd7zXZ\x00" and head[:3] != b"BZh" and head[:4] != b"\x28\xb5\x2f\xfd":
        return None
    return _unpacked(head, _Guarded(b"", handle))


def _unmarked(head: bytes) -> str | None:
    """Which UTF-16 a text without its mark is in, whose first letters are of ASCII; None when it is none."""
    first, second = head[:_LETTERS:2], head[1:_LETTERS:2]
    for letters, zeros, encoding in ((first, second, "utf-16-le"), (second, first, "utf-16-be")):
        if len(zeros) >= 2 and not any(zeros) and all(byte in _PLAIN for byte in letters):
            return encoding
    return None


def beginning(handle: Any, size: int) -> bytes:
    """The first bytes of what a file unpacks to, or of the file; as many as come before a damage, if fewer."""
    stream = open_packed(handle)
    if stream is None:
        return bytes(handle.read(size))
    found = b""
    try:
        while len(found) < size and (piece := stream.read_some(size - len(found))):
            found += piece
    except UNPACKING:
        pass
    return found


def is_tar(head: bytes) -> bool:
    """Whether a tar archive begins so."""
    return head[257:262] == b"ustar"


def unpack(where: str, handle: SupportsRead, note: Note, depth: int = 0) -> Iterator[Member]:
    """(where, content) of every file in a stream. What cannot be unpacked is told to `note`.

    What came before a damage may end in the middle of an object, so none of a damaged file is used.
    """
    head = handle.read(_HEAD)
    source = _Guarded(head, handle)
    try:
        if (unpacked := _unpacked(head, source)) is not None and depth < NESTED:
            yield from unpack(where, unpacked, note, depth + 1)
        elif is_tar(head) and depth < NESTED:
            yield from _tar(where, source, note, depth)
        elif head[:4] in (b"PK\x03\x04", b"PK\x05\x06") and depth < NESTED:
            yield from _zip(where, source, handle, note, depth)
        else:
            yield where, source.read_all()
    except UNPACKING as error:
        said = str(error) if isinstance(error, SourceDamaged) else f"damaged: {_said(error)}"
        hint = f" ({error.hint})" if isinstance(error, SourceDamaged) and error.hint else ""
        note(f"{where} could not be read", said + hint)


def _unpacked(head: bytes, source: _Guarded) -> _Guarded | None:
    """The stream that a packed stream unpacks to; None when it is not packed. A bomb is told by its ratio."""
    if head[:2] == b"\x1f\x8b":
        return _Guarded(b"", gzip.GzipFile(fileobj=source), source)
    if head[:6] == b"\xfd7zXZ\x00":
        dense = _Unpacking(source, lambda: lzma.LZMADecompressor(memlimit=DICTIONARY_BYTES))
    elif head[:3] == b"BZh" and head[4:10] == b"1AY&SY":
        dense = _Unpacking(source, bz2.BZ2Decompressor)
    elif head[:4] == b"\x28\xb5\x2f\xfd":
        dense = _Unpacking(source, _zstd())
    else:
        return None
    return _Guarded(b"", dense, source, BOMB_RATIO_OF_DENSE)


class Unpacked(SupportsRead, Protocol):
    """What a packed file unpacks to."""

    def read_some(self, size: int) -> bytes:
        """Some of the next bytes: all that comes before a damage is given before that is told."""
        ...


class _Decompressor(Protocol):
    """What lzma, bz2 and zstd have in common."""

    @property
    def eof(self) -> bool:
        """Whether the end of the packed stream was read."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes of what it was given."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What stood behind the end."""
        ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """At most so many bytes of what the data unpacks to."""
        ...


def _zstd() -> Callable[[], _Decompressor]:
    """Python's own since 3.14, its backport before; raises SourceDamaged where neither is there."""
    for module in ("compression.zstd", "backports.zstd"):
        try:
            found = importlib.import_module(module)
        except ImportError:
            continue
        # a window of 64 MiB, as `zstd -19` makes; --ultra and --long may ask for gigabytes
        return lambda: cast(_Decompressor, found.ZstdDecompressor(options={found.DecompressionParameter.window_log_max: 26}))
    raise SourceDamaged(
        "it is packed with zstd, which this Python cannot unpack", f"{with_extra('zstd')}; or unpack it first: zstd -d"
    )


class _Unpacking:
    """A packed stream, unpacked as it is read; several one after the other are one."""

    def __init__(self, source: SupportsRead, start: Callable[[], _Decompressor]) -> None:
        self._source, self._start, self._inner = source, start, start()
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes. Raises EOFError when the packed stream ends too soon."""
        while True:
            inner = self._inner
            if inner.eof:
                self._rest = (inner.unused_data or self._rest).lstrip(b"\0")  # tar archives on tapes are padded
                if not self._rest:
                    self._rest = self._source.read(_HEAD).lstrip(b"\0")
                if not self._rest:
                    return b""
                self._inner = inner = self._start()
            data, self._rest = self._rest, b""
            if not data and inner.needs_input:
                data = self._source.read(_BLOCK)
                if not data:
                    raise EOFError("it ends in the middle")
            unpacked = inner.decompress(data, min(size, _BLOCK) if size > 0 else _BLOCK)
            if unpacked:
                return unpacked


def _as_nul(error: UnicodeError) -> tuple[str, int]:
    return "\0", cast(UnicodeDecodeError, error).end


codecs.register_error("ghostkey.nul", _as_nul)


class _Recoded:
    """UTF-16, as UTF-8. What is none becomes NUL, which stands in no text: the line that it is in is damage, and no other."""

    def __init__(self, source: SupportsRead, encoding: str = "utf-16") -> None:
        self._source, self._decode, self._ready = source, codecs.getincrementaldecoder(encoding)("ghostkey.nul").decode, b""

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes."""
        while size < 0 or len(self._ready) < size:
            piece = self._source.read(_BLOCK)
            # where files were joined, each has its mark
            self._ready += self._decode(piece, not piece).replace("\n\ufeff", "\n").encode("utf-8", "replace")
            if not piece:
                break
        found, self._ready = (self._ready, b"") if size < 0 else (self._ready[:size], self._ready[size:])
        return found


def _tar(where: str, source: SupportsRead, note: Note, depth: int) -> Iterator[Member]:
    try:
        # as a stream: a must-gather may be larger than memory
        with tarfile.open(fileobj=cast(Any, source), mode="r|", tarinfo=tar_headers()) as archive:
            for number, member in enumerate(archive):
                if number >= ARCHIVE_MEMBERS:
                    raise SourceDamaged(f"it has more than {ARCHIVE_MEMBERS:,} members")
                if _leads_out(where, member.name, note):
                    continue
                # tarfile keeps a list of all it has seen
                archive.members = []  # type: ignore[attr-defined]
                if member.isfile() and is_unread_archive(member.name):
                    note(f"member {member.name!r} of {where} was left out", CANNOT)
                if not member.isfile() or not is_readable_name(member.name):
                    continue
                if member.issparse():
                    note(f"member {member.name!r} of {where} was left out", "it is sparse: its zeros are not in the archive")
                    continue
                handle = archive.extractfile(member)
                if handle is not None:
                    yield from unpack(f"{where}:{member.name}", handle, note, depth + 1)
    except UNPACKING as error:
        note(f"{where} is damaged; what came before was read", _said(error))


def _zip(where: str, source: _Guarded, handle: SupportsRead, note: Note, depth: int) -> Iterator[Member]:
    # zipfile jumps about: a member of another archive is taken into memory
    can_jump = not depth and isinstance(handle, io.BufferedReader) and handle.seekable()
    packed = cast(Any, handle) if can_jump else io.BytesIO(source.read_all())
    size = packed.seek(0, io.SEEK_END)
    # members may lie over one another, each within its bounds: all together they have bounds too
    left = max(BOMB_BYTES, BOMB_RATIO * size)
    with zipfile.ZipFile(ShortIndex(packed)) as archive:
        for member in archive.infolist():
            if is_unread_archive(member.filename):
                note(f"member {member.filename!r} of {where} was left out", CANNOT)
            if _leads_out(where, member.filename, note) or member.is_dir() or not is_readable_name(member.filename):
                continue
            name = f"{where}:{member.filename}"
            try:
                with archive.open(member) as content:
                    if member.file_size > FILE_BYTES:
                        raise SourceDamaged(f"it holds more than {FILE_BYTES >> 20} MiB in one piece")
                    counted = _Guarded(b"", content, limit=left)
                    yield from unpack(name, counted, note, depth + 1)
                    left -= counted.count
            except UNPACKING as error:
                note(f"{name} could not be read", _said(error))
            if left <= 0:
                raise SourceDamaged(f"it unpacks to more than {BOMB_RATIO} times its size")


def _leads_out(where: str, name: str, note: Note) -> bool:
    # names are only looked at, nothing is ever unpacked to disk; odd ones are still not trusted
    if not name.startswith("/") and ".." not in name.replace("\\", "/").split("/"):
        return False
    note(f"member {name!r} of {where} was left out", "its path leads out of the archive")
    return True


class ShortIndex:
    """A zip file of which nobody takes more than INDEX_BYTES at once: zipfile takes the list of members as large as it says it is."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """The next bytes. Raises SourceDamaged when too many are asked for."""
        content: bytes = self._file.read(INDEX_BYTES + 1 if size < 0 else min(size, INDEX_BYTES + 1))
        if len(content) > INDEX_BYTES:
            raise SourceDamaged(f"its list of members takes more than {INDEX_BYTES >> 20} MiB")
        return content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Guarded(io.RawIOBase):
    """A stream with its first bytes put back, which stops when it unpacks to far more than it was made from."""

    def __init__(
        self, head: bytes, handle: SupportsRead, packed: _Guarded | None = None, ratio: int = BOMB_RATIO, limit: int = 0
    ) -> None:
        self._head, self._handle, self._packed, self._ratio, self._limit = head, handle, packed, ratio, limit
        self.count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Exactly `size` bytes while there are so many."""
        return bytes(self._up_to(FILE_BYTES + 1 if size < 0 else size))

    def read_all(self) -> bytearray:
        """The rest. Raises SourceDamaged when it is too much."""
        content = self._up_to(FILE_BYTES + 1)
        if len(content) > FILE_BYTES:
            raise SourceDamaged(f"it holds more than {FILE_BYTES >> 20} MiB in one piece; dump one kind or namespace to a file")
        return content

    def _up_to(self, wanted: int) -> bytearray:
        content = bytearray(self._head[:wanted])
        self._head = self._head[wanted:]
        while len(content) < wanted and (piece := self._handle.read(min(wanted - len(content), _BLOCK))):
            content += piece
            self._count(piece)
        return content

    def read_some(self, size: int) -> bytes:
        """Some of the next bytes: all that comes before a damage is given before that is told."""
        if self._head:
            return bytes(self._up_to(min(size, len(self._head))))
        # a stream that is asked for all at once gives nothing of it when the end is damaged
        piece: bytes = getattr(self._handle, "read1", self._handle.read)(min(size, _BLOCK))
        self._count(piece)
        return piece

    def _count(self, piece: bytes) -> None:
        self.count += len(piece)
        if self._packed is not None and self.count > max(BOMB_BYTES, self._ratio * self._packed.count):
            raise SourceDamaged(f"it unpacks to more than {self._ratio} times its size")
        if self._limit and self.count > self._limit:
            raise SourceDamaged(f"the archive unpacks to more than {BOMB_RATIO} times its size")


def tar_headers() -> type[tarfile.TarInfo]:
    """The headers of one archive; raises ReadError for names that are too long, before tarfile reads them."""

    class Header(tarfile.TarInfo):
        of_one = of_all = 0  # bytes

        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Header:
            header = super().frombuf(buf, encoding, errors)
            if header.type == tarfile.XGLTYPE:
                cls.of_all += header.size
            # several may come before one member, and tarfile holds them all
            cls.of_one = cls.of_one + header.size if header.type in _NAME_HEADERS else 0
            if max(cls.of_one, cls.of_all) > NAME_BYTES:
                raise tarfile.ReadError(f"a name or other header takes more than {NAME_BYTES >> 20} MiB")
            return header

    return Header


def _said(error: Exception) -> str:
    """The error's own words, unless it could quote the content."""
    return type(error).__name__ if isinstance(error, UnicodeError) else str(error) or type(error).__name__
