"""What the events of an audit log say of maps: what each request named, and what only its answer shows.

A key is credited to whoever named it in a request. What an answer shows beyond that, somebody else wrote before it: that is
`seen` and by nobody, and where the map was known, the writes in between are missing from the log, which is a gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from ghostkey.foreign import decode_json
from ghostkey.kube.fields import writer_of
from ghostkey.model.history import (
    DELETE,
    DELETED,
    HIDDEN_WRITE,
    MISSED_DELETE,
    NOBODY,
    REFUSED_DELETE,
    REFUSED_SET,
    RELEASED,
    SEALED,
    SEEN,
    SET,
    SIZED,
    UNCHANGED,
    HistoryEvent,
    KeyEvent,
    SubjectEvent,
    Writer,
)
from ghostkey.sources.history.audit.blind import Blind
from ghostkey.sources.history.audit.credit import (
    EVERYTHING,
    NOTHING,
    Named,
    base_of,
    owners_of,
    size_words,
    spot_of,
    unsigned,
    writer_of_event,
)
from ghostkey.sources.history.audit.event import (
    UNREADABLE,
    WHOLE,
    Event,
    Meta,
    Object,
    Patched,
    Reference,
    content_of,
    decode_event,
    is_apply,
    object_of,
    patched,
)
from ghostkey.sources.history.audit.moments import Moments
from ghostkey.sources.history.audit.subjects import NAMESPACES, in_collection, what_happened
from ghostkey.sources.history.common import entries_at, paths_for, revision_of
from ghostkey.sources.history.states import FIELDS, KeyedHash, MapStates

ORIGIN = "audit"
Holder = tuple[str, str, str]
MAPS = {"configmaps", "secrets"}
# written without end and no subject of any key
IGNORED = {"events", "leases", "endpoints", "endpointslices", "tokenreviews", "subjectaccessreviews",
           "selfsubjectaccessreviews", "selfsubjectreviews", "localsubjectaccessreviews", "selfsubjectrulesreviews"}  # fmt: skip
IGNORED_SUBRESOURCES = {"scale", "token", "log", "exec", "attach", "portforward", "proxy", "binding"}
VERBS = {"create", "update", "patch", "delete", "deletecollection"}


class Reader:
    """Turns decoded audit events, each object's in the order of its revisions, into KeyEvents and SubjectEvents."""

    def __init__(self, digest: KeyedHash, fields: Iterable[tuple[str, str]] = ()) -> None:
        self.fields = list(fields)  # (qualified resource or a word for it, path of a map-valued field)
        self.digest = digest
        self.states = MapStates(ORIGIN, digest)
        self.blind = Blind()
        self.revisions: dict[Holder, int] = {}  # of the last write of each map that was shown
        self.applied: dict[tuple[str, str, str, str], set[tuple[str, str]]] = {}  # what each manager applied last
        self._sizes: dict[Holder, tuple[int, int]] = {}  # bytes of managedFields and of annotations as told last
        self._immutable: set[Holder] = set()
        # keys of each map that changed without being named, between two revisions, when that happened last
        self.unnamed: dict[Holder, tuple[set[tuple[str, str, str]], int | None, int | None]] = {}
        self.moments: Moments | None = None  # for the logs of several servers
        self.told: tuple[Holder, bool] | None = None  # the map of the last event, and whether all of it is known now

    def event(self, event: Event) -> Iterator[HistoryEvent]:
        """What one event says."""
        at = event.at
        self.blind.cover(at)
        reference, status = event.object_ref, event.response_status
        if event.stage != "ResponseComplete" or reference is None or reference.subresource in IGNORED_SUBRESOURCES:
            return
        if reference.resource in IGNORED or event.verb not in VERBS:
            return
        query = event.request_uri.partition("?")[2]
        if "dryRun=" in query:
            return
        writer = writer_of_event(event, query)
        qualified = f"{reference.resource}.{reference.api_group}" if reference.api_group else reference.resource
        is_map = qualified in MAPS and not reference.subresource
        fields = paths_for(self.fields, qualified)
        if (status.code if status else 0) >= 400:
            if is_map:
                yield from self._refused(event, qualified, at, writer)
            return
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
            yield SubjectEvent(at, revision, *holder, uid, op, *writer, ORIGIN, False)
        if is_map and name:
            yield from self._map(event, holder, found, at, revision, writer)
        for path in fields:
            yield from self._field(event, holder, path, at, revision, writer)
        if fields and not is_map and op == DELETED:
            yield from self.states.gone(holder, at, revision, writer)

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
            yield SubjectEvent(at, revision, kind, meta.namespace, meta.name, meta.uid, op, *writer, ORIGIN, False)
            if kind in MAPS and op == DELETED:
                yield from self.gone((kind, meta.namespace, meta.name), at, revision, writer)

    # maps

    def forget_raw(self, holder: Holder) -> None:
        """Told before the state of a map changes by what is decoded."""

    def remember_raw(self, holder: Holder, shown: bytes, pairs: Mapping[str, object]) -> None:
        """Told when the whole of a map is known, with the object that shows it."""

    def gone(self, holder: Holder, at: int | None, revision: int | None, writer: Writer) -> Iterator[KeyEvent]:
        """KeyEvents of a map that is deleted with all its keys."""
        self.forget_raw(holder)
        self.revisions.pop(holder, None)
        yield from self.states.gone(holder, at, revision, writer)

    @staticmethod
    def of_map(holder: Holder, op: str, at: int | None, revision: int | None, writer: Writer) -> KeyEvent:
        """An event of a map as a whole."""
        return KeyEvent(at, revision, *holder, "data", "", "", op, -1, 0, "", 0, 0, *writer, "", ORIGIN, False)

    def _map(
        self, event: Event, holder: Holder, found: Object | None, at: int | None, revision: int | None, writer: Writer
    ) -> Iterator[HistoryEvent]:
        self.forget_raw(holder)
        shown = found if found is not None and found.kind != "Status" and found.metadata.uid else None
        waits = bool(found and found.metadata.finalizers)
        is_deletion = event.verb == "delete" or bool(shown and shown.metadata.deletion_timestamp and not waits)
        self.told = holder, shown is not None or event.verb != "patch"
        if is_deletion:
            if not waits:
                self.revisions.pop(holder, None)
                yield from self.states.gone(holder, at, revision, writer)
        elif shown is not None:
            yield from self._shown(event, holder, shown, at, revision, writer)
        else:
            yield from self._in_order(list(self._asked(event, holder, at, writer)), event, holder, at, writer)

    def _shown(
        self, event: Event, holder: Holder, found: Object, at: int | None, revision: int | None, writer: Writer
    ) -> Iterator[HistoryEvent]:
        """The whole map after the write, as the response shows it."""
        is_new, is_known = event.verb == "create", self.states.is_whole(holder)
        named = self._named(event, holder)
        if not is_new and is_known and revision is not None and self._is_late(holder, revision):
            yield from self._late(event, named, holder, found, at, revision, writer)
            return
        absent = self.not_there(holder, named.keys)
        content = content_of(holder[0], found)
        changes = list(self.states.changes(holder, content, at, revision, writer, is_new=is_new))
        events = list(self.credited(changes, named, holder, revision, is_known=is_known, found=found))
        if holder[0] == "configmaps" and found.data and not found.binary_data:
            self.remember_raw(holder, bytes(event.response_object), found.data)
        events += self.missed(absent, holder, content, at, revision, writer)
        if named.is_apply:
            events += self.released(bytes(event.request_object), holder, content, at, revision, writer)
        yield from self._sized(holder, found, at, revision)
        events += self._sealed(event, holder, found, at, revision, writer)
        if revision is not None:
            self.revisions[holder] = revision
        yield from events
        if not events and not is_new:
            yield self.of_map(holder, UNCHANGED, at, revision, writer)

    def _sized(self, holder: Holder, found: Object, at: int | None, revision: int | None) -> Iterator[KeyEvent]:
        """How large the map is beside its data, when that is not about as it was told before."""
        managed, annotations = len(bytes(found.metadata.managed_fields)), found.metadata.annotations or {}
        noted = sum(len(key) + len(value.encode("utf-8", "surrogatepass")) for key, value in annotations.items())
        held = self._sizes.get(holder, (-1, -1))
        if abs(managed - held[0]) <= held[0] // 20 and abs(noted - held[1]) <= held[1] // 20:
            return
        self._sizes[holder] = (managed, noted)
        if not managed and not noted:
            return
        shape = size_words(bytes(found.metadata.managed_fields), annotations, content_of(holder[0], found))
        yield self.of_map(holder, SIZED, at, revision, NOBODY)._replace(
            value_bytes=managed if managed else -1, bytes_delta=noted, shape=shape
        )

    def _sealed(
        self, event: Event, holder: Holder, found: Object, at: int | None, revision: int | None, writer: Writer
    ) -> Iterator[KeyEvent]:
        """A map that was made immutable: from then on nobody can remove a key of it."""
        if found.immutable is True and holder not in self._immutable:
            self._immutable.add(holder)
            if b'"immutable"' in bytes(event.request_object):
                yield self.of_map(holder, SEALED, at, revision, writer)

    def _named(self, event: Event, holder: Holder) -> Named:
        """What the request of a write asked for."""
        body = bytes(event.request_object)
        if event.verb == "create":
            return EVERYTHING
        if event.verb == "update":
            return EVERYTHING if body and self.is_next(holder, base_of(body)) else NOTHING
        if not body:
            return NOTHING
        changed = patched(body, holder[0])
        if changed is WHOLE:
            return EVERYTHING
        return Named(False, changed or {}, is_apply(body))

    def is_next(self, holder: Holder, base: int | None) -> bool:
        """Whether a write that was made from this revision of a map follows the one that was shown last.

        A write that names none replaces whatever there is, and names all of it.
        """
        known = self.revisions.get(holder)
        return self.states.is_whole(holder) and (base is None or known is None or base == known)

    def credited(
        self,
        changes: list[KeyEvent],
        named: Named,
        holder: Holder,
        revision: int | None,
        *,
        is_known: bool,
        found: Object | None = None,
    ) -> Iterator[KeyEvent]:
        """The changes, each by who asked for it, and the others by nobody; what is missing between them is a gap.

        `is_known`: all of the map was known before, so that what nobody here asked for was written in between.
        """
        others = {
            (event.field, event.path, event.key)
            for event in changes
            if not named.names(event.field, event.path.partition("/")[0] or event.key)
        }
        # an apply takes away what it leaves out, unless there is more that it cannot have done
        if named.is_apply and is_known and all(event.op == DELETE for event in changes if spot_of(event) in others):
            others.clear()
        owners = owners_of(found) if found is not None and others and not is_known else {}
        for event in changes:
            if spot_of(event) not in others:
                yield event._replace(op=SET) if event.op == SEEN else event
                continue
            owner = writer_of(owners.get(event.field, ()), event.path.partition("/")[0] or event.key)
            yield unsigned(event, owner.manager if owner else "")
        if others and is_known:
            since = self.revisions.get(holder)
            self.unnamed[holder] = (others, since, revision)
            self.blind.jump(holder, since, revision, changes[0].at)

    def _is_late(self, holder: Holder, revision: int) -> bool:
        """Whether a write comes after one that was made later, or after one that changed nothing and showed what this one did."""
        last, pending = self.revisions.get(holder), self.unnamed.get(holder)
        return last is not None and (revision < last or (pending is not None and revision == last == pending[2]))

    def _late(
        self, event: Event, named: Named, holder: Holder, found: Object, at: int | None, revision: int, writer: Writer
    ) -> Iterator[KeyEvent]:
        """What a late write named and was not credited yet, and what it removed that was never there."""
        others, since, until = self.unnamed.get(holder, (set(), None, None))
        content = content_of(holder[0], found)
        absent = [spot for spot in self.not_there(holder, named.keys) if (spot[0], "", spot[1]) not in others]
        yield from self.missed(absent, holder, content, at, revision, writer)
        made_whole = event.verb == "update" and base_of(bytes(event.request_object)) in (since, None)
        for field, path, key in sorted(others):
            shown = content.get(field, {}).get(path.partition("/")[0] or key)
            took_away = shown is None and named.is_apply
            if not (made_whole or took_away or named.names(field, path.partition("/")[0] or key)):
                continue
            others.discard((field, path, key))
            if path:
                continue  # an entry of a document, which is credited with the key that holds it
            if shown is None:
                yield KeyEvent(at, revision, *holder, field, "", key, DELETE, -1, 0, "", 0, 0, *writer, "", ORIGIN, False)
            else:
                code, size, shape = self.states.facts(shown, is_secret=holder[0] == "secrets")
                yield KeyEvent(
                    at, revision, *holder, field, "", key, SET, size, code, shape, 1, size + len(key), *writer, "", ORIGIN, False
                )
        if not others and since is not None and since < revision <= (until or 0):
            self.blind.no_jump(holder, since, until)
            self.unnamed.pop(holder, None)

    def _in_order(self, made: list[KeyEvent], event: Event, holder: Holder, at: int | None, writer: Writer) -> Iterator[KeyEvent]:
        """What a request shows, unless it may have been made before another one that came to be read first."""
        if self.moments is None or not self.moments.is_unordered(holder, made, at):
            yield from made
            return
        self.states.blur(holder)
        why = f"level {event.level} does not show in which order several API servers wrote a key at one moment"
        self.blind.gap(holder[0], holder[1], why, at)
        yield self.of_map(holder, HIDDEN_WRITE, at, None, writer)

    def _asked(self, event: Event, holder: Holder, at: int | None, writer: Writer) -> Iterator[KeyEvent]:
        """What the request alone shows, at level Request; at Metadata nothing but that there was a write."""
        body = bytes(event.request_object)
        self.revisions.pop(holder, None)  # requests do not show what they made
        if event.verb in {"create", "update"} and (whole := object_of(event.request_object)) is not None:
            is_known = event.verb == "create" or self.states.is_whole(holder)
            content = content_of(holder[0], whole)
            changes = list(self.states.changes(holder, content, at, None, writer, is_new=event.verb == "create"))
            yield from self.credited(changes, EVERYTHING if is_known else NOTHING, holder, None, is_known=is_known)
            if not changes and event.verb == "update":
                yield self.of_map(holder, UNCHANGED, at, None, writer)
            return
        changed = patched(body, holder[0]) if body else None
        if changed is None or changed is WHOLE:
            self.states.blur(holder)
            self.blind.gap(holder[0], holder[1], f"level {event.level} does not show what {event.verb} changed", at)
            yield self.of_map(holder, HIDDEN_WRITE, at, None, writer)
            return
        absent = self.not_there(holder, changed)
        count = len(absent)
        for field, values in changed.items():
            for made in self.states.patch(holder, field, values, at, None, writer):
                count += 1
                yield made
        yield from self.missed(absent, holder, {}, at, None, writer)
        if is_apply(body):
            self.states.blur(holder)
            self.blind.gap(holder[0], holder[1], f"level {event.level} does not show what a server-side apply removed", at)
        elif not count:
            yield self.of_map(holder, UNCHANGED, at, None, writer)

    def not_there(self, holder: Holder, changed: Mapping[str, Mapping[str, object]]) -> list[tuple[str, str]]:
        """Keys that a request removes and that are not there, as (field, key)."""
        return [
            (field, key)
            for field, values in changed.items()
            for key, value in values.items()
            if value is None and key not in self.states.keys(holder, field)
        ]

    @staticmethod
    def missed(
        absent: Iterable[tuple[str, str]],
        holder: Holder,
        content: Mapping[str, Mapping[str, object]],
        at: int | None,
        revision: int | None,
        writer: Writer,
        error: str = "",
    ) -> Iterator[KeyEvent]:
        """Removals of keys that were not there: a no-op to the API server, and the trace of a wrong name to us."""
        for field, key in absent:
            if key not in content.get(field, {}):
                yield KeyEvent(
                    at, revision, *holder, field, "", key, MISSED_DELETE, -1, 0, "", 0, 0, *writer, error, ORIGIN, False
                )  # fmt: skip

    def released(
        self,
        body: bytes,
        holder: Holder,
        content: Mapping[str, Mapping[str, object]],
        at: int | None,
        revision: int | None,
        writer: Writer,
    ) -> Iterator[KeyEvent]:
        """Keys that a server-side apply of this manager no longer has, and that stay: another manager owns them too."""
        applied = object_of(msgspec.Raw(body))
        if applied is None or not applied.kind or not applied.metadata.name:
            return  # no apply configuration, which names its kind and itself
        place = (*holder, writer.manager)
        now = {("data", key) for key in applied.data or ()} | {("binaryData", key) for key in applied.binary_data or ()}
        for field, key in sorted(self.applied.get(place, set()) - now):
            if key in content.get(field, {}):
                yield KeyEvent(
                    at, revision, *holder, field, "", key, RELEASED, -1, 0, "", 0, 0, *writer, "", ORIGIN, False
                )  # fmt: skip
        self.applied[place] = now

    def released_by(self, line: bytes) -> Iterator[KeyEvent]:
        """As `released`, of a line of which the rest is known."""
        event = decode_event(line)
        found, reference = object_of(event.response_object), event.object_ref
        if found is not None and reference is not None:
            meta = found.metadata
            holder = (reference.resource, meta.namespace or reference.namespace, meta.name or reference.name)
            revision, writer = revision_of(meta.resource_version), writer_of_event(event, event.request_uri.partition("?")[2])
            yield from self.released(
                bytes(event.request_object), holder, content_of(holder[0], found), event.at, revision, writer
            )

    def _refused(self, event: Event, kind: str, at: int | None, writer: Writer) -> Iterator[KeyEvent]:
        """A write that the API server refused, key by key where the request and what is known of the map show them."""
        reference, status = event.object_ref, event.response_status
        assert reference is not None
        assert status is not None
        if status.code == 404 and event.verb in {"delete", "deletecollection"}:
            return
        error = f"{status.code} {status.reason}: {status.message}"[:300]
        holder = (kind, reference.namespace, reference.name)
        changed: Patched = {}
        body = bytes(event.request_object)
        if event.verb in {"update", "patch"}:
            self.told = holder, False  # what it would have removed the state tells
            if not body:
                self.blind.gap(kind, holder[1], f"level {event.level} does not show what a refused {event.verb} asked for", at)
            elif event.verb == "update" and not self.states.is_whole(holder):
                self.blind.gap(kind, holder[1], "an update was refused of a map of which not all is known", at)
        if event.verb == "patch":
            changed = patched(body, kind) or {}
        elif event.verb == "update" and (whole := object_of(event.request_object)) is not None and self.states.known(holder):
            # what the map has and the request has not, it would have removed
            content = content_of(kind, whole)
            changed = {
                field: {key: None for key in self.states.keys(holder, field) if key not in content.get(field, {})}
                | {key: value for key, value in content.get(field, {}).items() if key not in self.states.keys(holder, field)}
                for field in FIELDS
            }
            if not any(changed.values()):
                return  # it would have changed values, if anything
        pairs = [(field, key, value) for field, values in changed.items() for key, value in values.items()]
        if event.verb == "patch" and self.states.is_whole(holder):
            # a JSON patch that removes what is not there is refused as a whole
            absent = self.not_there(holder, changed) if body.lstrip()[:1] == b"[" else []
            yield from self.missed(absent, holder, {}, at, None, writer, error)
            pairs = [(field, key, value) for field, key, value in pairs if (field, key) not in set(absent)]
            if absent and not pairs:
                return
        for field, key, value in pairs or [("data", "", b"")]:
            op = REFUSED_DELETE if value is None or event.verb == "delete" else REFUSED_SET
            yield KeyEvent(
                at, None, *holder, field, "", key, op, -1 if value is None else len(value), 0, "", 0, 0, *writer, error, ORIGIN,
                False,
            )  # fmt: skip

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
