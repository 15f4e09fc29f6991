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

import gzip
import io
import json
import re
import sys
import urllib.parse
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from ghostkey.model.errors import SourceDamaged
from ghostkey.model.history import (
    CREATED,
    DELETED,
    DELETING,
    MISSED_DELETE,
    REFUSED_DELETE,
    REFUSED_SET,
    RELEASED,
    Covered,
    HistoryEvent,
    KeyEvent,
    SubjectEvent,
    Writer,
    microseconds,
)
from ghostkey.sources._common import common_beginning, common_end, entries_at, paths_for, revision_of
from ghostkey.sources._states import FIELDS, Hash, MapStates, decoded

ORIGIN = "audit"
BUFFER_BYTES = 1 << 20
LINE_BYTES = 64 << 20  # an object is at most 1.5 MiB, and stands in an event twice, escaped
HEAD_END_BYTES = 3_000  # from the verb to the end of objectRef: user, groups and agent lie between
HEAD_BYTES = 128  # the kind comes first
LARGE_LINE_BYTES = 16 << 10  # from here on looking for the few bytes that changed beats decoding
TEXTS_KEPT = 1_000  # maps whose texts are kept, most of them of at most LARGE_LINE_BYTES
Texts = tuple[dict[str, Any], dict[str, Any]]  # data and binaryData as the API shows them
MAPS = {"configmaps", "secrets"}
# written without end and no subject of any key
IGNORED = {"events", "leases", "endpoints", "endpointslices", "tokenreviews", "subjectaccessreviews",
           "selfsubjectaccessreviews", "selfsubjectreviews", "localsubjectaccessreviews", "selfsubjectrulesreviews"}  # fmt: skip
IGNORED_SUBRESOURCES = {"status", "scale", "token", "log", "exec", "attach", "portforward", "proxy", "binding", "eviction"}
_REQUEST = b',"requestObject":'
_RESPONSE = b',"responseObject":{'
_RECEIVED = b',"requestReceivedTimestamp":"'
_VERB = b'"verb":"'
_DATA = b'},"data":{'
_REFERENCE = b'"objectRef":{'
_CHANGES = {b"upd", b"pat"}
_READS = {b"get", b"lis", b"wat"}
_NULL = re.compile(rb":\s*null\b")
_VERSION = re.compile(rb'"resourceVersion":"(\d+)"')


class _User(msgspec.Struct):
    username: str = ""


class _Reference(msgspec.Struct, rename="camel"):
    resource: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_group: str = ""
    subresource: str = ""


class _Status(msgspec.Struct):
    code: int = 0
    message: str = ""
    reason: str = ""


class _Event(msgspec.Struct, rename="camel"):
    """One audit event; the two objects stay bytes until they are needed."""

    level: str = ""
    audit_id: str = msgspec.field(name="auditID", default="")
    stage: str = ""
    request_uri: str = msgspec.field(name="requestURI", default="")
    verb: str = ""
    user: _User = msgspec.field(default_factory=_User)
    impersonated_user: _User | None = None
    source_ips: list[str] | None = msgspec.field(name="sourceIPs", default=None)
    user_agent: str = ""
    object_ref: _Reference | None = None
    response_status: _Status | None = None
    request_object: msgspec.Raw = msgspec.Raw()
    response_object: msgspec.Raw = msgspec.Raw()
    request_received_timestamp: str = ""


