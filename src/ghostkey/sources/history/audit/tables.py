"""Tables that queries export (CSV, TSV), cut into rows as they are read, each a record of the cells under their columns' names.

What it reads
    What CloudWatch Logs Insights, Splunk, Log Analytics, Logs Explorer, BigQuery, Spark and spreadsheets write: four delimiters, quotes
    that are doubled, escaped or not there, cells of several lines, with a header or without one. Which of these a table is, its first
    rows tell: it is what gives audit events of all that are tried.
When it is wrong
    Columns that lie within a request or a response (`protoPayload.request.data.a`) are left out, since a key may have dots, too: the
    event is of level Metadata then.
Source
    RFC 4180; Azure Monitor's table AKSAudit (`[UTC]` behind a column's name, times as people in America write them)
"""

from __future__ import annotations

import codecs
import datetime
import io
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

import msgspec

from ghostkey.foreign import UnreadableError, decode_json, is_json
from ghostkey.sources.history.audit.envelopes import is_worth, unwrap
from ghostkey.sources.history.audit.fields import put
from ghostkey.sources.history.audit.ways import BARE

DELIMITERS = (b",", b"\t", b";", b"|")
DOUBLED, ESCAPED, PLAIN = "doubled", "escaped", "plain"  # how a quote is written within a cell
ROWS_TRIED, ROWS_READ = 8, 2_000  # rows with an event that are enough, and rows that are looked at for them
HEADER_BYTES = 1 << 16
_DIRECTIVE = re.compile(rb"sep=.\r?\n")  # for spreadsheets
_ESCAPED = re.compile(rb'\\([\\"])')
_PAIR = re.compile(rb"(?s)\\.")
_UNIT = re.compile(r"\s*\[[^\]]*\]$")
_AMERICAN = re.compile(r"\d{1,2}/\d{1,2}/\d{4}, \d{1,2}:\d\d:\d\d(?:\.\d{1,6})? [AP]M")
_encode = msgspec.json.encode
Cells = list[bytes]


class Table(NamedTuple):
    """How a table is written; `names` of its columns are empty where it has no header."""

    delimiter: bytes
    quotes: str
    names: tuple[str, ...] = ()

    def split(self, stream: BinaryIO, note_damage: Callable[[], None], most: int) -> Iterator[bytes]:
        """Each row as a record of JSON; one that cannot be cut into as many cells as the others is damage."""
        width = len(self.names)
        for row in self._rows(stream, note_damage, most):
            cells = self.cells(row)
            width = width or len(cells)
            if len(cells) == width:
                if self.names and name_of(cells[0]) == self.names[0]:
                    continue
                if any(_is_cut(cell) for cell in cells):
                    note_damage()
                else:
                    yield self._record(cells)
            elif len(cells) != 1 or b"{" in row or b'"' in row:
                # a comma in a cell without quotes makes an event no other one
                whole = [cell for cell in cells if cell.startswith(BARE) and unwrap(cell).events]
                if len(whole) == 1:
                    yield whole[0]
                else:
                    note_damage()

    def _rows(self, stream: BinaryIO, note_damage: Callable[[], None], most: int) -> Iterator[bytes]:
        """The rows, of one line or of several where a quote stays open; one without its end ends where the next one begins."""
        held = bytearray()
        is_open = False
        for raw in stream:
            line, is_odd = raw, self._is_odd(raw)
            if not held:
                line = raw.removeprefix(codecs.BOM_UTF8)
                if not line.strip() or _DIRECTIVE.fullmatch(line):
                    continue
            elif self._opens(line) if is_odd else self._is_row(line):
                note_damage()
                held.clear()
                is_open = False
            held += line
            is_open ^= is_odd
            if not is_open:
                yield bytes(held).rstrip(b"\r\n")
                held.clear()
            elif len(held) > most:
                note_damage()
                held.clear()
                is_open = False
        if held:
            note_damage()

    def _is_odd(self, line: bytes) -> bool:
        """Whether a line opens a cell that it does not close, or closes one."""
        if self.quotes == PLAIN:
            return False
        return (_PAIR.sub(b"", line) if self.quotes == ESCAPED else line).count(b'"') % 2 == 1

    def _is_row(self, line: bytes) -> bool:
        """Whether a line that stands where a cell goes on is a row with an event of its own."""
        cells = self.cells(line.rstrip(b"\r\n"))
        return len(cells) == max(1, len(self.names)) and bool(unwrap(self._record(cells)).events)

    def _opens(self, line: bytes) -> bool:
        """Whether a line with an odd number of quotes begins a row: it opens a cell after cells that are whole, rather than closing one."""
        is_end = line.startswith(b'"') and line[1:2] in (self.delimiter, b"\r", b"\n", b"")
        return not is_end and bool(self.cells(line))

    def cells(self, row: bytes) -> Cells:
        """The cells of a row, out of their quotes; none where it is no such row."""
        if self.quotes == PLAIN:
            return row.split(self.delimiter)
        cells: Cells = []
        place = 0
        while place <= len(row):
            if row[place : place + 1] != b'"':
                end = row.find(self.delimiter, place)
                end = len(row) if end < 0 else end
                if b'"' in row[place:end]:
                    return []
                cells.append(row[place:end])
            else:
                end = self._end(row, place + 1)
                cell = row[place + 1 : end]
                cells.append(cell.replace(b'""', b'"') if self.quotes == DOUBLED else _ESCAPED.sub(rb"\1", cell))
                end += 1
                if row[end : end + 1] not in (b"", self.delimiter):
                    return []
            place = end + 1
        return cells

    def _end(self, row: bytes, place: int) -> int:
        """Where the quote is that ends a cell."""
        while (found := row.find(b'"', place)) >= 0:
            if self.quotes == ESCAPED:
                if (found - len(row[:found].rstrip(b"\\"))) % 2 == 0:
                    return found
                place = found + 1
            elif row[found + 1 : found + 2] == b'"':
                place = found + 2
            else:
                return found
        return len(row)

    def _record(self, cells: Cells) -> bytes:
        for cell in cells:
            if cell.startswith(BARE):
                return self._json(cell)
        node: dict[str, Any] = {}
        for name, cell in zip(self.names or map(str, range(len(cells))), cells, strict=True):
            if cell:
                put(node, name, _value(self._json(cell)))
        return _encode(node)

    def _json(self, cell: bytes) -> bytes:
        """A cell without quotes may have its backslashes doubled, as databases write text; then it is no JSON as it stands."""
        if self.quotes != PLAIN or b"\\\\" not in cell or cell[:1] not in (b"{", b"[", b'"') or is_json(cell):
            return cell
        return cell.replace(b"\\\\", b"\\")


