"""What the writes and deletions of etcd's keys mean: where kube-apiserver stores what, and what changed from one revision to the next.

Source: apiserver v0.37 storage prefixes; encryption prefixes in encryptionconfig/config.go
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ghostkey.model.counts import counted
from ghostkey.model.errors import place_of
from ghostkey.model.history import (
    CREATED,
    DELETE,
    DELETED,
    DELETING,
    SEEN,
    SET,
    Covered,
    HistoryEvent,
    KeyEvent,
    SubjectEvent,
    Writer,
)
from ghostkey.sources.history.common import MAPS, entries_at, paths_for
from ghostkey.sources.history.etcd.again import Known
from ghostkey.sources.history.etcd.large import LargeMap, SmallMap
from ghostkey.sources.history.etcd.stored import DATA, Managed, Stored, decode, entries, map_entries
from ghostkey.sources.history.etcd.wire import DamagedValueError, text
from ghostkey.sources.history.facts import KeyedHash, content_of_object
from ghostkey.sources.history.states import MapStates

ENCRYPTED = b"k8s:enc:"
LARGE_BYTES = 512  # of a map, from which on the entries that changed are looked for, rather than all decoded
MOST = (1 << 63) - 1  # etcd's numbers are signed, and so are the store's
SPOTS_KEPT = 200_000  # keys of etcd whose parts are remembered
RAW_BYTES = 64 << 20  # of maps as last seen, and as much of all objects
# kube-apiserver's own names for what it stores elsewhere than under its resource; Source: apiserver v0.37 storage prefixes
RENAMED = {"minions": "nodes", "services/specs": "services", "services/endpoints": "endpoints"}
IGNORED = {"events", "leases", "masterleases", "ranges", "endpointslices", "endpoints", "health"}
GROUPS = {  # groups of built-in kinds, which their keys leave out; the rest is read from values
    "deployments": "apps", "replicasets": "apps", "statefulsets": "apps", "daemonsets": "apps", "controllerrevisions": "apps",
    "jobs": "batch", "cronjobs": "batch", "ingress": "networking.k8s.io", "networkpolicies": "networking.k8s.io",
    "roles": "rbac.authorization.k8s.io", "rolebindings": "rbac.authorization.k8s.io",
    "clusterroles": "rbac.authorization.k8s.io", "clusterrolebindings": "rbac.authorization.k8s.io",
}  # fmt: skip


class _Managers:
    """Who wrote a key of a map that several managers write: whose entry in managedFields changed, and owns it."""

    def __init__(self, found: Stored, before: frozenset[tuple[bytes, int | None, int]]) -> None:
        self._data, self._entries = found.data, found.managed
        signed = [(found.data[a:b], at, hash(found.data[c:d])) for a, b, at, _, c, d in found.managed]
        self.signatures = frozenset(signed)
        self._changed = [entry for entry, mark in zip(found.managed, signed, strict=True) if mark not in before]

    def of(self, key: str, *, is_gone: bool) -> str:
        """The manager that set a key, or removed it; empty when managedFields do not tell."""
        name = b'"f:' + key.encode("utf-8", "surrogatepass") + b'":'
        owns = [entry for entry in self._entries if self._data.find(name, entry.begin, entry.end) >= 0]
        if is_gone:
            # its entry has lost the key, or went with its last one: that which changed, if it is but one
            lost = [entry for entry in self._changed if entry not in owns]
            return self._name(lost[0]) if len(lost) == 1 else ""
        chosen = [entry for entry in owns if entry in self._changed] or owns
        return self._name(max(chosen, key=lambda entry: entry.at or 0)) if chosen else ""

    def _name(self, entry: Managed) -> str:
        return text(self._data, entry.name_begin, entry.name_end)


@dataclass(slots=True)
class Reader:
    """Turns puts and deletes of etcd keys, in the order of revisions, into events. One for each source."""

    origin: str
    digest: KeyedHash
    fields: list[tuple[str, str]] = field(default_factory=list)
    states: MapStates = field(init=False)
    last_time: int | None = None
    first_time: int | None = None
    damaged: int = 0
    bugs: Counter[str] = field(default_factory=Counter)  # what went wrong here, and how often
    encrypted: Counter[tuple[str, str]] = field(default_factory=Counter)  # (kind, provider) → values
    _maps: OrderedDict[tuple[str, str, str], tuple[LargeMap | SmallMap, int]] = field(
        default_factory=OrderedDict
    )  # with its bytes
    _map_bytes: int = 0
    _known: dict[bytes, Known] = field(default_factory=dict)  # etcd key → the object as decoded last
    _known_bytes: int = 0
    _kinds: dict[str, str] = field(default_factory=dict)  # place in etcd → qualified resource
    _spots: dict[bytes, tuple[str, str, str] | None] = field(default_factory=dict)
    # of maps with several managers, what each owned last
    _managers: dict[tuple[str, str, str], frozenset[tuple[bytes, int | None, int]]] = field(default_factory=dict)
    _versions: dict[bytes, int] = field(default_factory=dict)  # etcd key → version last seen
    _alive: dict[bytes, str] = field(default_factory=dict)  # etcd key → UID

    def __post_init__(self) -> None:
        self.states = MapStates(self.origin, self.digest)

    def put(
        self,
        key: bytes,
        data: bytes,
        begin: int,
        end: int,
        revision: int | None,
        *,
        is_new: bool,
        is_recovered: bool = False,
        version: int = 0,
    ) -> Iterable[HistoryEvent]:
        """Events of one write, whose value lies in `data` from `begin` to `end`.

        `is_new`: the key did not exist before. `version` counts its writes: 0 when not known.

        After a write that is missing, the difference to the last known state is nobody's: the map is only seen then.
        """
        spot = self._spot_at(key, revision)
        if spot is None:
            return ()
        self.states.is_recovered = is_recovered
        if version:
            before = self._versions.get(key)
            self._versions[key] = version
            is_new = is_new and version == 1
            if before is not None and before != version - 1:
                self._forget(spot)
        place, namespace, name = spot
        if data.startswith(ENCRYPTED, begin):
            provider = ":".join(data[begin : min(end, begin + 80)].decode("ascii", "replace").split(":")[2:5])
            self.encrypted[self._kinds.get(place) or _guess(place), provider] += 1
            self._forget(spot)  # what it is now nobody knows
            return ()
        events: list[HistoryEvent] = []
        try:
            found = self._decoded(key, data, begin, end)
            self._tick(found.time)
            qualified = self._qualified(place, found)
            holder = (qualified, found.namespace or namespace, found.name or name)
            if is_new or found.deleting or key not in self._alive:
                events += self._subject(key, holder, found, revision, is_new=is_new, is_recovered=is_recovered)
            self._alive[key] = found.uid
            if qualified in MAPS:
                events += self._map(holder, found, revision, is_new=is_new)
            if found.document is not None:
                for path in paths_for(self.fields, qualified):
                    events += self._field(holder, found, path, revision, is_new=is_new)
        except DamagedValueError:
            self.damaged += 1
        except Exception as error:  # noqa: BLE001 (a stranger's value is behind it, and the rest waits)
            self.bugs[place_of(error)] += 1
        return events

    def _decoded(self, key: bytes, data: bytes, begin: int, end: int) -> Stored:
        """The object in a value; most are in a state that differs from the last one in little."""
        known = self._known.pop(key, None)
        self._known_bytes -= known.size if known is not None else 0
        if known is not None and known.moved(data, begin, end):
            found = known.found
        else:
            known, found = None, decode(data, begin, end)
            if found.document is None and all(entry.seconds for entry in found.managed):
                known = Known(found, begin, end)
        if known is not None:
            self._known_bytes += known.size
            if self._known_bytes > RAW_BYTES:
                self._known.clear()
                self._known_bytes = known.size
            self._known[key] = known
        return found

    def _forget(self, spot: tuple[str, str, str]) -> None:
        holder = (self._kinds.get(spot[0], spot[0]), spot[1], spot[2])
        self._drop_raw(holder)
        self.states.forget(holder)

    def delete(self, key: bytes, revision: int | None, *, is_recovered: bool = False) -> Iterator[HistoryEvent]:
        """Events of one deletion. Its time is that of the last write before it: etcd keeps none."""
        spot = self._spot_at(key, revision)
        if spot is None:
            return
        place, namespace, name = spot
        qualified = self._kinds.get(place) or _guess(place)
        uid = self._alive.pop(key, "")
        self._versions.pop(key, None)
        yield SubjectEvent(
            self.last_time, revision, qualified, namespace, name, uid, DELETED, *Writer(), self.origin, is_recovered
        )  # fmt: skip
        holder = (qualified, namespace, name)
        if self.states.known(holder):
            self._drop_raw(holder)
            self.states.is_recovered = is_recovered
            yield from self.states.gone(holder, self.last_time, revision)

    def _tick(self, at: int | None) -> None:
        if at is not None:
            self.last_time = at if self.last_time is None else max(at, self.last_time)
            self.first_time = at if self.first_time is None else min(at, self.first_time)

    def _spot_at(self, key: bytes, revision: int | None) -> tuple[str, str, str] | None:
        """As `_spot`; None, and damage, for a revision that no etcd has."""
        spot = self._spot(key)
        if spot is not None and revision is not None and revision > MOST:
            self.damaged += 1
            return None
        return spot

    def _spot(self, key: bytes) -> tuple[str, str, str] | None:
        """Place, namespace and name of what kube-apiserver stores under a key; None for what is no subject."""
        try:
            return self._spots[key]
        except KeyError:
            pass
        if len(self._spots) > SPOTS_KEPT:
            self._spots.clear()
        found = self._spots[key] = self._parse_key(key)
        return found

    @staticmethod
    def _parse_key(key: bytes) -> tuple[str, str, str] | None:
        parts = key.decode("utf-8", "replace").split("/")
        if len(parts) < 4 or parts[0]:
            return None
        # the first part is the prefix, `registry` unless --etcd-prefix says otherwise
        rest = parts[2:]
        width = 2 if "." in rest[0] or "/".join(rest[:2]) in RENAMED else 1
        place, rest = "/".join(rest[:width]), rest[width:]
        if place.rpartition("/")[2] in IGNORED or rest[:1] == [""] or not rest:
            return None
        return place, "/".join(rest[:-1]), rest[-1]

    def _qualified(self, place: str, found: Stored) -> str:
        known = self._kinds.get(place)
        if known is None:
            resource = RENAMED.get(place, place.rpartition("/")[2])
            resource = "ingresses" if resource == "ingress" else resource
            known = self._kinds[place] = f"{resource}.{found.group}" if found.group else resource
        return known

    def _subject(
        self, key: bytes, holder: tuple[str, str, str], found: Stored, revision: int | None, *, is_new: bool, is_recovered: bool
    ) -> Iterator[SubjectEvent]:
        if found.deleting and found.finalizers:
            op, at = DELETING, self.last_time
        elif is_new:
            op, at = CREATED, found.created if found.created is not None else self.last_time
        elif key not in self._alive:
            op, at = SEEN, found.created
        else:
            return
        yield SubjectEvent(at, revision, *holder, found.uid, op, *Writer(manager=found.manager), self.origin, is_recovered)

    def _map(self, holder: tuple[str, str, str], found: Stored, revision: int | None, *, is_new: bool) -> Iterable[HistoryEvent]:
        if len(found.managed) < 2:
            return self._changes(holder, found, revision, is_new=is_new)
        writes = _Managers(found, self._managers.get(holder, frozenset()))
        if len(self._managers) > SPOTS_KEPT:
            self._managers.clear()
        self._managers[holder] = writes.signatures
        return (
            event._replace(
                manager=writes.of(event.path.partition("/")[0] or event.key, is_gone=event.op == DELETE and not event.path)
            )
            for event in self._changes(holder, found, revision, is_new=is_new)
        )

    def _changes(self, holder: tuple[str, str, str], found: Stored, revision: int | None, *, is_new: bool) -> Iterable[KeyEvent]:
        writer = Writer(manager=found.manager)
        if found.document is not None:
            content = content_of_object(found.document, is_secret=holder[0] == "secrets")
        elif holder[0] == "secrets":
            content = {"data": entries(found.data, found.body, found.end, DATA)}
        else:
            changed = self._changed(holder, found)
            if changed is not None:
                return self.states.patch(holder, "data", changed, self.last_time, revision, writer) if changed else ()
            content = map_entries(found.data, found.body, found.end)
        if not self.states.known(holder):
            first = self.states.first(holder, content, SET if is_new else SEEN, self.last_time, revision, writer)
            if first is not None:
                return first
        return self.states.changes(holder, content, self.last_time, revision, writer, is_new=is_new)

    def _changed(self, holder: tuple[str, str, str], found: Stored) -> dict[str, bytes | None] | None:
        """The entries of a ConfigMap that changed, None for one that went; None when it is not all `data`, or not known from before."""
        where, size = (found.data, found.body, found.end), found.end - found.body
        known, held = self._maps.get(holder, (None, 0))
        sort = LargeMap if size > LARGE_BYTES else SmallMap
        try:
            if type(known) is not sort or not self.states.known(holder):
                self._keep_raw(holder, sort(*where), size)
                return None
            before, after = known.change(*where)
            self._maps[holder] = known, size
            self._map_bytes += size - held
            self._bound_raw()
        except DamagedValueError:
            self._drop_raw(holder)
            return None
        if before == after:
            return {}
        changed: dict[str, bytes | None] = {key: None for key in before if key not in after}
        changed |= {key: value for key, value in after.items() if before.get(key) != value}
        return changed

    def _keep_raw(self, holder: tuple[str, str, str], data: LargeMap | SmallMap, size: int) -> None:
        self._drop_raw(holder)
        self._maps[holder] = data, size
        self._map_bytes += size
        self._bound_raw()

    def _bound_raw(self) -> None:
        while self._map_bytes > RAW_BYTES:
            self._drop_raw(next(iter(self._maps)))

    def _drop_raw(self, holder: tuple[str, str, str]) -> None:
        _, size = self._maps.pop(holder, (None, 0))
        self._map_bytes -= size

    def _field(
        self, holder: tuple[str, str, str], found: Stored, path: str, revision: int | None, *, is_new: bool
    ) -> Iterator[HistoryEvent]:
        content, writer = entries_at(found.document, path) or {}, Writer(manager=found.manager)
        yield from self.states.field_entries(holder, path, content, self.last_time, revision, writer, is_new=is_new)

    def still_there(self, keys: Mapping[bytes, int], revision: int) -> Iterator[SubjectEvent]:
        """That what is there was there at a compaction, where its own events do not say so: what is not told to be had gone by then.

        `keys`: the last revision of each that was not deleted.
        """
        for key, last in keys.items():
            spot = self._spot(key) if last < revision or key not in self._alive else None
            if spot is not None:
                holder = (self._kinds.get(spot[0]) or _guess(spot[0]), *spot[1:])
                yield SubjectEvent(None, revision, *holder, self._alive.get(key, ""), SEEN, *Writer(), self.origin, False)

    def gaps(self) -> Iterator[Covered]:
        """What could not be read, as gaps of the whole span."""
        span = (self.first_time, self.last_time, None, None)
        for (kind, provider), number in self.encrypted.items():
            why = f"keys not readable: {counted(number, f'value of {kind} is', f'values of {kind} are')} encrypted by {provider}"
            yield Covered(self.origin, kind, "*", *span, True, why)
        if self.damaged:
            yield Covered(self.origin, "*", "*", *span, True, f"{counted(self.damaged, 'value is', 'values are')} damaged")
        for place, number in self.bugs.items():
            yield Covered(
                self.origin, "*", "*", *span, True, f"{counted(number, 'value')} not read: this is a bug in ghostkey: {place}"
            )


def _guess(place: str) -> str:
    """The qualified resource of a place no value was seen of."""
    group, slash, resource = place.rpartition("/")
    if slash and place not in RENAMED:
        return f"{resource}.{group}"
    resource = RENAMED.get(place, resource)
    group = GROUPS.get(resource, "")
    resource = "ingresses" if resource == "ingress" else resource
    return f"{resource}.{group}" if group else resource
