"""Audit logs of the API server: who wrote which key when, who deleted which object, and what was refused.

What it reads
    JSON lines as kube-apiserver writes them, plain or gzip, rotated sets in any order, folders of them, standard input, and
    the EventLists of webhook backends.
Coverage
    From the first event of the set to the last, for what the policy's levels show: at RequestResponse whole maps, at
    Request what was asked for, at Metadata only that somebody wrote. What a level hides is a gap and is said.
When it is wrong
    When a policy drops requests without a trace (level None), which no log can tell.
Source
    k8s.io/apiserver v0.37 pkg/apis/audit/v1 types.go; field order as encoding/json writes the struct
"""

from __future__ import annotations

import itertools
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ghostkey.foreign import UnreadableError, decode_json, json_list
from ghostkey.model.errors import SourceDamaged, place_of
from ghostkey.model.history import (
    CREATED,
    DELETED,
    DELETING,
    MISSED_DELETE,
    REFUSED_DELETE,
    REFUSED_SET,
    RELEASED,
    SET,
    Covered,
    HistoryEvent,
    KeyEvent,
    SubjectEvent,
    Writer,
    microseconds,
)
from ghostkey.sources._values import look, may_hold_maps
from ghostkey.sources.history.audit.event import (
    RECEIVED,
    UNREADABLE,
    Event,
    Meta,
    Object,
    Reference,
    content_of,
    decode_event,
    decode_merge_patch,
    decode_object,
    decode_pairs,
    patched,
    patched_by,
    received,
)
from ghostkey.sources.history.audit.files import Piece, divided, in_order, lines
from ghostkey.sources.history.common import REVISION_DIGITS, common_beginning, common_end, entries_at, paths_for, revision_of
from ghostkey.sources.history.states import Facts, KeyedHash, MapStates, is_nested
from ghostkey.store.history import Parts

if TYPE_CHECKING:
    from ghostkey.sources.history.audit.shares import Handover

ORIGIN = "audit"
HEAD_BYTES = 4_000  # from the beginning to the end of objectRef: user, groups and agent lie between
META_BYTES = 1_000  # of an object's name, namespace, uid, resourceVersion and timestamps, which come first
HEADS_KEPT = 10_000
RAW_BYTES = 64 << 20
LARGE_LINE_BYTES = 16 << 10
COMMA, QUOTE, Z = b',"Z'
Holder = tuple[str, str, str]
MAPS = {"configmaps", "secrets"}
# written without end and no subject of any key
IGNORED = {"events", "leases", "endpoints", "endpointslices", "tokenreviews", "subjectaccessreviews",
           "selfsubjectaccessreviews", "selfsubjectreviews", "localsubjectaccessreviews", "selfsubjectrulesreviews"}  # fmt: skip
IGNORED_SUBRESOURCES = {"status", "scale", "token", "log", "exec", "attach", "portforward", "proxy", "binding", "eviction"}
# how kube-apiserver begins a line; another writer's lines are decoded
_LINE = b'{"kind":"Event","'
_FULL = b'{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"'
_ID_END = len(_FULL) + 36
_REQUEST = b',"requestObject":'
_RESPONSE = b',"responseObject":{'
_VERB = b'"verb":"'
_DATA = b'},"data":{'
_REFERENCE = b'"objectRef":{"resource":"'
_VERSION = b'"resourceVersion":"'
_DELETION = b'"deletionTimestamp"'
_MAPS = {b"configmaps", b"secrets"}
_CHANGES = {b"upd", b"pat"}
_READS = {b"get", b"lis", b"wat"}
_NULL = re.compile(rb":\s*null\b")
_ONE = b'{"data":{'
# how far what is looked for lies from where its mark begins
TO_REQUEST, TO_DATA, TO_VERSION, TO_TIME, TO_ENTRY = len(_REQUEST), len(_DATA) - 1, len(_VERSION), len(RECEIVED), len(_ONE)
ID_BEGIN = len(_FULL)
_number = int.from_bytes
_new = tuple.__new__  # a named tuple's own constructor takes four times as long


DECODE, READ, ELSEWHERE = range(3)  # sorts of line; ELSEWHERE changes what is no map


class UndecidedError(Exception):
    """A share of the log cannot be read without what came before it."""