def table_of(head: bytes) -> Table | None:
    """How the table is written that begins so; None when no audit event comes of reading it as one."""
    directive = _DIRECTIVE.match(head)
    text = head[directive.end() :] if directive is not None else head
    first, _, rest = text.lstrip(b"\r\n").partition(b"\n")
    if not is_worth(head) or text.lstrip()[:1] in (b"{", b"["):
        return None
    has_header = b"{" not in first and len(first) < HEADER_BYTES
    best: tuple[int, int, Table] | None = None
    for quotes in (DOUBLED, ESCAPED, PLAIN):
        for delimiter in DELIMITERS if quotes != PLAIN else (b"\t",):
            cells = Table(delimiter, quotes).cells(first.rstrip(b"\r")) if has_header else []
            table = Table(delimiter, quotes, names := tuple(map(name_of, cells)))
            count = _events(table, rest if has_header else text)
            # in one column everything fits
            if count and (best is None or (count, len(names)) > best[:2]):
                best = count, len(names), table
    return best[2] if best is not None else None


def _events(table: Table, text: bytes) -> int:
    """How many of the first rows have an event."""
    stream = io.BytesIO(text)
    first = stream.readline()
    stream.seek(0)
    # text around an event is none, and others read it
    if (len(table.names) < 2 and table.quotes == PLAIN) or not (
        first.startswith(b'"') if len(table.names) == 1 else table.names or b'"{' in first
    ):
        return 0
    count = 0
    for number, record in enumerate(table.split(stream, lambda: None, len(text))):
        count += bool(unwrap(record).events)
        if count > ROWS_TRIED or number >= ROWS_READ:
            break
    return count


def name_of(cell: bytes) -> str:
    """A column's name, without the unit that Azure writes behind it."""
    return _UNIT.sub("", cell.decode("utf-8", "replace").strip())


def _is_cut(cell: bytes) -> bool:
    """Whether a cell is the beginning of JSON, and shows nothing of an event by which others tell that it is one that was cut."""
    return cell.startswith((b'{"', b"[{")) and not cell.startswith(BARE) and not is_worth(cell) and not is_json(cell)


def _value(cell: bytes) -> Any:
    """What a cell holds: JSON where it is an object or a list, a time as people write it as machines do, else its text."""
    if cell[:1] in (b"{", b"["):
        try:
            return decode_json(cell)
        except UnreadableError:
            pass
    text = cell.decode("utf-8", "replace")
    if _AMERICAN.fullmatch(text):
        form = "%m/%d/%Y, %I:%M:%S.%f %p" if "." in text else "%m/%d/%Y, %I:%M:%S %p"
        try:
            return datetime.datetime.strptime(text, form).isoformat() + "Z"
        except ValueError:
            pass
    return text
