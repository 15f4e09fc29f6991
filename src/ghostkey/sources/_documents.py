"""The objects in files, folders and archives, one at a time: decoded and taken out of their lists within bounds.

Memory is for one file's text and one object of it, whatever is in the file. What cannot be read is a gap; what is no object of
Kubernetes is passed over and counted; a file of which a thousand pieces are no objects is no dump, and the rest is left out.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ghostkey.foreign import (
    Bytes,
    TooMuchError,
    UnreadableError,
    decode_json,
    json_array,
    json_list,
    split_json,
    yaml_items,
)
from ghostkey.foreign.messages import without_messages
from ghostkey.model.counts import counted
from ghostkey.model.errors import NoSuchPath, SourceDamaged
from ghostkey.model.events import Gap
from ghostkey.sources._archives import CANNOT, Member, is_readable_name, is_unread_archive, unpack
from ghostkey.sources._beginnings import may_hold_objects
from ghostkey.sources._passed_over import PassedOver, is_template
from ghostkey.sources._sheets import Sheet, spot_of

BAD_PIECES = 1_000  # of one file
GAPS_KEPT = 1_000  # of all files
SKIPPED_FOLDERS = {".git", "node_modules", ".terraform"}  # what tools keep there is nobody's dump
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
Found = tuple[Sheet, str, dict[str, Any] | None]  # what it came with, where, object; None for a list that holds nothing


class Documents:
    """Reads the objects of some paths.

    `gaps` says what was not read, `passed_over` what is no object; `refused` names what a tool says it could not get, and
    `choices` the roots of archives that hold a choice of objects.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = list(paths)
        self.gaps: list[Gap] = []
        self.passed_over = PassedOver()
        self.refused: set[str] = set()
        self.choices: set[str] = set()
        self._more_gaps = self._bad = 0
        self.audit_events = 0  # of an API server's log, which is no dump
        self._sheet = Sheet("", (), spot_of(""))
        self._content: Bytes = b""
        self._template_of: Bytes | None = None
        self._has_actions = False
        self._sheets = 0

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

    def pass_over(self, where: str, document: Any, what: str, why: str) -> None:
        """Says that a document is no object of Kubernetes."""
        self._bad += 1
        if where.endswith("custom-resources-errors.json") and isinstance(document, dict):
            self.refused |= {name.partition("/")[0] for name in map(str, document)}
        self.passed_over.add(where, document, what, why, is_template=self._is_template)

    @property
    def _is_template(self) -> bool:
        """Whether the file at hand is a template; looked for once, however many of its pieces are no objects."""
        if self._template_of is not self._content:
            self._template_of, self._has_actions = self._content, is_template(self._content)
        return self._has_actions

    @property
    def hint(self) -> str:
        """What to do with what holds no objects."""
        if 2 * self.audit_events > self._bad:
            return "this is an audit log: ghostkey explain cm/NAME -n NAMESPACE --from FILE tells what it says of a map"
        return "give .yaml or .json files, folders or archives"

    def _check_worth(self) -> None:
        # whoever takes an object may find that it is none, and says so only then
        if self._bad >= BAD_PIECES:
            raise SourceDamaged(f"{BAD_PIECES:,} pieces of it are no objects; the rest was left out", self.hint)

    def all_gaps(self) -> Iterator[Gap]:
        """What could not be read, and how much more of it there was."""
        yield from self.gaps
        if self._more_gaps:
            yield Gap(f"{counted(self._more_gaps, 'more piece')} could not be read", "like those that are named")

    def objects(self) -> Iterator[Found]:
        """Everything that decodes. Raises SourceDamaged when a path does not exist."""
        for where, content in self._files():
            try:
                yield from self._text(where, content)
            except SourceDamaged as error:
                self.note(f"{where} could not be read", str(error))

    def text_objects(self, where: str, content: bytes) -> Iterator[dict[str, Any]]:
        """Everything that decodes of a file whose content is at hand, as it was packed."""
        for name, text in unpack(where, io.BytesIO(content), self.note):
            try:
                yield from (item for _, _, item in self._text(name, text) if item is not None)
            except SourceDamaged as error:
                self.note(f"{name} could not be read", str(error))

    # bytes

    def _files(self) -> Iterator[Member]:
        for path in self._paths:
            if str(path) == "-":
                import sys

                yield from unpack("standard input", sys.stdin.buffer, self.note)
            elif path.is_dir():
                for file in sorted(path.rglob("*")):
                    if SKIPPED_FOLDERS.intersection(file.relative_to(path).parts[:-1]):
                        continue
                    if not file.is_file() or file.is_symlink():
                        continue
                    if is_unread_archive(file.name):
                        self.note(f"{file} was left out", CANNOT)
                    if is_readable_name(file.name) or may_hold_objects(file):
                        yield from self._file(file)
            elif path.exists():
                yield from self._file(path)
            else:
                raise NoSuchPath(f"{path} does not exist", "name a file, a folder or an archive with --from")

    def _file(self, path: Path) -> Iterator[Member]:
        try:
            with path.open("rb") as handle:
                yield from unpack(str(path), handle, self.note)
        except OSError as error:
            self.note(f"{path} could not be read", error.strerror or str(error))

    # text

    def _text(self, where: str, content: Bytes) -> Iterator[Found]:
        root, is_choice, _ = where.partition("insights-operator/")
        if is_choice:
            self.choices.add(root)
        for mark, encoding in _MARKS:
            if content.startswith(mark):
                try:
                    content = content.decode(encoding).encode()
                except UnicodeError as error:
                    raise SourceDamaged(f"damaged: {type(error).__name__}") from None
                break
        if content.startswith(codecs.BOM_UTF8):
            content = content[len(codecs.BOM_UTF8) :]
        content, errors = without_messages(content)
        if errors:
            self.note(f"{where} may not be whole", f"kubectl logged {errors} error{'s' if errors > 1 else ''} while it wrote it")
        self._bad = 0
        self._content = content
        self._sheet = self._new_sheet(where)
        start = re.match(rb"\s*([{\[])?", content)
        yield from self._json(where, content) if start and start[1] else self._yaml(where, content)

    def _new_sheet(self, where: str) -> Sheet:
        self._sheets += 1
        spot = spot_of(where)
        # within the layout of a tool nothing is told apart by folders
        path = spot.root.rstrip("/:") if spot.tool else f"{where}/{self._sheets}"
        return Sheet(where, tuple(part for part in re.split(r"[/:]", path) if part), spot)

    def _list_sheet(self, where: str, kind: Any, version: Any, metadata: Any = None) -> Sheet:
        sheet = self._new_sheet(where)
        sheet.is_list = True
        if isinstance(kind, str) and kind.endswith("List") and kind != "List":
            sheet.of = (str(version or ""), kind[:-4])
        else:
            sheet.of = sheet.spot.of
        sheet.cut = _why_cut(where, metadata)
        return sheet

    def _document(self, where: str, document: Any) -> Iterator[Found]:
        """An object, or the objects of a list."""
        self._check_worth()
        if isinstance(document, list):
            yield from self._array(where, document)
            return
        if not isinstance(document, dict):
            self._no_object(where, document)
            return
        if not _is_list(document):
            yield self._sheet, where, document
            return
        items = document["items"] or []
        if not document.get("kind") and items and not any(map(_has_metadata, items)):
            self._no_object(where, document)
            return
        sheet = self._list_sheet(where, document.get("kind"), document.get("apiVersion"), document.get("metadata"))
        for item in items:
            yield from self._item(sheet, item)
        if not items and sheet.of[1]:
            yield sheet, where, None

    def _array(self, where: str, items: list[Any]) -> Iterator[Found]:
        """A bare array: the custom resources of a troubleshoot bundle."""
        if not any(map(_has_metadata, items)):
            self._no_object(where, items)
            return
        sheet = self._list_sheet(where, None, None)
        for item in items:
            yield from self._item(sheet, item)

    def _item(self, sheet: Sheet, item: Any) -> Iterator[Found]:
        self._check_worth()
        if not isinstance(item, dict):
            self.note(f"an item of the list in {sheet.where} is no object", f"it is {type(item).__name__}")
        elif _is_list_in_list(item):
            yield from self._document(sheet.where, item)
        elif "kind" not in item and sheet.of[1]:
            # typed lists leave apiVersion and kind out of their items
            yield sheet, sheet.where, {"apiVersion": sheet.of[0], "kind": sheet.of[1], **item}
        else:
            yield sheet, sheet.where, item

    def _no_object(self, where: str, document: Any) -> None:
        if document is None:
            self._bad += 1  # files of templates have many that are empty, and nobody wants to read of them
        else:
            what = f"{where} holds a {type(document).__name__}, not an object"
            self.pass_over(where, document, what, "expected apiVersion and kind")

    def _unreadable(self, where: str, what: str, error: UnreadableError) -> None:
        """What does not decode is a gap, unless it came with a folder and nothing in the file says that it is for Kubernetes."""
        line = f" at line {error.line}" if error.line else ""
        is_ours = b"apiVersion" in self._content and not self._is_template
        is_named = any(where == str(path) for path in self._paths) or where == "standard input"
        if is_ours or is_named or isinstance(error, TooMuchError):
            self.note(what, f"{error}{line}")
        else:
            self.pass_over(where, None, what, f"{error}{line}")

    # JSON

    def _json(self, where: str, content: Bytes) -> Iterator[Found]:
        try:
            # taken out of the list, so that what was read is not kept for as long as its objects are looked at
            documents = [decode_json(content)]
        except TooMuchError as error:
            try:
                yield from self._large(where, content, error)
            except UnreadableError:
                yield from self._json_stream(where, content)
        except UnreadableError:
            yield from self._json_stream(where, content)
        else:
            yield from self._document(where, documents.pop())

    def _large(self, where: str, content: Bytes, why: TooMuchError) -> Iterator[Found]:
        """The items of a list, decoded one by one. Raises UnreadableError when it is no JSON."""
        try:
            found = json_list(content) or json_array(content)
        except TooMuchError as error:
            self.note(f"{where} could not be read", str(error))
            return
        if found is None:
            self.note(f"{where} could not be read", str(why))
            return
        sheet = self._list_sheet(where, found.kind, found.api_version, found.metadata)
        for raw in found.items:
            try:
                item = decode_json(raw)
            except UnreadableError as error:
                self.note(f"an item of the list in {where} could not be read", str(error))
                continue
            yield from self._item(sheet, item)

    def _json_stream(self, where: str, content: Bytes) -> Iterator[Found]:
        """JSON documents one after the other, as `kubectl get -o json` of several kinds or JSON lines."""
        position = 0
        try:
            for part in split_json(content):
                position += len(part)
                try:
                    document = decode_json(part)
                except TooMuchError as error:
                    yield from self._large(where, part, error)
                    continue
                yield from self._document(where, document)
        except UnreadableError as error:
            self._unreadable(where, f"{where} is damaged after {position:,} bytes", error)

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
        sheet: Sheet | None = None
        is_empty = True
        try:
            for is_item, piece in yaml_items(_Slice(content, begin, end)):
                is_empty = False
                if is_item:
                    if sheet is None:
                        words = (kind and kind[1].decode(), version and version[1].decode())
                        sheet = self._list_sheet(where, *words)
                    yield from self._item(sheet, piece)
                elif sheet is None:
                    yield from self._document(where, piece)
                elif isinstance(piece, dict):
                    sheet.cut = _why_cut(where, piece.get("metadata"))
        except UnreadableError as error:
            self._unreadable(where, f"document {number} of {where} could not be read", error)
            return
        self._bad += is_empty


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


def _is_list(document: dict[str, Any]) -> bool:
    """Whether a document is a list, which may hold nothing; the field `items` alone makes none of an object with a name."""
    items = document.get("items", False)
    if isinstance(items, list):
        return True
    metadata = document.get("metadata")
    return items is None and not (isinstance(metadata, dict) and metadata.get("name"))


def _is_list_in_list(item: dict[str, Any]) -> bool:
    """Whether an item of a list is one itself, as `kubectl apply` takes them: of a kind that ends so, and without a name."""
    return str(item.get("kind")).endswith("List") and "items" in item and _is_list(item)


def _has_metadata(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("metadata"), dict)


def _why_cut(where: str, metadata: Any) -> str:
    """What a list says of what it does not hold: the API server gives long ones in pages."""
    if isinstance(metadata, dict) and (metadata.get("continue") or metadata.get("remainingItemCount")):
        return f"the list in {where} is one page of several"
    return ""