class _Meta(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    deletion_timestamp: str | None = None
    finalizers: list[str] | None = None


class _Details(msgspec.Struct):
    """Of a Status: which object it is about."""

    uid: str = ""


class _Object(msgspec.Struct, rename="camel"):
    """What is looked at of an object in a response."""

    kind: str = ""
    details: _Details | None = None
    metadata: _Meta = msgspec.field(default_factory=_Meta)
    data: dict[str, Any] | None = None
    binary_data: dict[str, Any] | None = None
    string_data: dict[str, Any] | None = None
    items: list[Any] | None = None


# everything that decoding hostile bytes raises
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_object = msgspec.json.Decoder(_Object).decode
_decode_pairs = msgspec.json.Decoder(dict[str, str]).decode


class AuditLog:
    """Source of the events of one set of audit logs."""

    origin = ORIGIN

    def __init__(
        self,
        paths: Iterable[str | Path],
        digest: Hash,
        fields: Iterable[tuple[str, str]] = (),
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._paths = [Path(path) for path in paths]
        self._fields = list(fields)  # (qualified resource or a word for it, path of a map-valued field)
        self._states = MapStates(ORIGIN, digest)
        self._progress = progress
        self._first: int | None = None
        self._last: int | None = None
        self._gaps: dict[tuple[str, str, str], list[int | None]] = {}
        self._raw: dict[tuple[str, str, str], bytes] = {}  # the data of large maps as last seen, to find what changed in it
        self._passed = b""  # the last line that was not decoded
        self._damaged = 0
        self._texts: OrderedDict[tuple[str, str, str], Texts] = OrderedDict()  # small maps as last seen
        self._applied: dict[tuple[str, str, str, str], set[tuple[str, str]]] = {}  # what each manager applied last

    def events(self) -> Iterator[HistoryEvent]:
        """KeyEvents and SubjectEvents in the order of the log, then Covered of it and of its gaps.

        Raises SourceDamaged when a path does not exist or nothing in it is an audit event.
        """
        count = 0
        for path in self._in_order():
            for line in _lines(path, self._note_damage):
                count += 1
                if count % 20_000 == 0:
                    self._progress(f"read {count:,} audit events")
                yield from self._line(line)
        if self._passed:
            self._see(self._passed)
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

    # files

    def _in_order(self) -> list[Path]:
        """The files of all paths, oldest first by their first event: rotation renames, so names do not tell."""
        files: list[Path] = []
        for path in self._paths:
            if str(path) == "-":
                files.append(path)
            elif path.is_dir():
                files += [file for file in sorted(path.rglob("*")) if file.is_file() and not file.name.startswith(".")]
            elif path.is_file():
                files.append(path)
            else:
                raise SourceDamaged(f"{path} does not exist", "name an audit log, or a folder of them")
        if len(files) < 2:
            return files
        return sorted(files, key=lambda file: _first_time(file) or sys.maxsize)

    def _note_damage(self) -> None:
        self._damaged += 1

    # lines

    def _line(self, line: bytes) -> Iterator[HistoryEvent]:
        if b'"EventList"' in line[:HEAD_BYTES]:
            yield from self._odd(line)
            return
        place = line.find(_VERB, 0, 4000)
        if place >= 0:
            verb = line[place + 8 : place + 11]
            if verb in _READS or (verb in _CHANGES and not self._fields and self._is_elsewhere(line, place)):
                # its time only widens the coverage, and the next one's will too
                if self._first is None:
                    self._see(line)
                self._passed = line
                return
        if len(line) > LARGE_LINE_BYTES and place >= 0 and b'"resource":"configmaps"' in line[place : place + 2000]:
            quick = self._large(line)
            if quick is not None:
                yield from quick
                return
        try:
            event = _decode_event(line)
        except UNREADABLE:
            yield from self._odd(line)
            return
        if event.stage:
            yield from self._event(event)
        else:
            yield from self._odd(line)

    @staticmethod
    def _is_elsewhere(line: bytes, place: int) -> bool:
        """Whether an update or patch is of no map, and of no object that is being deleted: most of a log is such."""
        begin = line.find(_REFERENCE, place, place + HEAD_END_BYTES)
        if begin < 0:
            return False
        head = line[begin : begin + 80]
        if b'"resource":"configmaps"' in head or b'"resource":"secrets"' in head:
            return False
        return b'"deletionTimestamp"' not in line

    def _see(self, line: bytes) -> None:
        """Widens the coverage by a line that is not decoded."""
        found = line.rfind(_RECEIVED)
        if found >= 0:
            begin = found + len(_RECEIVED)
            self._cover(microseconds(line[begin : line.find(b'"', begin)].decode("ascii", "replace")))

    def _cover(self, at: int | None) -> None:
        if at is None:
            return
        if self._first is None or at < self._first:
            self._first = at
        if self._last is None or at > self._last:
            self._last = at

    def _odd(self, line: bytes) -> Iterator[HistoryEvent]:
        """An EventList of a webhook, or a line that is damaged."""
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            self._damaged += 1
            return
        items = document.get("items") if isinstance(document, dict) else None
        if not isinstance(items, list):
            self._damaged += 1
            return
        for item in items:
            try:
                event = _decode_event(msgspec.json.encode(item))
            except (*UNREADABLE, TypeError):
                self._damaged += 1
                continue
            yield from self._event(event)

    def _event(self, event: _Event) -> Iterator[HistoryEvent]:
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
        meta = found.metadata if found else _Meta()
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

    @staticmethod
    def _object(raw: msgspec.Raw) -> _Object | None:
        if not bytes(raw):
            return None
        try:
            return _decode_object(raw)
        except UNREADABLE:
            return None

    @staticmethod
    def _writer(event: _Event, query: str) -> Writer:
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
        reference: _Reference,
        found: _Object | None,
        at: int | None,
        revision: int | None,
        writer: Writer,
    ) -> Iterator[SubjectEvent]:
        meta = found.metadata if found and found.kind != "Status" else _Meta()
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
        self, found: _Object | None, kind: str, reference: _Reference, at: int | None, writer: Writer
    ) -> Iterator[HistoryEvent]:
        """deletecollection: the response lists what was deleted, at levels that show responses."""
        items = found.items if found and found.items else None
        if items is None:
            self._gap(kind, reference.namespace or "*", "a deletecollection whose response is not in the log", at)
            return
        for item in items:
            try:
                one = msgspec.convert(item, _Object)
            except msgspec.ValidationError:
                continue
            meta = one.metadata
            op = DELETING if meta.finalizers else DELETED
            revision = revision_of(meta.resource_version)
            yield SubjectEvent(at, revision, kind, meta.namespace, meta.name, meta.uid, op, *writer, ORIGIN, False)
            if kind in MAPS and op == DELETED:
                self._texts.pop((kind, meta.namespace, meta.name), None)
                yield from self._states.gone((kind, meta.namespace, meta.name), at, revision, writer)

    # maps

    def _map(
        self,
        event: _Event,
        holder: tuple[str, str, str],
        found: _Object | None,
        at: int | None,
        revision: int | None,
        writer: Writer,
    ) -> Iterator[HistoryEvent]:
        self._raw.pop(holder, None)
        if event.verb == "delete":
            self._texts.pop(holder, None)
            if not (found and found.metadata.finalizers):
                yield from self._states.gone(holder, at, revision, writer)
            return
        if found is not None and found.kind != "Status" and found.metadata.uid:
            yield from self._shown(event, holder, found, at, revision, writer)
            return
        yield from self._asked(event, holder, at, revision, writer)

    def _shown(
        self,
        event: _Event,
        holder: tuple[str, str, str],
        found: _Object,
        at: int | None,
        revision: int | None,
        writer: Writer,
    ) -> Iterator[HistoryEvent]:
        """The whole map after the write, as the response shows it."""
        is_new, is_secret, is_known = event.verb == "create", holder[0] == "secrets", self._states.known(holder)
        texts: Texts = (found.data or {}, found.binary_data or {})
        before = self._texts.get(holder) if is_known and not is_new else None
        absent = self._absent(event.request_object, holder) if is_known else ()
        if before is None:
            yield from self._states.changes(holder, _content(holder[0], found), at, revision, writer, is_new=is_new)
        else:
            removed: set[tuple[str, str]] = set()
            # most writes change one key of many: texts are compared, and only what differs is looked at
            for field, old, now in zip(FIELDS, before, texts, strict=True):
                if old != now:
                    differing = {key: value for key, value in now.items() if old.get(key) != value}
                    changed: dict[str, bytes | None] = dict.fromkeys(key for key in old if key not in now)
                    changed.update(decoded(differing, is_base64=is_secret or field == "binaryData"))
                    yield from self._states.patch(holder, field, changed, at, revision, writer)
                    removed |= self._states.last_deleted
            self._states.last_deleted = removed
        self._texts[holder] = texts
        if len(self._texts) > TEXTS_KEPT:
            self._texts.popitem(last=False)
        if absent:
            yield from self._missed(absent, holder, dict(zip(FIELDS, texts, strict=True)), at, revision, writer)
        if event.verb == "patch" and b'"apiVersion"' in bytes(event.request_object):
            yield from self._released(event, holder, dict(zip(FIELDS, texts, strict=True)), at, revision, writer)

    def _asked(
        self, event: _Event, holder: tuple[str, str, str], at: int | None, revision: int | None, writer: Writer
    ) -> Iterator[HistoryEvent]:
        """What the request alone shows, at level Request; at Metadata nothing but that there was a write."""
        body = bytes(event.request_object)
        if event.verb in {"create", "update"} and (whole := self._object(event.request_object)) is not None:
            yield from self._states.changes(
                holder, _content(holder[0], whole), at, revision, writer, is_new=event.verb == "create"
            )
            return
        changed = _patched(body, holder[0]) if body else None
        if changed is not None:
            self._texts.pop(holder, None)
            for field, values in changed.items():
                yield from self._states.patch(holder, field, values, at, revision, writer)
            return
        self._states.forget(holder)
        self._texts.pop(holder, None)
        self._gap(holder[0], holder[1], f"level {event.level} does not show what {event.verb} changed", at)

    def _absent(self, request: msgspec.Raw, holder: tuple[str, str, str]) -> tuple[tuple[str, str], ...]:
        """Keys that the request removes, as (field, key)."""
        body = bytes(request)
        if not _NULL.search(body) and b'"remove"' not in body:
            return ()
        changed = _patched(body, holder[0]) or {}
        return tuple((field, key) for field, values in changed.items() for key, value in values.items() if value is None)

    def _missed(
        self,
        absent: tuple[tuple[str, str], ...],
        holder: tuple[str, str, str],
        content: Mapping[str, Mapping[str, object]],
        at: int | None,
        revision: int | None,
        writer: Writer,
    ) -> Iterator[KeyEvent]:
        """Removals of keys that were not there: a no-op to the API server, and the trace of a wrong name to us."""
        removed = self._states.last_deleted
        for field, key in absent:
            if (field, key) not in removed and key not in content.get(field, {}):
                yield KeyEvent(
                    at, revision, *holder, field, "", key, MISSED_DELETE, -1, 0, "", 0, 0, *writer, "", ORIGIN, False
                )  # fmt: skip

    def _released(
        self,
        event: _Event,
        holder: tuple[str, str, str],
        content: Mapping[str, Mapping[str, object]],
        at: int | None,
        revision: int | None,
        writer: Writer,
    ) -> Iterator[KeyEvent]:
        """Keys that a server-side apply of this manager no longer has, and that stay: another manager owns them too."""
        applied = self._object(event.request_object)
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

    def _refused(self, event: _Event, kind: str, at: int | None, writer: Writer) -> Iterator[KeyEvent]:
        """A write that the API server refused, key by key where the request shows them."""
        reference, status = event.object_ref, event.response_status
        assert reference is not None
        assert status is not None
        if status.code == 404 and event.verb == "delete":
            return
        error = f"{status.code} {status.reason}: {status.message}"[:300]
        holder = (kind, reference.namespace, reference.name)
        changed = _patched(bytes(event.request_object), kind) if event.verb == "patch" else None
        pairs = [(field, key, value) for field, values in (changed or {}).items() for key, value in values.items()]
        for field, key, value in pairs or [("data", "", b"")]:
            op = REFUSED_DELETE if value is None or event.verb == "delete" else REFUSED_SET
            yield KeyEvent(
                at, None, *holder, field, "", key, op, -1 if value is None else len(value), 0, "", 0, 0, *writer, error, ORIGIN,
                False,
            )  # fmt: skip

    def _field(
        self,
        event: _Event,
        holder: tuple[str, str, str],
        path: str,
        at: int | None,
        revision: int | None,
        writer: Writer,
    ) -> Iterator[KeyEvent]:
        """A map-valued field of any other kind."""
        if event.verb == "delete":
            return
        raw = bytes(event.response_object) or bytes(event.request_object)
        try:
            entries = entries_at(msgspec.json.decode(raw), path)
        except UNREADABLE:
            self._gap(holder[0], holder[1], f"level {event.level} does not show {path}", at)
            return
        if entries is not None or self._states.known(holder):
            is_new = event.verb == "create"
            yield from self._states.field_entries(holder, path, entries or {}, at, revision, writer, is_new=is_new)

    def _gap(self, kind: str, namespace: str, why: str, at: int | None) -> None:
        span = self._gaps.setdefault((kind, namespace, why), [at, at])
        if at is not None:
            span[0] = at if span[0] is None else min(span[0], at)
            span[1] = at if span[1] is None else max(span[1], at)

    # large lines

    def _large(self, line: bytes) -> list[HistoryEvent] | None:
        """The events of a write of a big ConfigMap, from the few bytes of its data that differ; None to decode it all.

        Everything is checked where it is cut: the parts decode as JSON of their types, or the whole line is decoded.
        """
        response = line.find(_RESPONSE)
        tail = line.rfind(_RECEIVED)
        # a patch that itself has a responseObject would be found first; decoding it all is not fooled
        if response < 0 or tail < response or line.find(_RESPONSE, response + 1, tail) >= 0:
            return None
        request = line.find(_REQUEST, 0, response)
        head_end = request if request >= 0 else response
        try:
            event = _decode_event(line[:head_end] + line[tail:])
        except UNREADABLE:
            return None
        reference = event.object_ref
        if (
            event.stage != "ResponseComplete" or reference is None or reference.resource != "configmaps" or reference.api_group
            or reference.subresource or event.verb not in {"update", "patch"} or "dryRun=" in event.request_uri
            or not reference.name or (event.response_status and event.response_status.code >= 400)
        ):  # fmt: skip
            return None
        holder = ("configmaps", reference.namespace, reference.name)
        start = line.find(_DATA, response, tail)
        version = _VERSION.search(line, response, response + 1000)
        if start < 0 or version is None or not line.startswith(b'}},"requestReceived', tail - 2):
            return None
        data = line[start + len(_DATA) - 1 : tail - 1]
        before = self._raw.get(holder)
        if before is None or not self._states.known(holder):
            self._raw[holder] = data
            self._texts.pop(holder, None)
            try:
                pairs = _decode_pairs(data)
            except UNREADABLE:
                del self._raw[holder]
                return None
            if b'"binaryData":{' in line[response:start]:
                del self._raw[holder]
                return None
            return self._whole(event, holder, pairs, int(version[1]), line[head_end:response])
        self._texts.pop(holder, None)
        window = _window(before, data)
        if window is None:
            del self._raw[holder]
            return None
        self._raw[holder] = data
        old, new = window
        changed: dict[str, bytes | None] = {key: None for key in old if key not in new}
        changed |= {key: value.encode("utf-8", "surrogatepass") for key, value in new.items() if old.get(key) != value}
        at = microseconds(event.request_received_timestamp)
        self._cover(at)
        writer = self._writer(event, event.request_uri.partition("?")[2])
        revision = int(version[1])
        events: list[HistoryEvent] = list(self._states.patch(holder, "data", changed, at, revision, writer))
        asked = line[head_end + len(_REQUEST) : response] if request >= 0 else b""
        if asked and len(asked) < LARGE_LINE_BYTES:
            absent = self._absent(msgspec.Raw(asked), holder)
            events += self._missed(absent, holder, {"data": self._states.keys(holder, "data")}, at, revision, writer)
        return events

    def _whole(
        self, event: _Event, holder: tuple[str, str, str], pairs: dict[str, str], revision: int, asked: bytes
    ) -> list[HistoryEvent]:
        at = microseconds(event.request_received_timestamp)
        self._cover(at)
        writer = self._writer(event, event.request_uri.partition("?")[2])
        before = self._states.known(holder)
        request = msgspec.Raw(asked[len(_REQUEST) :])
        absent = self._absent(request, holder) if before and asked else ()
        content = {"data": {key: value.encode("utf-8", "surrogatepass") for key, value in pairs.items()}}
        events: list[HistoryEvent] = list(self._states.changes(holder, content, at, revision, writer))
        events += self._missed(absent, holder, content, at, revision, writer)
        return events


