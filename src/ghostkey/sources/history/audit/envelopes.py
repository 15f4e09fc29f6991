"""Audit events out of what they come wrapped in: text before them, fields of other records, arrays, and several at once.

What it reads
    Lines with text before the event (CRI, journald, syslog, `oc adm node-logs`, CloudWatch's export to S3, CSV); records with the
    event as a string or an object in some field (AKS, EKS, Loki, Splunk, Filebeat, Elastic, Fluent Bit, Vector, journald's
    JSON, docker), one in the other; EventLists and arrays; Google's protoPayload; Azure's table AKSAudit. All are told by
    their shape: an event is what has an `auditID` and a request. Where it was found in one record, it is looked for first in
    the next one, without decoding the rest.
Source
    k8s.io/apiserver v0.37 pkg/apis/audit/v1; CRI: kubelet's log format; docker's json-file driver; journald's export format
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from ghostkey.foreign import UnreadableError, decode_json, split_json
from ghostkey.sources.history.audit.encoded import decoded, holds, is_encoded
from ghostkey.sources.history.audit.fields import event_of_fields, is_event, record_of_pairs, rows_of
from ghostkey.sources.history.audit.found import DAMAGE, Found, Path, is_remnant
from ghostkey.sources.history.audit.google import PAYLOADS, event_of_google
from ghostkey.sources.history.audit.otlp import plain
from ghostkey.sources.history.audit.packed_text import PACKED, PackedText
from ghostkey.sources.history.audit.ways import BARE, PREFIX_BYTES, RECEIVED, one_way, way

DEPTH = 12  # of records in records
BEGINNINGS = 8  # places in a line at which an event may begin
PARTIAL_BYTES = 64 << 20  # of a line that comes in parts
TEXT, AROUND, CSV = "text before it", "text around it", "in quotes of CSV"
WORTH = (b"auditID", b"audit.k8s.io", b"AuditId", b"auditId", b"protoPayload", b"protopayload_auditlog", PACKED.encode())
# what only stands in an event, or in a part of one
_PART = (b"audit.k8s.io", RECEIVED, b"stageTimestamp")
_ZEROS = bytes(16)  # where a computer ended before what it had made room for was written
# what other records have too: where one is not whole, what it was nobody knows
_CUT = re.compile(rb'(?:protoPayload|protopayload_auditlog|[aA]uditI[dD])[\\"]+\s*:|"' + PACKED.encode())
_TAG = re.compile(rb"\[[^\]{\"\[]{0,200}\] ")  # before a line of several Pods, or of several tags
_QUOTED = re.compile(rb'"(?:[^"\\]++|\\.)*+"')
_CRI = re.compile(rb"\S{20,40} (?:stdout|stderr) ([PF])(?::\S*)? ")
_NUMBERS = re.compile(rb'"MESSAGE"\s*:\s*\[')  # journald's way to write what is no plain text
_DOCKER = b'{"log":"'
_DOCKER_END, _DOCKER_REST = b'\\n","', 400  # of a text that is whole, and bytes of a record after it
# behind an event: the time of its ingestion (`aws logs … --output text`) and other columns, or the end of a list around it (Fluent Bit's stdout)
_BEHIND = re.compile(rb"[\])]{0,4}(?:\t[^\t{}\n]{0,200}){0,9}\s*")
COLUMNS = "columns"
_REMADE = {"protoPayload", "AKSAudit", "kvlistValue", COLUMNS}  # where what is there is no event until it is made one
_encode = msgspec.json.encode


def is_worth(text: bytes) -> bool:
    """Whether a record may have an audit event in it."""
    return (
        any(word in text for word in WORTH) or (b'"MESSAGE"' in text and _NUMBERS.search(text) is not None) or holds(text, WORTH)
    )


def unwrap(line: bytes, depth: int = 0, packed: PackedText | None = None) -> Found:
    """The events of one record, whatever they are wrapped in; budgets bound depth, nodes and what packed text unpacks to."""
    packed = PackedText(len(line)) if packed is None else packed
    found = _unwrapped(line.strip().rstrip(b","), depth, packed)  # as in an array that has an item a line
    packed.is_damaged = packed.is_damaged or found.is_damaged
    return found._replace(is_damaged=packed.is_damaged)


def _within(raw: bytes, depth: int, packed: PackedText) -> Iterator[bytes]:
    """The events of a text in a record, with DAMAGE where something like one stood."""
    before, packed.is_damaged = packed.is_damaged, False
    found = unwrap(raw, depth + 1, packed)
    packed.is_damaged = packed.is_damaged or before
    yield from found.marked()


def _unwrapped(text: bytes, depth: int, packed: PackedText) -> Found:
    if depth > DEPTH or not is_worth(text):
        return Found((), is_damaged=is_part(text) or (depth > DEPTH and is_worth(text)) or (not depth and is_remnant(text)))
    if b'""auditID""' in text:
        return unwrap(_unquoted(text), depth + 1, packed)._replace(words=CSV, path=None)
    is_json = text[:1] in b'{["' and _TAG.match(text) is None
    begin = 0 if is_json else text.find(BARE, 0, PREFIX_BYTES)
    begin = begin if begin >= 0 else text.find(b"{")
    whole = len(text)  # from where on it is JSON to its end
    if (
        not is_json
        and (quote := text.find(b'"{\\"', 0, PREFIX_BYTES)) >= 0
        and (quoted := _QUOTED.match(text, quote)) is not None
    ):
        found = _records(quoted[0], depth + 1, packed)  # as `key="value"` has it
        if found.events:
            return found._replace(words=TEXT, path=None)
    # of a line that begins as an event and is none, what stands further on may be part of anything
    for _ in range(1 if is_json else BEGINNINGS):
        if begin < 0:
            break
        found = _records(text[begin:], depth, packed)
        if found.events:
            return found._replace(words=found.words or TEXT, path=None) if begin else found
        whole = whole if found.is_damaged else min(whole, begin)
        begin = text.find(b"{", begin + 1, PREFIX_BYTES)
    return Found((), is_damaged=is_part(text) or _CUT.search(text, 0, whole) is not None or holds(text[:whole], WORTH))


def is_part(text: bytes) -> bool:
    """Whether a record that is no event has something of one in it: a program's other messages are no damage, a crash's zeros are."""
    return any(word in text for word in _PART) or _ZEROS in text


def _unquoted(text: bytes) -> bytes:
    """The JSON in a line of CSV, in which a quote is written twice."""
    return text[text.find(b"{") : text.rfind(b"}") + 1].replace(b'""', b'"')


def _out_of_csv(line: bytes) -> list[bytes]:
    raw = _unquoted(line)
    return [raw] if raw.startswith(BARE) else []


def _records(text: bytes, depth: int, packed: PackedText) -> Found:
    """The events of JSON; damage where it is not whole."""
    try:
        document = decode_json(text)
    except UnreadableError:
        return _several(text, depth, packed)
    events: list[bytes] = []
    paths: list[Path] = []
    places: list[int] = []
    for found, path in _search(document, (), depth, packed):
        if found is DAMAGE:
            places.append(len(events))
            continue
        events.append(found)
        paths.append(path)
    words = ".".join(part for part in paths[0] if part != "*") if paths else ""
    return Found(
        events,
        f"in {words}" if words else "in an array" if paths and paths[0] else "in quotes" if isinstance(document, str) else "",
        # of events that lie in several places none leads to all
        path=paths[0] if len(set(paths)) == 1 else None,
        places=places,
    )


def _several(text: bytes, depth: int, packed: PackedText) -> Found:
    """Records one after the other without anything in between, as Firehose writes them."""
    events: list[bytes] = []
    is_damaged, count = False, 0
    try:
        for one in split_json(text):
            count += 1
            if len(one) == len(text):
                is_damaged = True  # it is one, and cannot be read
                break
            events += unwrap(bytes(one), depth + 1, packed).events
    except UnreadableError:
        is_damaged = True
        if count == 1 and events and _BEHIND.fullmatch(text, len(one)):
            return Found(events, AROUND)
    # an event with half of another behind it is a line that was cut: which half is whose nobody knows
    if is_damaged and count < 2:
        return Found((), is_damaged=True)
    return Found(events, "several in a line", is_damaged)


def _search(node: Any, path: Path, depth: int, packed: PackedText) -> Iterator[tuple[bytes, Path]]:
    """(event, path to it) in a decoded record."""
    if depth > DEPTH:
        return
    if isinstance(node, dict):
        if is_event(node):
            yield _encode(node), path
        elif not node.keys().isdisjoint(PAYLOADS):
            if (made := event_of_google(node)) is not None:
                yield _encode(made), (*path, "protoPayload")
        elif (made := event_of_fields(node)) is not None:
            yield _encode(made), (*path, "AKSAudit" if "AuditId" in node else COLUMNS)
        elif "kvlistValue" in node:
            yield from _search(plain(node), (*path, "kvlistValue"), depth + 1, packed)
        elif rows := list(rows_of(node)):
            yield from _search(rows, (*path, COLUMNS), depth + 1, packed)
        else:
            for name, child in node.items():
                yield from _search(child, (*path, str(name)), depth + 1, packed)
    elif isinstance(node, list):
        if node and all(isinstance(byte, int) and 0 <= byte < 256 for byte in node[:64]):
            raw = _as_bytes(node)
            for event in _within(raw, depth, packed):
                yield event, (*path, "*")
            return
        if node and (record := record_of_pairs(node)) is not None:
            yield from _search(record, (*path, COLUMNS), depth + 1, packed)
            return
        for child in node:
            yield from _search(child, (*path, "*"), depth + 1, packed)
    elif isinstance(node, str) and node.startswith(PACKED):
        with packed.opened(node) as raw:
            found = list(_within(raw, depth, packed))
        for event in found:
            yield event, (*path, "*")
    elif isinstance(node, str) and is_encoded(node):
        for event in _within(decoded(node.encode()), depth, packed):
            yield event, path
    elif isinstance(node, str) and "{" in node:
        raw = node.encode("utf-8", "surrogatepass")
        if is_worth(raw):
            for event in _within(raw, depth, packed):
                yield event, path


def _as_bytes(numbers: list[Any]) -> bytes:
    """journald writes what is no plain text as numbers."""
    try:
        return bytes(numbers)
    except (ValueError, TypeError):
        return b""


class Envelope:
    """How the events of one file are wrapped; `feed` gives those of each line."""

    def __init__(self, note_damage: Callable[[], None] = lambda: None) -> None:
        self._note_damage = note_damage
        self._parts = bytearray()
        self._is_text = False
        self._way: Callable[[bytes], list[bytes]] | None = None  # what cuts events out of a record like the last one
        self._one: Callable[[bytes], bytes] | None = None  # and what cuts it out where it is the only one
        self._way_words = ""
        self.words: dict[str, int] = {}  # how events were wrapped → how many

    def feed(self, line: bytes) -> Iterable[bytes]:
        """The events of a line of a file, each a bare line."""
        if line.startswith(BARE) and not self._parts:
            self._count("", 1)
            return (line,)
        if self._is_text and not self._parts:
            begin = line.find(BARE, 0, PREFIX_BYTES)
            if begin > 0 and line.find(b" P ", 0, begin) < 0:
                end = line.rfind(b"}") + 1
                if _BEHIND.fullmatch(line, end):
                    self._count(TEXT if line.endswith((b"}", b"}\n")) else AROUND, 1)
                    return (line[begin:end],)
        if (
            self._one is not None
            and not self._parts
            and line.startswith(b"{")
            and (event := self._one(line))
            # of docker's records, only one that ends a line is no part of one
            and (event.endswith(b"\n") or not line.startswith(_DOCKER))
        ):
            self.words[self._way_words] += 1
            return (event,)
        whole = self._joined(line)
        return () if whole is None else self.record(whole, "" if whole is line else TEXT)

    def record(self, record: bytes, words: str = "") -> Iterable[bytes]:
        """The events of a record that is whole; `words` say how it was wrapped itself. Damage is noted where it is among them."""
        if record.startswith(BARE):
            self._count(words, 1)
            self._is_text = words == TEXT
            return (record,)
        if self._one is not None and (event := self._one(record)):
            self.words[self._way_words] += 1
            return (event,)
        # there may be more in it than in the last one
        if self._way is not None and (events := self._way(record)) and record.count(RECEIVED) <= len(events):
            self.words[self._way_words] += len(events)
            return events
        found = unwrap(record)
        if found.is_damaged and not found.events:
            self._note_damage()
        if found.events:
            words = found.words or words
            self._count(words, len(found.events))
            if found.path or words == CSV:
                self._learn(found.path, words, record)
            self._is_text = words in {TEXT, AROUND}
        return self._noting(found) if found.is_damaged and found.events else found.events

    def _learn(self, path: Path | None, words: str, record: bytes) -> None:
        """Remembers where in a record the events were; no path is that of CSV."""
        self._way_words, self._way, self._one = words, None, None
        if path is None:
            self._way = _out_of_csv
        elif _REMADE.isdisjoint(path):
            self._way, self._one = way(path, unwrap), one_way(path, record)

    def _noting(self, found: Found) -> Iterator[bytes]:
        """The events of a record that is damaged: at that place, or, where that is not known, around all of them."""
        for event in found.marked():
            if event is DAMAGE:
                self._note_damage()
            else:
                yield event

    def _count(self, words: str, count: int) -> None:
        self.words[words] = self.words.get(words, 0) + count

    def _joined(self, line: bytes) -> bytes | None:
        """A line that came in parts, once its last one is there; None before."""
        if line.startswith(_DOCKER):
            return self._docker(line)
        if not line.startswith(b"{") and (tag := _CRI.match(line)) is not None:
            text = line[tag.end() :].rstrip(b"\r\n")
            if tag[1] == b"P" or self._parts:
                self._parts += text
                if len(self._parts) > PARTIAL_BYTES:
                    self._parts.clear()
                    self._note_damage()
                if tag[1] == b"P":
                    return None
                text = bytes(self._parts)
                self._parts.clear()
            return text if tag[1] == b"F" and not is_worth(line[: tag.end()]) and text.startswith(b"{") else line
        return line

    def _docker(self, line: bytes) -> bytes | None:
        if not self._parts and _ends_line(line):
            return line
        try:
            record = decode_json(line)
        except UnreadableError:
            return line
        text = record.get("log") if isinstance(record, dict) else None
        if not isinstance(text, str) or (text.endswith("\n") and not self._parts):
            return line
        self._parts += text.encode("utf-8", "surrogatepass")
        if not text.endswith("\n") and len(self._parts) < PARTIAL_BYTES:
            # whether more comes the next line says; one that is whole needs no more
            if not self._parts.rstrip().endswith(b"}"):
                return None
            try:
                decode_json(bytes(self._parts))
            except UnreadableError:
                return None
        whole = bytes(self._parts)
        self._parts.clear()
        return whole

    def close(self) -> None:
        """Says that no line follows."""
        if self._parts:
            self._note_damage()
            self._parts.clear()


def _ends_line(line: bytes) -> bool:
    """Whether the text in a record of docker ends with a newline, as that of a line or its last part does."""
    # the only quote without a backslash before it ends the text
    end = line.find(_DOCKER_END, max(0, len(line) - _DOCKER_REST))
    # after another backslash it is no newline, but the letter of one in a value of the event, which goes on
    return end >= 0 and (line[end - 1 : end] != b"\\" or (end - len(line[:end].rstrip(b"\\"))) % 2 == 0)