class _Map:
    """A ConfigMap as last seen: the JSON of its data, None when that is not known, and the facts of its keys."""

    __slots__ = ("holder", "keys", "raw")

    def __init__(self, holder: Holder) -> None:
        self.holder = holder
        self.raw: bytes | None = None
        self.keys: dict[str, Facts] | None = None  # None when there are maps within its values


class Head(NamedTuple):
    """What a line says before its objects, apart from its audit id: the same for all writes of one writer to one map."""

    map: _Map
    writer: Writer
    is_patch: bool


class AuditLog:
    """Source of the events of one set of audit logs."""

    origin = ORIGIN

    def __init__(
        self,
        paths: Iterable[str | Path],
        digest: KeyedHash,
        fields: Iterable[tuple[str, str]] = (),
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._paths = [Path(path) for path in paths]
        self._fields = list(fields)  # (qualified resource or a word for it, path of a map-valued field)
        self._digest, self._hashing = digest, digest.copy
        self._states = MapStates(ORIGIN, digest)
        self.bytes = 0
        self._progress = progress
        self._first: int | None = None
        self._last: int | None = None
        self._gaps: dict[tuple[str, str, str], list[int | None]] = {}
        self._maps: dict[Holder, _Map] = {}
        self._raw_bytes = 0
        self._seconds: dict[bytes, int | None] = {}
        self._heads: dict[bytes, Head | int] = {}
        self._passed = b""  # the last line that was not decoded
        self._damaged = 0
        self._told: tuple[Holder, bool] | None = None  # the map of the line that was decoded, and whether all of it is known now
        self._applied: dict[tuple[str, str, str, str], set[tuple[str, str]]] = {}  # what each manager applied last

    def events(self, parts: Parts | None = None, processes: int = 1) -> Iterator[HistoryEvent]:
        """KeyEvents and SubjectEvents in the order of the log, then Covered of it and of its gaps.

        With several processes and `parts` to write to, what the helpers read goes there, and only the rest is yielded.
        Raises SourceDamaged when a path does not exist or nothing in it is an audit event.
        """
        shares = divided(in_order(self._paths), 1 if parts is None or self._fields else processes)
        if len(shares) > 1 and parts is not None:
            from ghostkey.sources.history.audit.shares import read_shared

            yield from read_shared(self, shares, self._digest, parts)
        else:
            for share in shares:
                yield from self.read(share)
        yield from self._covered()

    def read(self, pieces: Iterable[Piece]) -> Iterator[HistoryEvent]:
        """The events of some pieces of the log."""
        for piece in pieces:
            yield from itertools.chain.from_iterable(map(self._safely, lines(piece, self._note_damage, self._note_bytes)))
        if self._passed:
            self._cover(received(self._passed))

    def can_join(self, handover: Handover) -> bool:
        """Whether what was read of a later share is what this would have read.

        A document in a value that was a map once is still one when it shrinks, and who does not know that sees none.
        """
        return all(self._states.nested(holder) <= places for holder, places in handover.nested.items())

    def join(self, handover: Handover) -> Iterator[HistoryEvent]:
        """The events that were held back in a later share; then this knows what its reader knew."""
        for held in handover.held:
            if isinstance(held, tuple):
                yield from self.gone(*held)
            elif held.is_apply:
                yield from self._released_by(held.line)
            else:
                yield from self._events(held.line)
        for holder, state in handover.states.items():
            self._forget(holder)
            self._states.adopt(holder, state)
        self._applied |= handover.applied
        self._cover(handover.first)
        self._cover(handover.last)
        for (kind, namespace, why), span in handover.gaps.items():
            for at in span:
                self._gap(kind, namespace, why, at)
        self._damaged += handover.damaged
        self._states.forgotten += handover.forgotten
        self._note_bytes(handover.bytes)

    def _covered(self) -> Iterator[Covered]:
        if self._first is None:
            raise SourceDamaged(
                f"no audit events in {', '.join(map(str, self._paths))}", "give the file of --audit-log-path, or a folder of them"
            )
        yield Covered(ORIGIN, "*", "*", self._first, self._last, None, None, False, "")
        for (kind, namespace, why), (since, until) in self._gaps.items():
            yield Covered(ORIGIN, kind, namespace, since, until, None, None, True, why)
        if self._damaged:
            yield Covered(
                ORIGIN, "*", "*", self._first, self._last, None, None, True, f"{self._damaged} lines are no audit events"
            )
        if self._states.forgotten:
            why = f"{self._states.forgotten} maps were seen again after being forgotten: more maps than are remembered"
            yield Covered(ORIGIN, "*", "*", self._first, self._last, None, None, True, why)

    def _note_bytes(self, count: int) -> None:
        self.bytes += count
        self._progress(f"read {self.bytes >> 20:,} MB of audit logs")

    def _note_damage(self) -> None:
        self._damaged += 1

    # lines

    def _line(self, line: bytes) -> Iterator[HistoryEvent]:
        try:
            event = decode_event(line)
        except UNREADABLE:
            yield from self._odd(line)
            return
        if event.stage:
            yield from self._event(event)
        else:
            yield from self._odd(line)

    def _cover(self, at: int | None) -> None:
        if at is None:
            return
        if self._first is None or at < self._first:
            self._first = at
        if self._last is None or at > self._last:
            self._last = at

    def _odd(self, line: bytes) -> Iterator[HistoryEvent]:
        """An EventList of a webhook, or a line that is damaged."""
        if not line.strip():
            return
        try:
            found = json_list(line)
        except UnreadableError:
            found = None
        if found is None:
            self._damaged += 1
            return
        for item in found.items:
            try:
                event = decode_event(item)
            except UNREADABLE:
                self._damaged += 1
                continue
            yield from self._event(event)

    def _event(self, event: Event) -> Iterator[HistoryEvent]:
        at = microseconds(event.request_received_timestamp)
        self._cover(at)
        reference, status = event.object_ref, event.response_status
        if event.stage != "ResponseComplete" or reference is None or reference.subresource in IGNORED_SUBRESOURCES:
            return
        if reference.resource in IGNORED or event.verb not in {"create", "update", "patch", "delete", "deletecollection"}:
            return
        query = event.request_uri.partition("?")[2]
        if "dryRun=" in query:
            return
        writer = self._writer(event, query)
        code = status.code if status else 0
        qualified = f"{reference.resource}.{reference.api_group}" if reference.api_group else reference.resource
        is_map = qualified in MAPS
        fields = paths_for(self._fields, qualified)
        if code >= 400:
            if is_map:
                yield from self._refused(event, qualified, at, writer)
            return
        found = self._object(event.response_object)
        if event.verb == "deletecollection":
            yield from self._collection(found, qualified, reference, at, writer)
            return
        if (
            not is_map
            and not fields
            and event.verb in {"update", "patch"}
            and b"deletionTimestamp" not in bytes(event.response_object)
        ):
            return
        meta = found.metadata if found else Meta()
        asked = self._object(event.request_object) if not meta.name and event.verb == "create" else None
        name = meta.name or reference.name or (asked.metadata.name if asked else "")
        namespace = meta.namespace or reference.namespace
        holder = (qualified, namespace, name)
        revision = revision_of(meta.resource_version)
        yield from self._subject(event.verb, qualified, namespace, name, reference, found, at, revision, writer)
        if is_map and name:
            yield from self._map(event, holder, found, at, revision, writer)
        for path in fields:
            yield from self._field(event, holder, path, at, revision, writer)
        if fields and not is_map and event.verb == "delete" and not meta.finalizers:
            yield from self._states.gone(holder, at, revision, writer)

    @staticmethod
    def _object(raw: msgspec.Raw) -> Object | None:
        if not bytes(raw):
            return None
        try:
            return decode_object(raw)
        except UNREADABLE:
            return None

    @staticmethod
    def _writer(event: Event, query: str) -> Writer:
        manager = ""
        if "fieldManager=" in query:
            manager = urllib.parse.parse_qs(query).get("fieldManager", [""])[0]
        user = event.impersonated_user or event.user
        return Writer(
            user.username,
            manager or event.user_agent.partition("/")[0],
            event.user_agent,
            event.source_ips[0] if event.source_ips else "",
            event.audit_id,
            event.verb,
        )

    # subjects

    def _subject(
        self,
        verb: str,
        kind: str,
        namespace: str,
        name: str,
        reference: Reference,
        found: Object | None,
        at: int | None,
        revision: int | None,
        writer: Writer,
    ) -> Iterator[SubjectEvent]:
        meta = found.metadata if found and found.kind != "Status" else Meta()
        # what has no finalizers is answered by a Status about it
        uid = meta.uid or reference.uid or (found.details.uid if found and found.details else "")
        # finalizers that are left keep it: it begins to be deleted, and ends when the last one goes
        waits = bool(meta.deletion_timestamp and meta.finalizers)
        if verb == "create":
            op = CREATED
        elif verb == "delete":
            op = DELETING if waits else DELETED
        elif meta.deletion_timestamp and not waits:
            op = DELETED
        else:
            return
        yield SubjectEvent(at, revision, kind, namespace, name, uid, op, *writer, ORIGIN, False)

    def _collection(
        self, found: Object | None, kind: str, reference: Reference, at: int | None, writer: Writer
    ) -> Iterator[HistoryEvent]:
        """deletecollection: the response lists what was deleted, at levels that show responses."""
        items = found.items if found and found.items else None
        if items is None:
            self._gap(kind, reference.namespace or "*", "a deletecollection whose response is not in the log", at)
            return
        for item in items:
            try:
                one = msgspec.convert(item, Object)
            except msgspec.ValidationError:
                continue
            meta = one.metadata
            op = DELETING if meta.finalizers else DELETED
            revision = revision_of(meta.resource_version)
            yield SubjectEvent(at, revision, kind, meta.namespace, meta.name, meta.uid, op, *writer, ORIGIN, False)
            if kind in MAPS and op == DELETED:
                yield from self.gone((kind, meta.namespace, meta.name), at, revision, writer)

    # maps

    def gone(self, holder: Holder, at: int | None, revision: int | None, writer: Writer) -> Iterator[KeyEvent]:
        """KeyEvents of a map that is deleted with all its keys."""
        self._forget(holder)
        yield from self._states.gone(holder, at, revision, writer)

    def _map(
        self,
        event: Event,
        holder: tuple[str, str, str],
        found: Object | None,
        at: int | None,
        revision: int | None,
        writer: Writer,
    ) -> Iterator[HistoryEvent]:
        self._forget(holder)
        shown = found if found is not None and found.kind != "Status" and found.metadata.uid else None
        waits = bool(found and found.metadata.finalizers)
        is_deletion = event.verb == "delete" or bool(shown and shown.metadata.deletion_timestamp and not waits)
        self._told = holder, shown is not None or event.verb != "patch"
        if is_deletion:
            if not waits:
                yield from self._states.gone(holder, at, revision, writer)
        elif shown is not None:
            yield from self._shown(event, holder, shown, at, revision, writer)
        else:
            yield from self._asked(event, holder, at, revision, writer)

    def _shown(
        self,
        event: Event,
        holder: tuple[str, str, str],
        found: Object,
        at: int | None,
        revision: int | None,
        writer: Writer,
    ) -> Iterator[HistoryEvent]:
        """The whole map after the write, as the response shows it."""
        is_new, is_known = event.verb == "create", self._states.known(holder)
        absent = self._absent(event.request_object, holder) if is_known else []
        content = content_of(holder[0], found)
        yield from self._states.changes(holder, content, at, revision, writer, is_new=is_new)
        if holder[0] == "configmaps" and found.data and not found.binary_data:
            self._remember(holder, bytes(event.response_object), found.data)
        yield from self._missed(absent, holder, content, at, revision, writer)
        body = bytes(event.request_object)
        if event.verb == "patch" and b'"apiVersion"' in body:
            yield from self._released(body, holder, content, at, revision, writer)

    def _asked(
        self, event: Event, holder: tuple[str, str, str], at: int | None, revision: int | None, writer: Writer
    ) -> Iterator[HistoryEvent]:
        """What the request alone shows, at level Request; at Metadata nothing but that there was a write."""
        body = bytes(event.request_object)
        if event.verb in {"create", "update"} and (whole := self._object(event.request_object)) is not None:
            yield from self._states.changes(
                holder, content_of(holder[0], whole), at, revision, writer, is_new=event.verb == "create"
            )
            return
        changed = patched(body, holder[0]) if body else None
        if changed is not None:
            for field, values in changed.items():
                yield from self._states.patch(holder, field, values, at, revision, writer)
            return
        self._states.forget(holder)
        self._gap(holder[0], holder[1], f"level {event.level} does not show what {event.verb} changed", at)

    def _absent(self, request: msgspec.Raw, holder: Holder) -> list[tuple[str, str]]:
        """Keys that the request removes and that are not there, as (field, key)."""
        body = bytes(request)
        if not _NULL.search(body) and b'"remove"' not in body:
            return []
        return self._not_there(holder, patched(body, holder[0]) or {})

    def _not_there(self, holder: Holder, changed: Mapping[str, Mapping[str, object]]) -> list[tuple[str, str]]:
        return [
            (field, key)
            for field, values in changed.items()
            for key, value in values.items()
            if value is None and key not in self._states.keys(holder, field)
        ]

    def _missed(
        self,
        absent: Iterable[tuple[str, str]],
        holder: tuple[str, str, str],
        content: Mapping[str, Mapping[str, object]],
        at: int | None,
        revision: int | None,
        writer: Writer,
    ) -> Iterator[KeyEvent]:
        """Removals of keys that were not there: a no-op to the API server, and the trace of a wrong name to us."""
        for field, key in absent:
            if key not in content.get(field, {}):
                yield KeyEvent(
                    at, revision, *holder, field, "", key, MISSED_DELETE, -1, 0, "", 0, 0, *writer, "", ORIGIN, False
                )  # fmt: skip

    def _released(
        self,
        body: bytes,
        holder: Holder,
        content: Mapping[str, Mapping[str, object]],
        at: int | None,
        revision: int | None,
        writer: Writer,
    ) -> Iterator[KeyEvent]:
        """Keys that a server-side apply of this manager no longer has, and that stay: another manager owns them too."""
        applied = self._object(msgspec.Raw(body))
        if applied is None or not applied.kind or not applied.metadata.name:
            return  # no apply configuration, which names its kind and itself
        place = (*holder, writer.manager)
        now = {("data", key) for key in applied.data or ()} | {("binaryData", key) for key in applied.binary_data or ()}
        for field, key in sorted(self._applied.get(place, set()) - now):
            if key in content.get(field, {}):
                yield KeyEvent(
                    at, revision, *holder, field, "", key, RELEASED, -1, 0, "", 0, 0, *writer, "", ORIGIN, False
                )  # fmt: skip
        self._applied[place] = now

    def _released_by(self, line: bytes) -> Iterator[KeyEvent]:
        """As `_released`, of a line of which the rest is known."""
        event = decode_event(line)
        found, reference = self._object(event.response_object), event.object_ref
        if found is not None and reference is not None:
            meta = found.metadata
            holder = (reference.resource, meta.namespace or reference.namespace, meta.name or reference.name)
            at, revision = microseconds(event.request_received_timestamp), revision_of(meta.resource_version)
            writer = self._writer(event, event.request_uri.partition("?")[2])
            yield from self._released(bytes(event.request_object), holder, content_of(holder[0], found), at, revision, writer)

    def _refused(self, event: Event, kind: str, at: int | None, writer: Writer) -> Iterator[KeyEvent]:
        """A write that the API server refused, key by key where the request shows them."""
        reference, status = event.object_ref, event.response_status
        assert reference is not None
        assert status is not None
        if status.code == 404 and event.verb == "delete":
            return
        error = f"{status.code} {status.reason}: {status.message}"[:300]
        holder = (kind, reference.namespace, reference.name)
        changed = patched(bytes(event.request_object), kind) if event.verb == "patch" else None
        pairs = [(field, key, value) for field, values in (changed or {}).items() for key, value in values.items()]
        for field, key, value in pairs or [("data", "", b"")]:
            op = REFUSED_DELETE if value is None or event.verb == "delete" else REFUSED_SET
            yield KeyEvent(
                at, None, *holder, field, "", key, op, -1 if value is None else len(value), 0, "", 0, 0, *writer, error, ORIGIN,
                False,
            )  # fmt: skip

    def _field(
        self,
        event: Event,
        holder: tuple[str, str, str],
        path: str,
        at: int | None,
        revision: int | None,
        writer: Writer,
    ) -> Iterator[KeyEvent]:
        """A map-valued field of any other kind."""
        if event.verb == "delete":
            return  # the whole object goes, all its fields at once
        shown = bytes(event.response_object)
        try:
            entries = entries_at(decode_json(shown or bytes(event.request_object)), path)
        except UNREADABLE:
            self._gap(holder[0], holder[1], f"level {event.level} does not show {path}", at)
            return
        # an object that is shown and has no such field has an empty map
        if shown or entries is not None:
            is_new = event.verb == "create"
            yield from self._states.field_entries(holder, path, entries or {}, at, revision, writer, is_new=is_new)

    def _gap(self, kind: str, namespace: str, why: str, at: int | None) -> None:
        span = self._gaps.setdefault((kind, namespace, why), [at, at])
        if at is not None:
            span[0] = at if span[0] is None else min(span[0], at)
            span[1] = at if span[1] is None else max(span[1], at)

    def _safely(self, line: bytes) -> Sequence[HistoryEvent]:
        try:
            return self._events(line)
        except UndecidedError:
            raise
        except Exception as error:  # noqa: BLE001 (a stranger's line is behind it, and the rest of the log waits)
            self._gap("*", "*", f"a line could not be read: this is a bug in ghostkey: {place_of(error)}", received(line))
            return ()

    # lines that need not be decoded

    def _events(self, line: bytes) -> Sequence[HistoryEvent]:
        """The events of a line, which is decoded when looking at little of it is not enough.

        Most lines of a log are of no map, and most of the others change a key or two of a map that is known.
        """
        # a writer that writes to the same thing again begins its line alike, apart from the audit id
        request = line.find(_REQUEST, _ID_END, HEAD_BYTES)
        text = line[_ID_END:request]
        head: Head | int | None = self._heads.get(text)
        if head is None:
            if request < 0 or not line.startswith(_FULL):
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
        # an object that is being deleted may go by the write that takes its last finalizer
        if head == DECODE or (head == ELSEWHERE and _DELETION in line):
            return list(self._line(line))
        # its time only widens the coverage, and the next one's will too
        if self._first is None:
            self._cover(received(line))
        self._passed = line
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
        return DECODE if verb not in _CHANGES or place < len(_REFERENCE) or resource in _MAPS or self._fields else ELSEWHERE

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
            or reference.subresource or event.verb not in {"update", "patch"} or "dryRun=" in event.request_uri
            or not reference.name or (event.response_status and event.response_status.code >= 400)
        ):  # fmt: skip
            return DECODE
        writer = self._writer(event, event.request_uri.partition("?")[2])
        holder = ("configmaps", reference.namespace, reference.name)
        return Head(self._maps.setdefault(holder, _Map(holder)), writer, event.verb == "patch")

    def _change(self, line: bytes, request: int, head: Head) -> list[KeyEvent] | None:
        """The events of a write of a known ConfigMap, from the few bytes of its data that differ; None to decode it all.

        What is cut out is checked: it decodes as JSON of its type, and all around it is as it was, or the line is decoded.
        """
        known, writer, is_patch = head
        holder, before = known.holder, known.raw
        if before is None or not self._states.known(holder):
            return None
        response = line.find(_RESPONSE, request)
        version = line.find(_VERSION, response, response + META_BYTES)
        tail = line.rfind(RECEIVED)
        # managedFields may be as long as the data, which are about as long as they were
        start = line.find(_DATA, max(version, tail - len(before) - META_BYTES), tail)
        if start < 0:
            start = line.find(_DATA, version, tail)
        if (
            response < 0 or version < 0 or start < 0 or line[tail - 2 : tail] != b"}}"
            or line.find(_DELETION, version, response + META_BYTES) >= 0
        ):  # fmt: skip
            return None
        start += len(_DATA) - 1
        data = line[start : tail - 1]
        version += len(_VERSION)
        digits = line[version : line.find(b'"', version)]
        if not digits.isdigit() or len(digits) > REVISION_DIGITS:
            return None
        asked: dict[str, str | None] = {}
        document: object = None
        body = b""
        if is_patch:
            # the client's own bytes: a patch that has a responseObject in it is cut in two here, and does not decode
            body = line[request + len(_REQUEST) : response]
            try:
                asked = decode_merge_patch(body).data
            except UNREADABLE:
                try:
                    document = decode_json(body)
                except UNREADABLE:
                    return None
        changed = _predicted(before, data, asked) if len(asked) == 1 else None
        if changed is None:
            changed = _differing(before, data)
            if changed is None:
                return None
        known.raw = data
        self._raw_bytes += len(data) - len(before)
        at = received(line)
        self._cover(at)
        revision = int(digits)
        user, manager, agent, source_ip, _, verb = writer
        writer = _new(Writer, (user, manager, agent, source_ip, line[len(_FULL) : _ID_END].decode("ascii", "replace"), verb))
        removals = {"data": asked} if document is None else patched_by(document, holder[0]) or {}
        absent = self._not_there(holder, removals)
        events = self._states.patch(holder, "data", changed, at, revision, writer)
        known.keys = self._plain_keys(holder)
        content = {"data": self._states.keys(holder, "data")}
        events += self._missed(absent, holder, content, at, revision, writer)
        if isinstance(document, dict):
            events += self._released(body, holder, content, at, revision, writer)
        return events

    def _plain_keys(self, holder: Holder) -> dict[str, Facts] | None:
        """The facts of a map's keys, to be changed in place; None when there are maps within its values."""
        state = self._states.state(holder)
        return None if state is None or is_nested(state) else state.get(("data", ""))

    def _remember(self, holder: Holder, shown: bytes, pairs: Mapping[str, object]) -> None:
        """Keeps the JSON of a map's data, where it is the last thing in the object that was shown."""
        data = shown[shown.find(_DATA) + len(_DATA) - 1 : -1]
        try:
            if decode_pairs(data) != pairs:
                return
        except UNREADABLE:
            return
        known = self._maps.pop(holder, None) or _Map(holder)
        self._maps[holder] = known  # the newest comes last
        known.raw = data
        known.keys = self._plain_keys(holder)
        self._raw_bytes += len(data)
        for other in list(self._maps) if self._raw_bytes > RAW_BYTES else ():
            self._forget(other)
            if self._raw_bytes <= RAW_BYTES:
                break

    def _forget(self, holder: Holder) -> None:
        known = self._maps.get(holder)
        if known is not None and known.raw is not None:
            self._raw_bytes -= len(known.raw)
            known.raw = known.keys = None

    def _one_key(self, line: bytes, request: int, head: Head) -> list[KeyEvent] | None:
        """As `_change`, of a small line whose patch sets one key; None for another, or when anything is out of the ordinary.

        All in one piece: most lines are such, and each call would take as long as a step of it.
        """
        known, (user, manager, agent, source_ip, _, verb), is_patch = head
        before, keys = known.raw, known.keys
        response = line.find(_RESPONSE, request)
        version = line.find(_VERSION, response, response + META_BYTES)
        tail = line.rfind(RECEIVED)
        start = line.find(_DATA, version, tail) + TO_DATA
        if (
            before is None or keys is None or not is_patch or response < 0 or version < 0 or start < version
            or line[tail - 2 : tail] != b"}}" or line.find(_DELETION, version, start) >= 0
        ):  # fmt: skip
            return None
        body = line[request + TO_REQUEST : response]
        try:
            asked = decode_merge_patch(body).data
            ((key, value),) = asked.items()
            place = tail + TO_TIME
            fraction = int(line[place + 20 : place + 26])
            audit_id = line[ID_BEGIN:_ID_END].decode()
            version += TO_VERSION
            digits = line[version : line.find(b'"', version)]
            revision = int(digits)
        except (*UNREADABLE, ValueError):
            return None
        after, entry = line[start : tail - 1], body[TO_ENTRY:-2]
        colon = entry.find(b'":"') + 3
        if value is None or colon < 3 or entry[-1] != QUOTE or len(digits) > REVISION_DIGITS:
            return None
        # around the entry all must be as it was, and in its place nothing but the key as it was
        begin = after.find(entry)
        end = begin + len(entry)
        if begin < 1:
            return None
        held = keys.get(key)
        length = 0 if held is None else colon + held[1] + 1
        stop = begin + length
        # an entry goes with the comma after it, the last one with the comma before it
        if held is None:
            if after[end] == COMMA:
                end += 1
            elif after[begin - 1] == COMMA:
                begin -= 1
                stop = begin
        elif before[begin : begin + colon] != entry[:colon]:
            return None
        if before[:begin] != after[:begin] or before[stop:] != after[end:]:
            return None
        second = line[place : place + 19]
        at = self._seconds.get(second)
        if at is None:
            if len(self._seconds) > HEADS_KEPT:
                self._seconds.clear()
            at = self._seconds[second] = microseconds(second.decode("ascii", "replace") + "Z")
        shape, _, document = look(value, identify=False)
        if at is None or line[place + 26] != Z or shape.doubled or (document and may_hold_maps(document)):
            return None
        at += fraction
        if self._last is None or at > self._last:
            self._last = at
        known.raw = after
        self._raw_bytes += len(after) - len(before)
        raw = value.encode()
        hashing = self._hashing()
        hashing.update(raw)
        code, size = _number(hashing.digest(), "big") >> 1, len(raw)
        if held is None:
            appeared, grown = 1, size + len(key)
            self._states.grown()
        elif held[0] == code and held[1] == size:
            return []
        else:
            appeared, grown = 0, size - held[1]
        keys[key] = (code, size, shape.name)
        kind, namespace, map_name = known.holder
        return [
            _new(
                KeyEvent,
                (
                    at, revision, kind, namespace, map_name, "data", "", key, SET, size, code, shape.name, appeared, grown, user,
                    manager, agent, source_ip, audit_id, verb, "", ORIGIN, False,
                ),
            )
        ]  # fmt: skip