def _window(before: bytes, after: bytes) -> tuple[dict[str, str], dict[str, str]] | None:
    """The entries of two JSON objects of strings that are not the same text in both; None when they cannot be cut out.

    A cut falls between `"` and `,"`. Inside a string those bytes can stand as well, but then what is cut out begins in the
    middle of a string, a bare key follows, and it does not decode.
    """
    if before == after:
        return {}, {}
    least = min(len(before), len(after))
    prefix = common_beginning(before, after, least)
    cut = before.rfind(b'","', 0, prefix)
    begin = cut + 2 if cut >= 0 else 1
    # the suffix may not reach into what is taken for the prefix
    suffix = common_end(before, after, least - begin)
    found = before.find(b'","', len(before) - suffix) if suffix else -1
    rest = len(before) - (found + 1) if found >= 0 else 1
    pieces = (before[begin : len(before) - rest], after[begin : len(after) - rest])
    try:
        old, new = (_decode_pairs(b"{" + piece.strip(b",") + b"}") for piece in pieces)
    except UNREADABLE:
        return None
    return old, new


def _content(kind: str, found: _Object) -> dict[str, dict[str, bytes]]:
    is_secret = kind == "secrets"
    data = decoded(found.data, is_base64=is_secret)
    if is_secret and found.string_data:
        data |= decoded(found.string_data, is_base64=False)
    return {"data": data, "binaryData": decoded(found.binary_data, is_base64=True)}


