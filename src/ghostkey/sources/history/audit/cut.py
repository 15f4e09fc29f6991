"""Which lines of an audit log are decoded, told by how they begin.

Most lines of a log are of no map, and most of the others change a key or two of a map that is known (`changes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ghostkey.model.errors import place_of
from ghostkey.model.history import HistoryEvent
from ghostkey.sources.history.audit.changes import DELETION, FULL, ID_END, REQUEST, ChangeReader, Head
from ghostkey.sources.history.audit.credit import writer_of_event
from ghostkey.sources.history.audit.ended import FINALIZERS
from ghostkey.sources.history.audit.envelopes import unwrap
from ghostkey.sources.history.audit.event import UNREADABLE, decode_event, is_dry_run, received
from ghostkey.sources.history.common import MAPS
from ghostkey.sources.history.facts import KeyedHash

HEAD_BYTES = 4_000  # from the beginning to the end of objectRef: user, groups and agent lie between
HEADS_KEPT = 10_000
LARGE_LINE_BYTES = 16 << 10
_LINE = b'{"kind":"Event","'
# of a second event in a line; the first one's URI begins before that, and of all that each has none is found so quickly
_NEXT, _NEXT_BEGIN = b'"requestURI":"/', ID_END + 40
_VERB = b'"verb":"'
_REFERENCE = b'"objectRef":{"resource":"'
_FINALIZE = b'"subresource":"finalize"'
_MAPS = {word.encode() for word in MAPS}
_CHANGES = {b"upd", b"pat"}
_READS = {b"get", b"lis", b"wat"}

DECODE, READ, ELSEWHERE = range(3)  # sorts of line; ELSEWHERE changes what is no map


class UndecidedError(Exception):
    """A share of the log cannot be read without what came before it."""


class LineReader(ChangeReader):
    """A Reader of lines, each one bare event."""

    def __init__(self, digest: KeyedHash, fields: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(digest, fields)
        self._heads: dict[bytes, Head | int] = {}
        self.passed = b""  # the last line that was not decoded
        self._passed_over = 0
        self.blind.recent = lambda: received(self.passed) if self.passed else None

    def line(self, line: bytes) -> Sequence[HistoryEvent]:
        """The events of a line; a line that cannot be read, for whatever reason, is a gap and gives none."""
        try:
            return self._events(line)
        except UndecidedError:
            raise
        except Exception as error:  # noqa: BLE001 (a stranger's line is behind it, and the rest of the log waits)
            why = f"a line could not be read: this is a bug in ghostkey: {place_of(error)}"
            self.blind.gap("*", "*", why, received(line))
            return ()

    def note_passed(self) -> None:
        """Covers the time of the last line, where it was not decoded."""
        if self.passed:
            self.blind.cover(received(self.passed))

    def _line(self, line: bytes) -> Iterator[HistoryEvent]:
        try:
            event = decode_event(line)
        except UNREADABLE:
            yield from self._odd(line)
            return
        if event.stage:
            yield from self.event(event)
        else:
            yield from self._odd(line)

    def _odd(self, line: bytes) -> Iterator[HistoryEvent]:
        """Events in an envelope among bare ones, or a line that is damaged."""
        if not line.strip():
            return
        found = unwrap(line)
        if found.is_damaged:
            self.blind.damage()
        for one in found.events:
            try:
                event = decode_event(one)
            except UNREADABLE:
                self.blind.damage()
                continue
            yield from self.event(event)

    def _events(self, line: bytes) -> Sequence[HistoryEvent]:
        """The events of a line, which is decoded when looking at little of it is not enough.

        Most lines of a log are of no map, and most of the others change a key or two of a map that is known.
        """
        # a writer that writes to the same thing again begins its line alike, apart from the audit id
        request = line.find(REQUEST, ID_END, HEAD_BYTES)
        text = line[ID_END:request]
        head: Head | int | None = self._heads.get(text)
        if head is None:
            if request < 0 or not line.startswith(FULL):
                head = self._sort(line)
            else:
                if len(self._heads) > HEADS_KEPT:
                    self._heads.clear()
                head = self._heads[text] = self._head(line, text)
        if head.__class__ is Head:
            found = self._one_key(line, request, head) if len(line) < LARGE_LINE_BYTES else None
            if found is None:
                found = self._change(line, request, head)
            return list(self._line(line)) if found is None else found
        ended = self.ended
        # an object that is being deleted may go by the write that takes its last finalizer
        # and behind one that was cut the next one may stand
        if (
            head == DECODE
            or (
                head == ELSEWHERE
                and (
                    DELETION in line
                    or (FINALIZERS in line and ended.may_give_finalizers(line, ID_END, HEAD_BYTES))
                    or (ended.ends and ended.may_be_of(line, ID_END, HEAD_BYTES))
                )
            )
            or line.find(_NEXT, _NEXT_BEGIN) >= 0
        ):
            return list(self._line(line))
        # its time only widens the coverage, and the next one's will too
        self._passed_over += 1
        if self.blind.first is None or not self._passed_over & 0xFF:
            self.blind.cover(received(line))
        self.passed = line
        return ()

    def _sort(self, line: bytes) -> int:
        """What sort of request a line is of, told without decoding it."""
        place = line.find(_VERB, 0, HEAD_BYTES)
        if place < 0 or not line.startswith(_LINE):
            return DECODE
        verb = line[place + len(_VERB) : place + len(_VERB) + 3]
        if verb in _READS:
            return READ
        place = line.find(_REFERENCE, place, HEAD_BYTES) + len(_REFERENCE)
        resource = line[place : line.find(b'"', place)]
        if verb not in _CHANGES or place < len(_REFERENCE) or resource in _MAPS or self.fields:
            return DECODE
        return DECODE if line.find(_FINALIZE, place, HEAD_BYTES) >= 0 else ELSEWHERE

    def _head(self, line: bytes, text: bytes) -> Head | int:
        """What stands in a line from its audit id to its objects."""
        sort = self._sort(line)
        if sort != DECODE:
            return sort
        try:
            event = decode_event(b'{"auditID":"' + text + b"}")
        except UNREADABLE:
            return DECODE
        reference = event.object_ref
        if (
            event.stage != "ResponseComplete" or reference is None or reference.resource != "configmaps" or reference.api_group
            or reference.subresource or event.verb not in {"update", "patch"} or is_dry_run(event)
            or not reference.name or (event.response_status and event.response_status.is_failure)
        ):  # fmt: skip
            return DECODE
        writer = writer_of_event(event, event.request_uri.partition("?")[2])
        holder = ("configmaps", reference.namespace, reference.name)
        return Head(self.known_map(holder), writer, event.verb == "patch")
