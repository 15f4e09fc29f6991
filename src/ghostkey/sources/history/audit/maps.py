"""What a request says of a map: the keys that it named, and what only its answer shows.

A key is credited to whoever named it in a request. What an answer shows beyond that, somebody else wrote before it: that is
`seen` and by nobody, and where the map was known, the writes in between are missing from the log, which is a gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ghostkey.kube.fields import writer_of
from ghostkey.model.history import (
    DELETE,
    HIDDEN_WRITE,
    MISSED_DELETE,
    REFUSED_DELETE,
    REFUSED_SET,
    RELEASED,
    SEEN,
    SET,
    UNCHANGED,
    HistoryEvent,
    KeyEvent,
    Writer,
)
from ghostkey.sources.history.audit.beside import Beside, Holder, of_map
from ghostkey.sources.history.audit.blind import ORIGIN, Blind
from ghostkey.sources.history.audit.credit import (
    EVERYTHING,
    NOTHING,
    Named,
    base_of,
    owners_of,
    spot_of,
    unsigned,
    writer_of_event,
)
from ghostkey.sources.history.audit.event import (
    COPIED,
    WHOLE,
    Event,
    Object,
    Patched,
    applied_in,
    content_of,
    decode_event,
    document_in,
    is_apply,
    object_of,
    patched,
    patched_by,
)
from ghostkey.sources.history.audit.moments import Moments
from ghostkey.sources.history.audit.whole import replaced_by
from ghostkey.sources.history.common import revision_of
from ghostkey.sources.history.facts import FIELDS, KeyedHash
from ghostkey.sources.history.states import MapStates


class MapReader:
    """Turns writes of maps, each one's in the order of its revisions, into KeyEvents."""

    of_map = staticmethod(of_map)

    def __init__(self, digest: KeyedHash) -> None:
        self.digest = digest
        self.states = MapStates(ORIGIN, digest)
        self.blind = Blind()
        self.revisions: dict[Holder, int] = {}  # of the last write of each map that was shown
        self.applied: dict[tuple[str, str, str, str], set[tuple[str, str]]] = {}  # what each manager applied last
        self._beside = Beside()
        # keys of each map that changed without being named, each as it was seen, between two revisions, when that happened last
        self.unnamed: dict[Holder, tuple[dict[tuple[str, str, str], KeyEvent], int | None, int | None]] = {}
        self.moments: Moments | None = None  # for the logs of several servers
        self.told: tuple[Holder, bool] | None = None  # the map of the last event, and whether all of it is known now

    def forget_raw(self, holder: Holder) -> None:
        """Told before the state of a map changes by what is decoded."""

    def remember_raw(self, holder: Holder, shown: bytes, pairs: Mapping[str, object]) -> None:
        """Told when the whole of a map is known, with the object that shows it."""

    def gone(self, holder: Holder, at: int | None, revision: int | None, writer: Writer) -> Iterator[KeyEvent]:
        """KeyEvents of a map that is deleted with all its keys."""
        self.forget_raw(holder)
        self.revisions.pop(holder, None)
        yield from self.states.gone(holder, at, revision, writer)

    def map_written(
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
        # also of a creation: one that is made anew has a revision after all that it had
        if is_known and revision is not None and self._is_late(holder, revision):
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
        yield from self._beside.sized(holder, found, at, revision)
        events += self._beside.sealed(event, holder, found, at, revision, writer)
        if revision is not None:
            self.revisions[holder] = revision
        yield from events
        if not events and not is_new:
            yield self.of_map(holder, UNCHANGED, at, revision, writer)

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
            self.unnamed[holder] = ({spot_of(event): event for event in changes if spot_of(event) in others}, since, revision)
            self.blind.jump(holder, since, revision, changes[0].at)

    def _is_late(self, holder: Holder, revision: int) -> bool:
        """Whether a write comes after one that was made later, or after one that changed nothing and showed what this one did."""
        last, pending = self.revisions.get(holder), self.unnamed.get(holder)
        return last is not None and (revision < last or (pending is not None and revision == last == pending[2]))

    def _late(
        self, event: Event, named: Named, holder: Holder, found: Object, at: int | None, revision: int, writer: Writer
    ) -> Iterator[KeyEvent]:
        """What a late write named and was not credited yet, and what it removed that was never there."""
        others, since, until = self.unnamed.get(holder, ({}, None, None))
        content = content_of(holder[0], found)
        absent = [spot for spot in self.not_there(holder, named.keys) if (spot[0], "", spot[1]) not in others]
        yield from self.missed(absent, holder, content, at, revision, writer)
        made_whole = event.verb == "update" and base_of(bytes(event.request_object)) in (since, None)
        for field, path, key in sorted(others):
            shown = content.get(field, {}).get(path.partition("/")[0] or key)
            took_away = shown is None and named.is_apply
            if shown is None and event.verb == "create":
                continue  # it was written later
            if not (made_whole or took_away or named.names(field, path.partition("/")[0] or key)):
                continue
            seen = others.pop((field, path, key))
            if path:
                continue  # an entry of a document, which is credited with the key that holds it
            made = seen._replace(at=at, revision=revision, **writer._asdict())
            if shown is None:
                yield made._replace(op=DELETE, value_bytes=-1, value_hash=0, shape="")
            else:
                code, size, shape = self.states.facts(shown, is_secret=holder[0] == "secrets")
                yield made._replace(op=SET, value_bytes=size, value_hash=code, shape=shape)
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
        document = document_in(body)
        changed = patched_by(document, holder[0])
        if changed is WHOLE and (anew := replaced_by(document, holder[0])) is not None:
            changed = {field: dict.fromkeys(self.states.keys(holder, field)) | values for field, values in anew.items()}
        if changed is None or changed is WHOLE:
            self.states.blur(holder)
            self.blind.hidden(holder, f"level {event.level} does not show what {event.verb} changed", at)
            yield self.of_map(holder, HIDDEN_WRITE, at, None, writer)
            return
        absent = self.not_there(holder, changed)
        count = len(absent)
        for field, values in changed.items():
            for made in self.states.patch(holder, field, values, at, None, writer):
                count += 1
                is_copied = made.op == SET and values.get(made.key) is COPIED
                yield made._replace(value_bytes=-1, value_hash=0, shape="") if is_copied else made
        yield from self.missed(absent, holder, {}, at, None, writer)
        if is_apply(body):
            list(self.released(body, holder, {}, at, None, writer))  # what it has now, for the next one
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
        now = applied_in(body)
        if now is None:
            return
        place = (*holder, writer.manager)
        for field, key in sorted(self.applied.get(place, set()) - now):
            if key in content.get(field, {}):
                yield KeyEvent(
                    at, revision, *holder, field, "", key, RELEASED, -1, 0, "", 0, 0, *writer, "", ORIGIN, False
                )  # fmt: skip
        self.applied[place] = now

    def not_known(self, holder: Holder, why: str, at: int | None) -> None:
        """Told when it takes what came before to say what was tried."""
        self.blind.gap(holder[0], holder[1], why, at)

    def _would_replace(self, body: bytes, holder: Holder) -> Patched:
        """The keys that a patch of whole fields would have removed, or perhaps: those that it does not name."""
        names = {field: self.states.keys(holder, field) for field in FIELDS}
        return {
            field: {key: None for key in keys if f'"{key}"'.encode("utf-8", "surrogatepass") not in body}
            for field, keys in names.items()
        }

    def _would_apply(self, now: set[tuple[str, str]], holder: Holder, at: int | None, writer: Writer) -> Patched:
        """What a server-side apply that was refused would have removed: what this manager applied before, and names no longer."""
        before = self.applied.get((*holder, writer.manager))
        if before is None:
            self.not_known(holder, "an apply was refused, and what its manager applied before is not in the log", at)
        found: Patched = {}
        for field, key in sorted((before or set()) - now):
            found.setdefault(field, {})[key] = None
        return found

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

    def refused(self, event: Event, kind: str, at: int | None, writer: Writer) -> Iterator[KeyEvent]:
        """A write that the API server refused, key by key where the request and what is known of the map show them."""
        reference, status = event.object_ref, event.response_status
        assert reference is not None
        assert status is not None
        if status.code == 404 and event.verb in {"delete", "deletecollection"}:
            return
        error = f"{status.code} {status.reason}: {status.message}"[:300]
        holder = (kind, reference.namespace, reference.name)
        if event.verb == "deletecollection":
            return  # nothing was changed, and no key was meant
        changed: Patched = {}
        body = bytes(event.request_object)
        if event.verb in {"update", "patch", "delete"}:
            self.told = holder, False  # what it would have removed the state tells
            is_shown = bool(body) or event.verb == "delete"  # which asks for all keys to go
            if not is_shown:
                self.blind.gap(kind, holder[1], f"level {event.level} does not show what a refused {event.verb} asked for", at)
            named = patched(body, kind) if event.verb == "patch" else WHOLE
            if is_shown and named is WHOLE and not self.states.is_whole(holder):
                self.not_known(holder, f"a whole {event.verb} was refused of a map of which not all is known", at)
        if event.verb == "delete":
            changed = {field: dict.fromkeys(self.states.keys(holder, field)) for field in FIELDS}
        elif event.verb == "patch":
            changed = self._would_replace(body, holder) if named is WHOLE else named or {}
            if (applied := applied_in(body)) is not None:
                changed = self._would_apply(applied, holder, at, writer)
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