def _patched(body: bytes, kind: str) -> dict[str, dict[str, bytes | None]] | None:
    """What a patch of a map sets and removes: merge and strategic patches, JSON patches; None when it cannot be told."""
    try:
        document = msgspec.json.decode(body)
    except UNREADABLE:
        return None
    found: dict[str, dict[str, bytes | None]] = {}
    if isinstance(document, dict):
        for field in ("data", "binaryData", "stringData"):
            values = document.get(field)
            if not isinstance(values, dict):
                if field in document:
                    return None  # the whole field goes
                continue
            into = found.setdefault("data" if field == "stringData" else field, {})
            is_base64 = field == "binaryData" or (kind == "secrets" and field == "data")
            present = decoded(values, is_base64=is_base64)
            into |= {str(key): present.get(str(key)) for key in values}
        return found
    if not isinstance(document, list):
        return None
    for operation in document:
        if not isinstance(operation, dict) or operation.get("op") == "test":
            continue
        parts = str(operation.get("path", "")).split("/")
        if len(parts) < 2 or parts[1] not in {"data", "binaryData"}:
            continue
        if len(parts) != 3 or operation.get("op") not in {"add", "replace", "remove"}:
            return None
        key = parts[2].replace("~1", "/").replace("~0", "~")
        value = operation.get("value")
        is_base64 = parts[1] == "binaryData" or kind == "secrets"
        into = found.setdefault(parts[1], {})
        into[key] = None if operation["op"] == "remove" else decoded({key: value}, is_base64=is_base64).get(key)
    return found


