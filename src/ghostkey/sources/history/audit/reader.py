"""What the events of an audit log say: objects that begin and end, maps that are written, fields of other kinds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ghostkey.foreign import decode_json
from ghostkey.model.history import CREATED, DELETED, DELETING, HIDDEN_WRITE, SEEN, HistoryEvent, KeyEvent, SubjectEvent, Writer
from ghostkey.sources.history.audit.beside import Holder
from ghostkey.sources.history.audit.blind import ORIGIN
from ghostkey.sources.history.audit.credit import unsigned, writer_of_event
from ghostkey.sources.history.audit.ended import Ended
from ghostkey.sources.history.audit.event import UNREADABLE, Event, Meta, Object, Reference, is_dry_run, object_of
from ghostkey.sources.history.audit.maps import MapReader
from ghostkey.sources.history.audit.refusals import TIMEOUT, is_certain
from ghostkey.sources.history.audit.subjects import NAMESPACES, in_collection, what_happened
from ghostkey.sources.history.audit.unanswered import WHY, Asked, Unanswered
from ghostkey.sources.history.common import MAPS, entries_at, paths_for, revision_of
from ghostkey.sources.history.facts import KeyedHash

# written without end and no subject of any key
IGNORED = {"events", "leases", "endpoints", "endpointslices", "tokenreviews", "subjectaccessreviews",
           "selfsubjectaccessreviews", "selfsubjectreviews", "localsubjectaccessreviews", "selfsubjectrulesreviews"}  # fmt: skip
IGNORED_SUBRESOURCES = {"scale", "token", "log", "exec", "attach", "portforward", "proxy", "binding"}
PANIC = "Panic"  # a request that was given up by the server: it may have been stored before that
ENDED = {"ResponseComplete", PANIC}
RECEIVED = "RequestReceived"
VERBS = {"create", "update", "patch", "delete", "deletecollection"}


class Reader(MapReader):
    """Turns decoded audit events, each object's in the order of its revisions, into KeyEvents and SubjectEvents."""

    def __init__(self, digest: KeyedHash, fields: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(digest)
        self.ended, self.unanswered = Ended(), Unanswered()
        self.fields = list(fields)  # (qualified resource or a word for it, path of a map-valued field)

    def event(self, event: Event) -> Iterator[HistoryEvent]:
        """What one event says."""
        self.blind.cover(event.at)
        reference = event.object_ref
        if event.stage == RECEIVED and reference is not None:
            yield from self._came_in(event, reference)
            return
        if event.stage not in ENDED or reference is None or reference.subresource in IGNORED_SUBRESOURCES:
            return
        self.unanswered.answer(event.audit_id)
        if reference.resource not in IGNORED and event.verb in VERBS and not is_dry_run(event):
            yield from self._came_to_an_end(event, reference)

    def _came_to_an_end(self, event: Event, reference: Reference) -> Iterator[HistoryEvent]:
        """What a request for a change came to: refused, given up, or done."""
        at, status = event.at, event.response_status
        writer = writer_of_event(event, event.request_uri.partition("?")[2])
        qualified = reference.qualified
        is_map = qualified in MAPS and not reference.subresource
        fields = paths_for(self.fields, qualified)
        has_failed = status is not None and status.is_failure
        if event.stage == PANIC or (has_failed and not is_certain(event)):
            yield from self._given_up(event, qualified, reference, is_map=is_map, has_fields=bool(fields), writer=writer)
            return
        if has_failed:
            if is_map:
                yield from self.refused(event, qualified, at, writer)
            return
        if not is_map:
            yield from self._written_after_its_end(event, reference)
            if event.verb in {"update", "patch"}:
                self.ended.finalized(event, (qualified, "" if qualified == NAMESPACES else reference.namespace, reference.name))
        if event.verb == "deletecollection":
            yield from self._collection(object_of(event.response_object), qualified, reference, at, writer)
            return
        if (
            not is_map
            and not fields
            and event.verb in {"update", "patch"}
            and b"deletionTimestamp" not in bytes(event.response_object)
            and reference.subresource != "finalize"
        ):
            return
        yield from self._done(event, reference, writer, fields)

    def _written_after_its_end(self, event: Event, reference: Reference) -> Iterator[SubjectEvent]:
        kind = reference.qualified
        for told in self.ended.written(event, (kind, "" if kind == NAMESPACES else reference.namespace, reference.name)):
            if told.op == DELETED:
                why = f"level {event.level} does not show when an object ended that was written after its deletion"
                self.blind.gap(kind, reference.namespace or "*", why, event.at)
            yield told

    def _done(self, event: Event, reference: Reference, writer: Writer, fields: list[str]) -> Iterator[HistoryEvent]:
        """What a request did to one object, to the keys of a map, and to the fields that were asked for."""
        at, qualified = event.at, reference.qualified
        is_map = qualified in MAPS and not reference.subresource
        found = object_of(event.response_object)
        meta = found.metadata if found and found.kind != "Eviction" else Meta()
        asked = object_of(event.request_object) if not meta.name and event.verb == "create" else None
        name = meta.name or reference.name or (asked.metadata.name if asked else "")
        # requests for a namespace carry its name as their namespace, and it lies in none
        namespace = "" if qualified == NAMESPACES else meta.namespace or reference.namespace
        holder = (qualified, namespace, name)
        revision = revision_of(meta.resource_version)
        if op := what_happened(event, qualified, found):
            is_object = found is not None and found.kind != "Status"
            # what has no finalizers is answered by a Status about it
            uid = (meta.uid if is_object else "") or reference.uid or (found.details.uid if found and found.details else "")
            subject = SubjectEvent(at, revision, *holder, uid, op, *writer, ORIGIN, False)
            is_hidden = found is None and event.verb == "delete"
            if op == CREATED:
                self.ended.begin(holder, has_finalizers=bool(meta.finalizers or (asked and asked.metadata.finalizers)))
            self.ended.note(subject, is_hidden=is_hidden)
            if is_hidden and op == DELETED:
                yield from self.hidden_end(subject, event.level)
                if is_map and self.ended.made.get(holder):
                    return
            else:
                yield subject
        if is_map and name:
            yield from self.map_written(event, holder, found, at, revision, writer)
        for path in fields:
            yield from self._field(event, holder, path, at, revision, writer)
        if fields and not is_map and op == DELETED:
            yield from self.states.gone(holder, at, revision, writer)

    def hidden_end(self, subject: SubjectEvent, level: str) -> Iterator[SubjectEvent]:
        """A deletion whose answer is not in the log: the end of what was not made with finalizers."""
        if self.ended.made.get((subject.kind, subject.namespace, subject.name)):
            why = f"level {level} does not show when an object ended that had finalizers"
            self.blind.gap(subject.kind, subject.namespace or "*", why, subject.at)
            yield subject._replace(op=DELETING)
        else:
            yield subject

    def _came_in(self, event: Event, reference: Reference) -> Iterator[KeyEvent]:
        """A request of which the answer is yet to come."""
        kind = reference.qualified
        is_map = kind in MAPS and not reference.subresource and event.verb in VERBS
        if (is_map or (event.verb in {"delete", "deletecollection"} and not reference.subresource)) and not is_dry_run(event):
            writer = writer_of_event(event, event.request_uri.partition("?")[2])
            asked = Asked(kind, reference.namespace, reference.name, event.at, writer, is_map)
            if (oldest := self.unanswered.ask(event.audit_id, asked)) is not None:
                yield from self.never_answered(oldest)

    def never_answered(self, asked: Asked) -> Iterator[KeyEvent]:
        """What a request is that nobody knows the end of."""
        why = WHY.format(asked.writer.verb)
        if not (asked.is_map and asked.name):  # of one map it is told of that one alone
            self.blind.gap(asked.kind, asked.namespace or "*", why, asked.at)
        if asked.is_map:
            hidden = self.of_map((asked.kind, asked.namespace, asked.name), HIDDEN_WRITE, asked.at, None, asked.writer)
            yield hidden._replace(error=why if asked.name else "")

    def _given_up(
        self, event: Event, kind: str, reference: Reference, *, is_map: bool, has_fields: bool, writer: Writer
    ) -> Iterator[HistoryEvent]:
        """A request of which nobody knows whether it was stored: neither written nor refused."""
        code = event.response_status.code if event.response_status else 0
        said = "a panic" if event.stage == PANIC else "a timeout" if code == TIMEOUT else f"an error of the server ({code})"
        what = "what of it" if event.verb == "deletecollection" else "whether it"
        why = f"{event.verb} that ended in {said}: {what} was stored is not in the log"
        holder = (kind, reference.namespace, reference.name)
        if not (is_map and reference.name):  # of one map it is told of that one alone
            self.blind.gap(kind, reference.namespace or "*", why, event.at)
        if is_map:
            self.forget_raw(holder)
            self.revisions.pop(holder, None)
            self.states.blur(holder)
            self.told = (holder, False) if reference.name else None
            yield self.of_map(holder, HIDDEN_WRITE, event.at, None, writer)._replace(error=why if reference.name else "")
        elif has_fields:
            self.states.forget(holder)

    def _collection(
        self, found: Object | None, kind: str, reference: Reference, at: int | None, writer: Writer
    ) -> Iterator[HistoryEvent]:
        """deletecollection: the response lists what was deleted, at levels that show responses."""
        if found is None or (found.items is None and not found.kind.endswith("List")):
            self.blind.gap(kind, reference.namespace or "*", "a deletecollection whose response is not in the log", at)
            if kind in MAPS:
                yield self.of_map((kind, reference.namespace, ""), HIDDEN_WRITE, at, None, writer)
            return
        for item in found.items or ():
            try:
                one = object_of(msgspec.Raw(msgspec.json.encode(item)))
            except UNREADABLE:
                one = None
            if one is None:
                continue
            meta = one.metadata
            op = in_collection(kind, one)
            revision = revision_of(meta.resource_version)
            subject = SubjectEvent(at, revision, kind, meta.namespace, meta.name, meta.uid, op, *writer, ORIGIN, False)
            self.ended.note(subject, is_hidden=False)
            yield subject
            if kind in MAPS and op == DELETED:
                yield from self.gone((kind, meta.namespace, meta.name), at, revision, writer)

    def _field(
        self, event: Event, holder: Holder, path: str, at: int | None, revision: int | None, writer: Writer
    ) -> Iterator[KeyEvent]:
        """A map-valued field of any other kind."""
        if event.verb == "delete":
            return  # the whole object goes, all its fields at once
        shown = bytes(event.response_object)
        try:
            if not shown and event.verb == "patch":
                raise UNREADABLE[0](path)
            entries = entries_at(decode_json(shown or bytes(event.request_object)), path)
        except UNREADABLE:
            self.states.forget(holder)
            self.blind.gap(holder[0], holder[1], f"level {event.level} does not show {path}", at)
            return
        # an object that is shown and has no such field has an empty map
        if shown or entries is not None:
            is_new = event.verb == "create"
            for made in self.states.field_entries(holder, path, entries or {}, at, revision, writer, is_new=is_new):
                yield unsigned(made) if made.op == SEEN else made