def _predicted(before: bytes, after: bytes, asked: Mapping[str, str | None]) -> dict[str, bytes | None] | None:
    """What changed, when it is just the one key that was asked for; None when it is not, or when that cannot be told."""
    ((key, value),) = asked.items()
    name = b'"' + key.encode("utf-8", "surrogatepass") + b'":'
    if value is None:
        begin = before.find(name)
        if begin < 0:
            return {} if before == after else None
        stop, end = begin + len(before) - len(after), begin
        # an entry goes with the comma after it, the last one with the comma before it
        if before[stop - 1 : stop] != b",":
            begin, stop, end = begin - 1, stop - 1, end - 1
    else:
        entry = name + msgspec.json.encode(value)
        begin = after.find(entry)
        end = begin + len(entry)
        if after[end : end + 1] == b",":
            end += 1
        elif after[begin - 1 : begin] == b",":
            begin -= 1
        stop = len(before) - (len(after) - end)
    if begin < 1 or stop < begin or not before.startswith(after[:begin]) or not before.endswith(after[end:]):
        return None
    # between what is the same on both sides there may be nothing but the key as it was, if it was there
    there = before[begin:stop]
    if there or value is None:
        try:
            if decode_pairs(b"{" + there.strip(b",") + b"}").keys() != asked.keys():
                return None
        except UNREADABLE:
            return None
    return {key: None if value is None else value.encode("utf-8", "surrogatepass")}


def _differing(before: bytes, after: bytes) -> dict[str, bytes | None] | None:
    """What changed from one JSON object of strings to the next: values, None for keys that went; None when it cannot be cut out.

    A cut falls between `"` and `,"`. Inside a string those bytes can stand as well, but then what is cut out begins in the
    middle of a string, a bare key follows, and it does not decode.
    """
    if before == after:
        return {}
    least = min(len(before), len(after))
    prefix = common_beginning(before, after, least)
    cut = before.rfind(b'","', 0, prefix)
    begin = cut + 2 if cut >= 0 else 1
    # the suffix may not reach into what is taken for the prefix
    suffix = common_end(before, after, least - begin, len(before), len(after))
    found = before.find(b'","', len(before) - suffix) if suffix else -1
    rest = len(before) - (found + 1) if found >= 0 else 1
    pieces = (before[begin : len(before) - rest], after[begin : len(after) - rest])
    try:
        old, new = (decode_pairs(b"{" + piece.strip(b",") + b"}") for piece in pieces)
    except UNREADABLE:
        return None
    changed: dict[str, bytes | None] = {key: None for key in old if key not in new}
    for key, value in new.items():
        if old.get(key) != value:
            changed[key] = value.encode("utf-8", "surrogatepass")
    return changed