def _open(path: Path) -> io.BufferedIOBase:
    if str(path) == "-":
        handle: Any = sys.stdin.buffer
        head = handle.peek(2)[:2]
    else:
        handle = path.open("rb", buffering=BUFFER_BYTES)
        head = handle.peek(2)[:2]
    return io.BufferedReader(cast(Any, gzip.GzipFile(fileobj=handle)), BUFFER_BYTES) if head == b"\x1f\x8b" else handle


def _lines(path: Path, note_damage: Callable[[], None]) -> Iterator[bytes]:
    """Lines of one file. What a cut gzip file holds before its end is read; the cut is damage."""
    try:
        with _open(path) as handle:
            readline = handle.readline
            while line := readline(LINE_BYTES):
                if len(line) >= LINE_BYTES:
                    note_damage()
                elif len(line) > 1 or line.strip():
                    yield line
    except (EOFError, zlib.error, gzip.BadGzipFile):
        note_damage()
    except OSError as error:
        raise SourceDamaged(f"cannot read {path}: {error.strerror or error}") from None


def _first_time(path: Path) -> int | None:
    for line in _lines(path, lambda: None):
        found = line.rfind(_RECEIVED)
        begin = found + len(_RECEIVED)
        return microseconds(line[begin : line.find(b'"', begin)].decode("ascii", "replace")) if found >= 0 else None
    return None
