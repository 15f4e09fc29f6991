"""What changed from one state of a map to the next, as KeyEvents; shared by all sources of history."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Iterator, Mapping
from typing import TYPE_CHECKING

from ghostkey.model.history import DELETE, NOBODY, SEEN, SET, KeyEvent, Writer
from ghostkey.sources import _values
from ghostkey.sources.history.facts import FIELDS, Facts, KeyedHash, ValueFacts

if TYPE_CHECKING:
    from ghostkey.sources.history.packed import PackedStates

Place = tuple[str, str]  # field and path
States = dict[Place, dict[str, Facts]]
Holder = tuple[str, str, str]  # kind, namespace, name
KEYS_KEPT = 500_000  # of maps whose last state is remembered: about 100 MB; an empty map counts as one
NO_FACTS: Facts = (0, -1, "")  # of a key that is gone
_new = tuple.__new__  # a named tuple's own constructor takes four times as long


class MapStates:
    """The last known state of each map; `change` yields what a new one means."""

    def __init__(self, origin: str, digest: KeyedHash, states: PackedStates | None = None, keys_kept: int = KEYS_KEPT) -> None:
        """`states` is where they are kept, if not as they are; `keys_kept` how many keys they have before the oldest go."""
        self.origin, self.facts = origin, ValueFacts(digest)
        self._states: OrderedDict[Holder, States] | PackedStates = OrderedDict() if states is None else states
        self._keys_kept = keys_kept
        self.is_recovered = False  # marks events from now on: what they are told from was freed already
        self._kept = 0
        self.forgotten = 0
        self._partial: set[Holder] = set()  # maps of which only some keys are known

    def keys(self, holder: tuple[str, str, str], field: str) -> Mapping[str, Facts]:
        """The keys of one field as last known."""
        return self._states.get(holder, {}).get((field, ""), {})

    def nested(self, holder: tuple[str, str, str]) -> set[Place]:
        """Where in values of this map there are maps."""
        return {place for place in self._states.get(holder, {}) if place[1]}

    def all(self) -> dict[tuple[str, str, str], States]:
        """Every state that is remembered."""
        return dict(self._states.items())

    def adopt(self, holder: tuple[str, str, str], state: States, *, is_whole: bool = True) -> None:
        """Takes a state that somebody else followed."""
        self._keep(holder, state)
        if is_whole:
            self._partial.discard(holder)
        else:
            self._partial.add(holder)

    def state(self, holder: tuple[str, str, str]) -> States | None:
        """The state of a map; `patch` changes it in place."""
        return self._states.get(holder)

    def grown(self) -> None:
        """Says that a key was added to a state from without."""
        self._kept += 1

    def known(self, holder: tuple[str, str, str]) -> bool:
        """Whether the map has a state from which a change can be told."""
        return holder in self._states

    def is_whole(self, holder: Holder) -> bool:
        """Whether all keys of the map are known, rather than those that were written since it was seen first."""
        return holder in self._states and holder not in self._partial

    def blur(self, holder: Holder) -> None:
        """Says that keys of the map may have gone, or changed, in a way that was not shown; the next whole state tells which."""
        if holder in self._states:
            self._partial.add(holder)

    def forget(self, holder: tuple[str, str, str]) -> None:
        """Says that the map changed in a way that was not shown."""
        self._kept -= _size(self._states.pop(holder, None))
        self._partial.discard(holder)

    def changes(
        self,
        holder: tuple[str, str, str],
        content: Mapping[str, Mapping[str, bytes]],
        at: int | None,
        revision: int | None,
        writer: Writer = NOBODY,
        *,
        is_new: bool = False,
    ) -> Iterator[KeyEvent]:
        """KeyEvents that lead from the last state to this whole one: field → key → value.

        The first whole state of a map that was not just created is only `seen`.
        """
        before = self._states.get(holder)
        after: States = {}
        if before is None and (events := self.first(holder, content, SET if is_new else SEEN, at, revision, writer)) is not None:
            yield from events
            return
        for field in FIELDS:
            values = content.get(field)
            if values:
                self._add(holder[0], after, field, values, before)
        op = SET if is_new or self.is_whole(holder) else SEEN
        yield from self._diff(holder, before or {}, after, op, at, revision, writer)
        self._keep(holder, after)
        self._partial.discard(holder)

    def first(
        self,
        holder: Holder,
        content: Mapping[str, Mapping[str, bytes]],
        op: str,
        at: int | None,
        revision: int | None,
        writer: Writer,
    ) -> list[KeyEvent] | None:
        """The events of a map of which nothing was known, in one loop; None when a value may hold a map, which `changes` looks into."""
        kind, namespace, name = holder
        if kind == "secrets":
            return None
        after: States = {}
        user, manager, agent, source_ip, audit_id, verb = writer
        copy, origin, is_recovered, shape_of = self.facts.digest.copy, self.origin, self.is_recovered, self.facts.shape
        events: list[KeyEvent] = []
        for field in FIELDS:
            values = content.get(field)
            if not values:
                continue
            top = after[field, ""] = {}
            for key, raw in values.items():
                hashing = copy()
                hashing.update(raw)
                code, size = int.from_bytes(hashing.digest(), "big") >> 1, len(raw)
                shape, document = shape_of(raw, is_secret=False)
                if document and _values.may_hold_maps(document):
                    return None
                top[key] = (code, size, shape)
                events.append(
                    _new(
                        KeyEvent,
                        (
                            at, revision, kind, namespace, name, field, "", key, op, size, code, shape, 1, size + len(key), user,
                            manager, agent, source_ip, audit_id, verb, "", origin, is_recovered,
                        ),
                    )
                )  # fmt: skip
        self._keep(holder, after)
        return events

    def patch(
        self,
        holder: tuple[str, str, str],
        field: str,
        changed: Mapping[str, bytes | None],
        at: int | None,
        revision: int | None,
        writer: Writer = NOBODY,
    ) -> list[KeyEvent]:
        """KeyEvents of keys that were set to a value, or removed (None), in a map whose other keys stayed as they were.

        Costs what changed, not what the map holds.
        """
        state = self._states.get(holder)
        if state is None:
            state = {}
            self._keep(holder, state)
            self._partial.add(holder)
        top = state.get((field, ""))
        if top is None:
            top = state[field, ""] = {}
        kind, namespace, name = holder
        user, manager, agent, source_ip, audit_id, verb = writer
        digest, origin, is_secret = self.facts.digest, self.origin, kind == "secrets"
        events: list[KeyEvent] = []
        documents: list[tuple[str, object]] = []
        nested, is_whole = is_nested(state), holder not in self._partial
        for key, raw in changed.items():
            held = top.get(key)
            if raw is None:
                if held is None:
                    continue
                del top[key]
                op, code, size, shape, appeared, grown = DELETE, 0, -1, "", -1, -held[1] - len(key)
            else:
                op, code, size = SET, digest(raw), len(raw)
                if held is None:
                    appeared, grown = 1, size + len(key)
                elif held[0] == code and held[1] == size and is_whole:
                    continue
                else:
                    appeared, grown = 0, size - held[1]  # where others may have written in between, the same is news
                shape, document = self.facts.shape(raw, is_secret=is_secret)
                top[key] = (code, size, shape)
                if document and not is_secret and (nested or _values.may_hold_maps(document)):
                    documents.append((key, document))
            self._kept += appeared
            events.append(
                _new(
                    KeyEvent,
                    (
                        at, revision, kind, namespace, name, field, "", key, op, size, code, shape, appeared, grown, user,
                        manager, agent, source_ip, audit_id, verb, "", origin, self.is_recovered,
                    ),
                )
            )  # fmt: skip
        if documents or nested:
            events += self._patch_documents(
                holder, state, field, {event.key for event in events}, documents, at, revision, writer
            )
        return events

    def _patch_documents(
        self,
        holder: tuple[str, str, str],
        state: States,
        field: str,
        changed: Container[str],
        documents: list[tuple[str, object]],
        at: int | None,
        revision: int | None,
        writer: Writer,
    ) -> list[KeyEvent]:
        """KeyEvents of the entries of documents in the values that changed; `changed` are the keys of these."""
        old = {
            place: facts for place, facts in state.items() if place[1] and place[0] == field and place[1].split("/")[0] in changed
        }
        after: States = {}
        least = _values.NESTED_ENTRIES if len(state[field, ""]) <= 16 else _values.NESTED_ENTRIES_AMONG_MANY
        for key, document in documents:
            for path, entries in _values.nested_maps(document, 1 if self._was_map(old, field, key) else least):
                after[field, "/".join((key, *path))] = {name: self.facts.of_entry(entry) for name, entry in entries.items()}
        for place in old:
            del state[place]
        state.update(after)
        self._kept += sum(map(len, after.values())) - sum(map(len, old.values()))
        return list(self._diff(holder, old, after, SET, at, revision, writer))

    def gone(
        self, holder: tuple[str, str, str], at: int | None, revision: int | None, writer: Writer = NOBODY
    ) -> Iterator[KeyEvent]:
        """KeyEvents of a map that was deleted as a whole."""
        before = self._states.get(holder)
        if before:
            yield from self._diff(holder, before, {}, SET, at, revision, writer)
        self._keep(holder, {})
        self._partial.discard(holder)

    def field_entries(
        self,
        holder: tuple[str, str, str],
        field: str,
        entries: Mapping[str, object],
        at: int | None,
        revision: int | None,
        writer: Writer = NOBODY,
        *,
        is_new: bool = False,
    ) -> Iterator[KeyEvent]:
        """As `changes`, for a map-valued field of any other kind, whose entries are decoded already."""
        before = self._states.get(holder)
        facts = {str(key): self.facts.of_entry(entry, is_secret=holder[0] == "secrets") for key, entry in entries.items()}
        after: States = {(field, ""): facts}
        old = {place: held for place, held in (before or {}).items() if place[0] == field}
        op = SET if is_new or before is not None else SEEN
        yield from self._diff(holder, old, after, op, at, revision, writer)
        others = {place: held for place, held in (before or {}).items() if place[0] != field}
        self._keep(holder, others | after)

    def _add(
        self,
        kind: str,
        after: States,
        field: str,
        values: Mapping[str, bytes],
        before: States | None,
        top: dict[str, Facts] | None = None,
    ) -> None:
        held = before.get((field, ""), {}) if before else {}
        if top is None:
            top = after.setdefault((field, ""), {})
        documents: list[tuple[str, object]] = []
        digest = self.facts.digest
        nested = {place[1].partition("/")[0] for place in before if place[0] == field and place[1]} if before else ()
        for key, raw in values.items():
            known = held.get(key)
            code = digest(raw)
            if known is not None and known[0] == code and known[1] == len(raw):
                top[key] = known
                if before and key in nested:
                    # the entries of a document that did not change
                    after.update(
                        {place: facts for place, facts in before.items() if place[0] == field and place[1].split("/")[0] == key}
                    )
                continue
            name, document = self.facts.shape(raw, is_secret=kind == "secrets")
            top[key] = (code, len(raw), name)
            if document and kind != "secrets":
                documents.append((key, document))
        for key, document in documents:
            least = _values.NESTED_ENTRIES if len(values) <= 16 else _values.NESTED_ENTRIES_AMONG_MANY
            for path, found in _values.nested_maps(document, 1 if key in nested else least):
                after[field, "/".join((key, *path))] = {name: self.facts.of_entry(entry) for name, entry in found.items()}

    @staticmethod
    def _was_map(before: States | None, field: str, key: str) -> bool:
        """Whether a document was a map when it was larger: one that shrinks to two entries is still the same map."""
        return bool(before) and any(place[0] == field and place[1].split("/")[0] == key for place in before or ())

    def _diff(
        self,
        holder: tuple[str, str, str],
        before: States,
        after: States,
        op: str,
        at: int | None,
        revision: int | None,
        writer: Writer,
    ) -> Iterator[KeyEvent]:
        kind, namespace, name = holder
        user, manager, agent, source_ip, audit_id, verb = writer
        origin = self.origin
        places = list(after) + [place for place in before if place not in after]
        for field, path in places:
            old, new = before.get((field, path), {}), after.get((field, path), {})
            changes: list[tuple[str, str, Facts, int, int]] = []
            for key, facts in new.items():
                held = old.get(key)
                if held is None:
                    changes.append((key, op, facts, 1, facts[1] + len(key)))
                elif held is not facts and held != facts:
                    changes.append((key, op, facts, 0, facts[1] - held[1]))
            changes += ((key, DELETE, NO_FACTS, -1, -old[key][1] - len(key)) for key in sorted(old.keys() - new.keys()))
            for key, what, (code, size, shape), appeared, grown in changes:
                yield _new(
                    KeyEvent,
                    (
                        at, revision, kind, namespace, name, field, path, key, what, size, code, shape, appeared, grown, user,
                        manager, agent, source_ip, audit_id, verb, "", origin, self.is_recovered,
                    ),
                )  # fmt: skip

    def _keep(self, holder: tuple[str, str, str], state: States) -> None:
        self._kept += _size(state) - _size(self._states.get(holder))
        self._states[holder] = state
        self._states.move_to_end(holder)
        while self._kept > self._keys_kept and len(self._states) > 1:
            other, oldest = self._states.popitem(last=False)
            self._kept -= _size(oldest)
            self._partial.discard(other)
            self.forgotten += 1


def is_nested(state: States) -> bool:
    """Whether there are maps within values of a map."""
    return len(state) > 1 and any(path for _, path in state)


def _size(state: States | None) -> int:
    return 0 if state is None else 1 + sum(map(len, state.values()))
