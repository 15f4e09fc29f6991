"""The objects in files, folders and archives, one at a time: unpacked, decoded and taken out of their lists within bounds.

Memory is for one file's text and one object of it, whatever is in the file. What cannot be read is a gap; a file of which a
thousand pieces are no objects is no dump, and the rest of it is left out.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from ghostkey.foreign import (
    Bytes,
    SupportsRead,
    TooMuchError,
    UnreadableError,
    decode_json,
    json_list,
    split_json,
    yaml_items,
)
from ghostkey.model.errors import NoSuchPath, SourceDamaged
from ghostkey.model.events import Gap

FILE_BYTES = 104 << 20  # one file, unpacked; its text is in memory, within 256 MiB of it in all
# Dumps of YAML pack to a tenth or a fiftieth, zeros to a thousandth. Below 32 MiB nobody asks.
BOMB_BYTES, BOMB_RATIO = 32 << 20, 100
NESTED = 4  # archives in archives
UNPACKING = (tarfile.TarError, EOFError, zlib.error, OSError, SourceDamaged, ValueError, OverflowError, RecursionError)
ARCHIVE_MEMBERS = 1_000_000
NAME_BYTES = 1 << 20  # of what an archive says of one member, long names and pax headers, and of what it says of all
_NAME_HEADERS = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
BAD_PIECES = 1_000  # of one file
GAPS_KEPT = 1_000  # of all files
ENDINGS = (".yaml", ".yml", ".json", ".jsonl")
_BLOCK = 1 << 20
_HEAD = 512  # a tar header
_NAMESPACE_FOLDER = re.compile(r"(?:^|/)namespaces/([a-z0-9][-a-z0-9]*)/")
_SEPARATOR = re.compile(rb"(?m)^---(?=[ \t\r\n]|\Z)")
_INK = re.compile(rb"\S")
_WORD = rb"(?m)^%b:[ \t]*[\"']?([A-Za-z0-9./-]+)"
_KIND, _API_VERSION = re.compile(_WORD % b"kind"), re.compile(_WORD % b"apiVersion")
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),  # `kubectl … > file` in PowerShell
    (codecs.BOM_UTF16_BE, "utf-16"),
)
Found = tuple[str, dict[str, Any]]  # where, object


class Documents:
    """Reads the objects of some paths; `gaps` says what was not read, `gathered` the namespaces of a must-gather's folders."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = list(paths)
        self.gaps: list[Gap] = []
        self.gathered: set[str] = set()
        self._more_gaps = self._bad = 0

    def note(self, what: str, why: str) -> None:
        """Says that a piece could not be read."""
        self._bad += 1
        if len(self.gaps) < GAPS_KEPT:
            self.gaps.append(Gap(what, why))
        else:
            self._more_gaps += 1

    def note_again(self) -> None:
        """Says that an object was there before; of which a dump has some, when its files overlap."""
        self._bad += 1

    def _check_worth(self) -> None:
        # whoever takes an object may find that it is none, and says so only then
        if self._bad >= BAD_PIECES:
            raise SourceDamaged(f"{BAD_PIECES:,} pieces of it are no objects; the rest was left out")

    def all_gaps(self) -> Iterator[Gap]:
        """What could not be read, and how much more of it there was."""
        yield from self.gaps
        if self._more_gaps:
            yield Gap(f"{self._more_gaps:,} more pieces could not be read", "they are like those that are named")

    def objects(self) -> Iterator[Found]:
        """(where, object) of everything that decodes. Raises SourceDamaged when a path does not exist."""
        for path in self._paths:
            if str(path) == "-":
                import sys

                yield from self._stream("standard input", sys.stdin.buffer)
            elif path.is_dir():
                for file in sorted(path.rglob("*")):
                    if file.is_file() and not file.is_symlink() and _is_readable_name(file.name):
                        yield from self._file(file)
            elif path.exists():
                yield from self._file(path)
            else:
                raise NoSuchPath(f"{path} does not exist", "name a file, a folder or an archive with --from")

    # bytes

    def _file(self, path: Path) -> Iterator[Found]:
        try:
            with path.open("rb") as handle:
                yield from self._stream(str(path), handle)
        except OSError as error:
            self.note(f"{path} could not be read", error.strerror or str(error))

    def _stream(self, where: str, handle: SupportsRead, depth: int = 0) -> Iterator[Found]:
        head = handle.read(_HEAD)
        source = _Guarded(head, handle)
        try:
            if head[:2] == b"\x1f\x8b" and depth < NESTED:
                unzipped = gzip.GzipFile(fileobj=source)
                # a bomb is told by its ratio, which no dump of text comes near
                yield from self._stream(where, _Guarded(b"", unzipped, source), depth + 1)
            elif head[257:262] == b"ustar" and depth < NESTED:
                yield from self._tar(where, source, depth)
            else:
                yield from self._text(where, source.read_all())
        except UNPACKING as error:
            # what came before the damage may end in the middle of an object, so none of it is used
            said = str(error) if isinstance(error, SourceDamaged) else f"damaged: {_said(error)}"
            self.note(f"{where} could not be read", said)

    def _tar(self, where: str, source: SupportsRead, depth: int) -> Iterator[Found]:
        try:
            # as a stream: a must-gather may be larger than memory
            with tarfile.open(fileobj=cast(Any, source), mode="r|", tarinfo=_headers()) as archive:
                for number, member in enumerate(archive):
                    if number >= ARCHIVE_MEMBERS:
                        raise SourceDamaged(f"it has more than {ARCHIVE_MEMBERS:,} members")
                    # names are only looked at, nothing is ever unpacked to disk; odd ones are still not trusted
                    if member.name.startswith("/") or ".." in member.name.split("/"):
                        self.note(f"member {member.name!r} of {where} was left out", "its path leads out of the archive")
                        continue
                    # tarfile keeps a list of all it has seen
                    archive.members = []  # type: ignore[attr-defined]
                    if not member.isfile() or not _is_readable_name(member.name):
                        continue
                    if member.issparse():
                        self.note(
                            f"member {member.name!r} of {where} was left out", "it is sparse: its zeros are not in the archive"
                        )
                        continue
                    handle = archive.extractfile(member)
                    if handle is not None:
                        yield from self._stream(f"{where}:{member.name}", handle, depth + 1)
        except UNPACKING as error:
            self.note(f"{where} is damaged; what came before was read", _said(error))

    # text

    def _text(self, where: str, content: Bytes) -> Iterator[Found]:
        if found := _NAMESPACE_FOLDER.search(where):
            self.gathered.add(found[1])
        for mark, encoding in _MARKS:
            if content.startswith(mark):
                content = content.decode(encoding).encode()
                break
        if content.startswith(codecs.BOM_UTF8):
            content = content[len(codecs.BOM_UTF8) :]
        self._bad = 0
        start = re.match(rb"\s*([{\[])?", content)
        yield from self._json(where, content) if start and start[1] else self._yaml(where, content)

    def _document(self, where: str, document: Any) -> Iterator[Found]:
        """An object, or the objects of a list."""
        self._check_worth()
        if not isinstance(document, dict):
            self._no_object(where, document)
            return
        items = document.get("items")
        if not isinstance(items, list):
            yield where, document
            return
        kind, version = document.get("kind"), document.get("apiVersion")
        for item in items:
            yield from self._item(where, item, str(kind or ""), version)

    def _item(self, where: str, item: Any, list_kind: str, version: Any) -> Iterator[Found]:
        self._check_worth()
        if not isinstance(item, dict):
            self.note(f"an item of the list in {where} is no object", f"it is {type(item).__name__}")
        elif "kind" not in item and list_kind.endswith("List") and list_kind != "List":
            # typed lists leave apiVersion and kind out of their items
            yield where, {"apiVersion": version, "kind": list_kind[:-4], **item}
        else:
            yield where, item

    def _no_object(self, where: str, document: Any) -> None:
        if document is None:
            self._bad += 1  # files of templates have many that are empty, and nobody wants to read of them
        else:
            self.note(f"{where} holds a {type(document).__name__}, not an object", "expected apiVersion and kind")

    # JSON

    def _json(self, where: str, content: Bytes) -> Iterator[Found]:
        try:
            # taken out of the list, so that what was read is not kept for as long as its objects are looked at
            documents = [decode_json(content)]
        except TooMuchError as error:
            try:
                yield from self._large_list(where, content, error)
            except UnreadableError:
                yield from self._json_stream(where, content)
        except UnreadableError:
            yield from self._json_stream(where, content)
        else:
            yield from self._document(where, documents.pop())

    def _large_list(self, where: str, content: Bytes, why: TooMuchError) -> Iterator[Found]:
        """The items of a list, decoded one by one. Raises UnreadableError when it is no JSON."""
        try:
            found = json_list(content)
        except TooMuchError as error:
            self.note(f"{where} could not be read", str(error))
            return
        if found is None:
            self.note(f"{where} could not be read", str(why))
            return
        for raw in found.items:
            try:
                item = decode_json(raw)
            except UnreadableError as error:
                self.note(f"an item of the list in {where} could not be read", str(error))
                continue
            yield from self._item(where, item, found.kind, found.api_version)

    def _json_stream(self, where: str, content: Bytes) -> Iterator[Found]:
        """JSON documents one after the other, as `kubectl get -o json` of several kinds or JSON lines."""
        position = 0
        try:
            for part in split_json(content):
                position += len(part)
                try:
                    document = decode_json(part)
                except TooMuchError as error:
                    yield from self._large_list(where, part, error)
                    continue
                yield from self._document(where, document)
        except UnreadableError as error:
            self.note(f"{where} is damaged after {position:,} bytes", str(error))

    # YAML

    def _yaml(self, where: str, content: Bytes) -> Iterator[Found]:
        # A document at a time: one that is broken does not take its neighbours along.
        begin, number = 0, 0
        while begin <= len(content):
            found = _SEPARATOR.search(content, begin)
            end = found.start() if found else len(content)
            number += 1
            if _INK.search(content, begin, end):
                yield from self._yaml_document(where, number, content, begin, end)
            else:
                self._bad += 1  # nothing but separators is no dump either
            if found is None:
                return
            begin = found.end()
            self._check_worth()

    def _yaml_document(self, where: str, number: int, content: Bytes, begin: int, end: int) -> Iterator[Found]:
        kind, version = _KIND.search(content, begin, end), _API_VERSION.search(content, begin, end)
        list_kind = kind[1].decode() if kind else ""
        is_empty = True
        try:
            for is_item, piece in yaml_items(_Slice(content, begin, end)):
                is_empty = False
                if is_item:
                    yield from self._item(where, piece, list_kind, version[1].decode() if version else None)
                else:
                    yield from self._document(where, piece)
        except UnreadableError as error:
            line = f" at line {error.line}" if error.line else ""
            self.note(f"document {number} of {where} could not be read", f"{error}{line}")
            return
        self._bad += is_empty


class _Guarded(io.RawIOBase):
    """A stream with its first bytes put back, which stops when it unpacks to far more than it was made from."""

    def __init__(self, head: bytes, handle: SupportsRead, packed: _Guarded | None = None) -> None:
        self._head, self._handle, self._packed = head, handle, packed
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
            self.count += len(piece)
            if self._packed is not None and self.count > max(BOMB_BYTES, BOMB_RATIO * self._packed.count):
                raise SourceDamaged(f"it unpacks to more than {BOMB_RATIO} times its size")
        return content


def _headers() -> type[tarfile.TarInfo]:
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


class _Slice:
    """A part of a text, to be read without a copy of it."""

    def __init__(self, content: Bytes, begin: int, end: int) -> None:
        self._view, self._at = memoryview(content)[begin:end], 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        stop = len(self._view) if size < 0 else self._at + size
        piece = bytes(self._view[self._at : stop])
        self._at += len(piece)
        return piece


def _is_readable_name(name: str) -> bool:
    return name.lower().removesuffix(".gz").endswith((*ENDINGS, ".tar", ".tgz"))


def _said(error: Exception) -> str:
    """The error's own words, unless it could quote the content."""
    return type(error).__name__ if isinstance(error, UnicodeError) else str(error) or type(error).__name__
