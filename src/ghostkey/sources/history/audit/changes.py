"""The write of a map that is known, told from the few bytes in which its line differs from what is known.

What is cut out is checked: it decodes as JSON of its type, all around it is as it was, no other line's beginning stands in
between, and the request names all that changed; else the whole line is decoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ghostkey.foreign import decode_json
from ghostkey.model.history import SET, UNCHANGED, KeyEvent, Writer, microseconds
from ghostkey.sources._values import TEXT, look, looks_like_yaml, may_hold_maps
from ghostkey.sources.history.audit.beside import Holder
from ghostkey.sources.history.audit.blind import ORIGIN
from ghostkey.sources.history.audit.event import (
    RECEIVED,
    UNREADABLE,
    WHOLE,
    decode_merge_patch,
    decode_pairs,
    is_apply,
    patched_by,
    received,
)
from ghostkey.sources.history.audit.reader import Reader
from ghostkey.sources.history.audit.windows import differing, holds_head, predicted
from ghostkey.sources.history.common import REVISION_DIGITS
from ghostkey.sources.history.facts import Facts, KeyedHash
from ghostkey.sources.history.states import is_nested

META_BYTES = 1_000  # of an object's name, namespace, uid, resourceVersion and timestamps, which come first
SECONDS_KEPT = 10_000
RAW_BYTES = 64 << 20
COMMA, QUOTE, Z = b',"Z'
# how kube-apiserver begins a line; another writer's lines are decoded
FULL = b'{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"'
ID_END = len(FULL) + 36
REQUEST = b',"requestObject":'
DELETION = b'"deletionTimestamp"'
_RESPONSE = b',"responseObject":{'
_DATA = b'},"data":{'
_VERSION = b'"resourceVersion":"'
_ONE = b'{"data":{'
# how far what is looked for lies from where its mark begins
TO_REQUEST, TO_DATA, TO_VERSION, TO_TIME, TO_ENTRY = len(REQUEST), len(_DATA) - 1, len(_VERSION), len(RECEIVED), len(_ONE)
ID_BEGIN = len(FULL)
_number = int.from_bytes
_new = tuple.__new__  # a named tuple's own constructor takes four times as long


class KnownMap:
    """A ConfigMap as last seen: the JSON of its data, None when that is not known, and the facts of its keys."""

    __slots__ = ("holder", "keys", "mark", "meta", "raw")

    def __init__(self, holder: Holder) -> None:
        self.holder = holder
        self.mark = f'"name":"{holder[2]}","namespace":"{holder[1]}"'.encode()  # as its metadata begin
        self.meta = 0  # bytes of its metadata when they were decoded last
        self.raw: bytes | None = None
        self.keys: dict[str, Facts] | None = None  # None when there are maps within its values


class Head(NamedTuple):
    """What a line says before its objects, apart from its audit id: the same for all writes of one writer to one map."""

    map: KnownMap
    writer: Writer
    is_patch: bool


class ChangeReader(Reader):
    """A Reader that tells what changed in a map that is known without decoding the line that shows it."""

    def __init__(self, digest: KeyedHash, fields: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(digest, fields)
        self._hashing = digest.copy
        self._maps: dict[Holder, KnownMap] = {}
        self._raw_bytes = 0
        self._seconds: dict[bytes, int | None] = {}

    def known_map(self, holder: Holder) -> KnownMap:
        """What is kept of a map."""
        return self._maps.setdefault(holder, KnownMap(holder))

    def _change(self, line: bytes, request: int, head: Head) -> list[KeyEvent] | None:
        """The events of a write of a known ConfigMap, from the few bytes of its data that differ; None to decode it all.

        What is cut out is checked: it decodes as JSON of its type, and all around it is as it was, or the line is decoded.
        """
        known, writer, is_patch = head
        holder, before = known.holder, known.raw
        if before is None or not self.states.is_whole(holder):
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
            or line.find(DELETION, version, response + META_BYTES) >= 0
            or line.find(known.mark, response, version) < 0 or holds_head(line, version, start)
        ):  # fmt: skip
            return None
        if abs(start - version - known.meta) > known.meta >> 4:
            known.meta = start - version
            return None  # managedFields or annotations have grown: how far is told by decoding them
        start += len(_DATA) - 1
        data = line[start : tail - 1]
        version += len(_VERSION)
        digits = line[version : line.find(b'"', version)]
        if not digits.isdigit() or len(digits) > REVISION_DIGITS or int(digits) < self.revisions.get(holder, 0):
            return None
        asked: dict[str, str | None] = {}
        document: object = None
        body = b""
        if not is_patch and not self._follows(line, request, response, holder, data):
            return None
        if is_patch:
            # the client's own bytes: a patch that has a responseObject in it is cut in two here, and does not decode
            body = line[request + len(REQUEST) : response]
            try:
                asked = decode_merge_patch(body).data
            except UNREADABLE:
                try:
                    document = decode_json(body)
                except UNREADABLE:
                    return None
        changed = predicted(before, data, asked) if len(asked) == 1 else None
        if changed is None:
            changed = differing(before, data)
            if changed is None:
                return None
        if data == before and holder in self.unnamed:
            return None  # perhaps what it did was shown before it came
        removals = {"data": asked} if document is None else patched_by(document, holder[0]) or {}
        applies = isinstance(document, dict) and is_apply(body)
        if is_patch and removals is not WHOLE:
            named = removals.get("data", {})
            if any(key not in named and not (applies and value is None) for key, value in changed.items()):
                return None  # others wrote in between, and their writes are not in the log
        known.raw = data
        self._raw_bytes += len(data) - len(before)
        at = received(line)
        self.blind.cover(at)
        self.revisions[holder] = revision = int(digits)
        user, manager, agent, source_ip, _, verb = writer
        audit_id = line[len(FULL) : ID_END].decode("ascii", "replace")
        self.unanswered.answer(audit_id)
        writer = _new(Writer, (user, manager, agent, source_ip, audit_id, verb))
        absent = self.not_there(holder, removals)
        events = self.states.patch(holder, "data", changed, at, revision, writer)
        known.keys = self._plain_keys(holder)
        content = {"data": self.states.keys(holder, "data")}
        events += self.missed(absent, holder, content, at, revision, writer)
        if applies:
            events += self.released(body, holder, content, at, revision, writer)
        return events or [self.of_map(holder, UNCHANGED, at, revision, writer)]

    def _follows(self, line: bytes, request: int, response: int, holder: Holder, data: bytes) -> bool:
        """Whether an update was made from the revision of a map that was shown last, and its request is whole."""
        # the request has the data of the response, byte for byte, unless something else wrote into it on its way
        before_data = response - 1 - len(data)
        is_same = before_data > request and line.startswith(data, before_data)
        if holds_head(line, request + TO_REQUEST, before_data if is_same else response):
            return False
        place = line.find(_VERSION, request, min(response, request + META_BYTES))
        if place < 0:
            return True
        place += TO_VERSION
        digits = line[place : line.find(b'"', place)]
        return digits.isdigit() and int(digits[:REVISION_DIGITS]) == self.revisions.get(holder)

    def _plain_keys(self, holder: Holder) -> dict[str, Facts] | None:
        """The facts of a map's keys, to be changed in place; None when there are maps within its values."""
        state = self.states.state(holder)
        return None if state is None or is_nested(state) else state.get(("data", ""))

    def remember_raw(self, holder: Holder, shown: bytes, pairs: Mapping[str, object]) -> None:
        """Keeps the JSON of a map's data, where it is the last thing in the object that was shown."""
        data = shown[shown.find(_DATA) + len(_DATA) - 1 : -1]
        try:
            if decode_pairs(data) != pairs:
                return
        except UNREADABLE:
            return
        known = self._maps.pop(holder, None) or KnownMap(holder)
        self._maps[holder] = known  # the newest comes last
        known.raw = data
        known.keys = self._plain_keys(holder)
        self._raw_bytes += len(data)
        for other in list(self._maps) if self._raw_bytes > RAW_BYTES else ():
            self.forget_raw(other)
            if self._raw_bytes <= RAW_BYTES:
                break

    def forget_raw(self, holder: Holder) -> None:
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
            or line[tail - 2 : tail] != b"}}" or line.find(DELETION, version, start) >= 0
            or line.find(known.mark, response, version) < 0
            or (line.find(b"/", version, start) >= 0 and holds_head(line, version, start))
        ):  # fmt: skip
            return None
        body = line[request + TO_REQUEST : response]
        try:
            asked = decode_merge_patch(body).data
            ((key, value),) = asked.items()
            place = tail + TO_TIME
            fraction = int(line[place + 20 : place + 26])
            audit_id = line[ID_BEGIN:ID_END].decode()
            version += TO_VERSION
            digits = line[version : line.find(b'"', version)]
            revision = int(digits)
        except (*UNREADABLE, ValueError):
            return None
        after, entry = line[start : tail - 1], body[TO_ENTRY:-2]
        colon = entry.find(b'":"') + 3
        if value is None or colon < 3 or entry[-1] != QUOTE or len(digits) > REVISION_DIGITS:
            return None
        holder, revisions = known.holder, self.revisions
        if revision < revisions.get(holder, 0):
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
            if len(self._seconds) > SECONDS_KEPT:
                self._seconds.clear()
            at = self._seconds[second] = microseconds(second.decode("ascii", "replace") + "Z")
        shape, _, document = look(value, identify=False)
        if at is None or line[place + 26] != Z or shape.doubled or (document and may_hold_maps(document)):
            return None
        if shape is TEXT and looks_like_yaml(value):
            return None
        at += fraction
        if self.unanswered.waiting:
            self.unanswered.answer(audit_id)
        blind = self.blind
        if blind.last is not None and blind.last <= at <= blind.last + blind.longest and not blind.is_open:
            blind.last = at
        else:
            blind.cover(at)
        revisions[holder] = revision
        known.raw = after
        self._raw_bytes += len(after) - len(before)
        raw = value.encode()
        hashing = self._hashing()
        hashing.update(raw)
        code, size = _number(hashing.digest(), "big") >> 1, len(raw)
        if held is None:
            appeared, grown = 1, size + len(key)
            self.states.grown()
        elif held[0] == code and held[1] == size:
            if holder in self.unnamed:
                return None  # perhaps what it set was shown before it came
            return [self.of_map(known.holder, UNCHANGED, at, revision, Writer(user, manager, agent, source_ip, audit_id, verb))]
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
