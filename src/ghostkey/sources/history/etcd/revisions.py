"""What kube-apiserver stores in etcd: the names of its keys, and the protobuf or JSON of its values.

Source: k8s.io/apimachinery v0.37 runtime/generated.proto (Unknown), k8s.io/api core/v1 generated.proto (ConfigMap, Secret),
meta/v1 generated.proto (ObjectMeta); encryption prefixes in apiserver v0.37 encryptionconfig/config.go.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ghostkey.foreign import UnreadableError, decode_json
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
    microseconds,
)
from ghostkey.sources.history.common import common_beginning, common_end, entries_at, paths_for
from ghostkey.sources.history.states import KeyedHash, MapStates, content_of_object

PROTOBUF = b"k8s\x00"
ENCRYPTED = b"k8s:enc:"
LARGE_BYTES = 512  # from here on the entries that changed are looked for, rather than all decoded
MOST = (1 << 63) - 1  # etcd's numbers are signed, and so are the store's
LAST_SECOND = 253_402_300_799  # of the year 9999
MANAGED_FIELDS = 17  # number of this field in ObjectMeta
DATA, BINARY_DATA = 2, 3  # numbers of these fields in ConfigMap; Secret has data as 2 too
SPOTS_KEPT = 200_000  # keys of etcd whose parts are remembered
MARK_ENTRIES = 32
RAW_BYTES = 64 << 20  # of maps as last seen
# kube-apiserver's own names for what it stores elsewhere than under its resource; Source: apiserver v0.37 storage prefixes
RENAMED = {"minions": "nodes", "services/specs": "services", "services/endpoints": "endpoints"}
IGNORED = {"events", "leases", "masterleases", "ranges", "endpointslices", "endpoints", "health"}
GROUPS = {  # groups of built-in kinds, which their keys leave out; the rest is read from values
    "deployments": "apps", "replicasets": "apps", "statefulsets": "apps", "daemonsets": "apps", "controllerrevisions": "apps",
    "jobs": "batch", "cronjobs": "batch", "ingress": "networking.k8s.io", "networkpolicies": "networking.k8s.io",
    "roles": "rbac.authorization.k8s.io", "rolebindings": "rbac.authorization.k8s.io",
    "clusterroles": "rbac.authorization.k8s.io", "clusterrolebindings": "rbac.authorization.k8s.io",
}  # fmt: skip


class DamagedValueError(ValueError):
    """A value that is not what its first bytes promise."""


@dataclass(slots=True)
class Stored:
    """One decoded value. `time` is the newest time in managedFields, or the creation, in microseconds."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    created: int | None = None
    time: int | None = None
    manager: str = ""
    deleting: bool = False
    finalizers: bool = False
    data: bytes = b""  # protobuf of the object lies in this, its fields after the metadata from `body` to `end`
    body: int = 0
    end: int = 0
    type_meta: tuple[int, int] = (0, 0)  # where it lies in `data`
    document: dict[str, object] | None = None  # of a value stored as JSON
    # of each entry of managedFields: where its manager lies, its time, and where the fields lie that it owns
    managed: list[tuple[int, int, int | None, int, int]] = field(default_factory=list)

    @property
    def group(self) -> str:
        """The API group; empty for the core."""
        if self.document is not None:
            version = str(self.document.get("apiVersion") or "")
        else:
            version = _text(self.data, *last_fields(self.data, *self.type_meta).get((1, 2), NOTHING))
        return version.rpartition("/")[0]


def fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(number, wire type, begin, end) of each field of a protobuf message; for varints `begin` is the number itself.

    Raises DamagedValueError for anything that does not fit in.
    """
    while start < end:
        # nearly all tags and lengths are one byte; a call for each costs more than all the rest
        tag = data[start]
        if tag < 0x80:
            start += 1
        else:
            tag, start = varint(data, start, end)
        kind = tag & 7
        if kind == 2:
            if start < end and (length := data[start]) < 0x80:
                start += 1
            else:
                length, start = varint(data, start, end)
            stop = start + length
            if stop > end:
                raise DamagedValueError("a field is longer than its message")
            yield tag >> 3, kind, start, stop
            start = stop
        elif kind == 0:
            number, start = varint(data, start, end)
            yield tag >> 3, kind, number, start
        elif kind in (1, 5):
            width = 8 if kind == 1 else 4
            if start + width > end:
                raise DamagedValueError("a number is cut short")
            yield tag >> 3, kind, start, start + width
            start += width
        else:
            raise DamagedValueError(f"wire type {kind}")


def last_fields(data: bytes, begin: int, end: int) -> dict[tuple[int, int], tuple[int, int]]:
    """(number, wire type) → (begin, end) of the last field of each number, which is the one that counts."""
    return {(number, kind): (a, b) for number, kind, a, b in fields(data, begin, end)}


NOTHING = (0, 0)


def varint(data: bytes, start: int, end: int) -> tuple[int, int]:
    """The number that begins at `start`, and where the next thing begins."""
    number = shift = 0
    while True:
        if start >= end or shift > 63:
            raise DamagedValueError("a number is cut short")
        byte = data[start]
        start += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, start
        shift += 7


def _text(data: bytes, begin: int, end: int) -> str:
    return data[begin:end].decode("utf-8", "replace")


def decode(data: bytes, begin: int = 0, end: int | None = None) -> Stored:
    """The object in a value; raises DamagedValueError when it is neither protobuf nor JSON of one."""
    end = len(data) if end is None else end
    if data[begin : begin + len(PROTOBUF)] == PROTOBUF:
        return _protobuf(data, begin + len(PROTOBUF), end)
    if data[begin : begin + 1] == b"{":
        return _json(data[begin:end])
    raise DamagedValueError("neither protobuf nor JSON")


def _json(value: bytes) -> Stored:
    try:
        document = decode_json(value)
    except UnreadableError as error:
        raise DamagedValueError(str(error)) from None
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise DamagedValueError("JSON without metadata.name")
    found = Stored(document=document)
    found.name, found.namespace = metadata["name"], str(metadata.get("namespace") or "")
    found.uid = str(metadata.get("uid") or "")
    found.created = found.time = microseconds(str(metadata.get("creationTimestamp") or ""))
    found.deleting, found.finalizers = bool(metadata.get("deletionTimestamp")), bool(metadata.get("finalizers"))
    managed = metadata.get("managedFields")
    for entry in managed if isinstance(managed, list) else ():
        at = microseconds(str(entry.get("time") or "")) if isinstance(entry, dict) else None
        if at is not None and (found.time is None or at >= found.time):
            found.time, found.manager = at, str(entry.get("manager") or "")
    return found


def _protobuf(data: bytes, begin: int, end: int) -> Stored:
    found = Stored(data=data)
    unknown = last_fields(data, begin, end).get  # runtime.Unknown: what it is, and the object
    found.type_meta = unknown((1, 2), NOTHING)
    found.body, found.end = unknown((2, 2), NOTHING)
    for number, kind, a, b in fields(data, found.body, found.end):
        if number == 1 and kind == 2:
            _metadata(data, a, b, found)
            found.body = b
            break
    return found


def _metadata(data: bytes, begin: int, end: int, found: Stored) -> None:
    for number, kind, a, b in fields(data, begin, end):
        if kind != 2:
            continue
        if number == MANAGED_FIELDS:
            _managed(data, a, b, found)
        elif number == 1:
            found.name = _text(data, a, b)
        elif number == 3:
            found.namespace = _text(data, a, b)
        elif number == 5:
            found.uid = _text(data, a, b)
        elif number == 8:
            found.created = _seconds(data, a, b)
            if found.time is None:
                found.time = found.created
        elif number == 9:
            found.deleting = True
        elif number == 14:
            found.finalizers = True


def _managed(data: bytes, begin: int, end: int, found: Stored) -> None:
    manager = NOTHING
    for number, kind, a, b in fields(data, begin, end):
        if kind != 2:
            continue
        if number == 1:
            manager = a, b
        elif number == 4:
            at = _seconds(data, a, b)
            if at is not None and (found.time is None or at >= found.time):
                found.time, found.manager = at, _text(data, *manager)
            found.managed.append((*manager, at, b, end))
            return  # what follows is long, and seldom of use


def _seconds(data: bytes, begin: int, end: int) -> int | None:
    if end - begin == 6 and data[begin] == 0x08:
        # until the year 2106 five bytes hold the seconds, and metadata have nothing finer
        number, _ = varint(data, begin + 1, end)
        return number * 1_000_000
    for number, kind, value, _ in fields(data, begin, end):
        if number == 1 and kind == 0:
            return value * 1_000_000 if value <= LAST_SECOND else None
    return None


Entries = dict[str, bytes]


def entries(raw: bytes, start: int, end: int, number: int) -> Entries:
    """The map in field `number` of a message: data (2) or binaryData (3) of a ConfigMap, data (2) of a Secret."""
    found: Entries = {}
    for field_number, kind, begin, stop in fields(raw, start, end):
        if field_number == number and kind == 2:
            key, value = _entry(raw, begin, stop)
            found[key] = value
    return found


def map_entries(raw: bytes, start: int, end: int) -> dict[str, Entries]:
    """data and binaryData of a ConfigMap, in one pass; most of a snapshot is such entries, and a call for each is half of its time."""
    data: Entries = {}
    binary: Entries = {}
    while start < end:
        tag = raw[start]
        if (tag not in {18, 26}) or start + 6 > end:
            for number, kind, begin, stop in fields(raw, start, end):
                if kind == 2 and number in (DATA, BINARY_DATA):
                    key, value = _entry(raw, begin, stop)
                    (data if number == DATA else binary)[key] = value
            break
        length, begin = raw[start + 1], start + 2
        if length >= 0x80:
            length, begin = varint(raw, start + 1, end)
        start = begin + length
        if start > end:
            raise DamagedValueError("a field is longer than its message")
        if length > 4 and raw[begin] == 0x0A and (size := raw[begin + 1]) < 0x80:
            middle = begin + 2 + size
            if middle + 1 < start and raw[middle] == 0x12:
                size, place = raw[middle + 1], middle + 2
                if size >= 0x80:
                    size, place = varint(raw, middle + 1, start)
                if place + size == start:
                    (data if tag == 0x12 else binary)[raw[begin + 2 : middle].decode("utf-8", "replace")] = raw[place:start]
                    continue
        key, value = _entry(raw, begin, start)
        (data if tag == 0x12 else binary)[key] = value
    return {"data": data, "binaryData": binary}


def _entry(raw: bytes, begin: int, end: int) -> tuple[str, bytes]:
    # as every encoder writes it: key, then value, both shorter than 128 bytes; anything else goes the long way
    if end - begin > 4 and raw[begin] == 0x0A and (length := raw[begin + 1]) < 0x80:
        middle = begin + 2 + length
        if middle + 1 < end and raw[middle] == 0x12 and raw[middle + 1] < 0x80 and middle + 2 + raw[middle + 1] == end:
            return raw[begin + 2 : middle].decode("utf-8", "replace"), raw[middle + 2 : end]
    key, value = "", b""
    for number, kind, a, b in fields(raw, begin, end):
        if kind == 2 and number == 1:
            key = _text(raw, a, b)
        elif kind == 2 and number == 2:
            value = raw[a:b]
    return key, value


class _LargeMap:
    """The data of a large map as last seen: where its bytes lie, and where in them every so many of its entries begin."""

    __slots__ = ("begin", "data", "end", "marks")

    def __init__(self, data: bytes, begin: int, end: int) -> None:
        self.data, self.begin, self.end = data, begin, end
        self.marks: list[int] = []  # found when they are needed: most maps are written once

    def change(self, data: bytes, begin: int, end: int) -> tuple[Entries, Entries]:
        """The entries that are not the same in the old and the new bytes, each parsed from its own beginning."""
        old, marks = self.data, self.marks
        if not marks:
            marks = self.marks = [place - self.begin for place in _starts(old, self.begin, self.end)[::MARK_ENTRIES]] or [0]
        least, shift = min(self.end - self.begin, end - begin), begin - self.begin
        prefix = common_beginning(old, data, least, self.begin, begin)
        # the entry in which the common beginning ends: from the mark before it, entry by entry
        mark = bisect_right(marks, prefix) - 1
        walked = _starts(old, self.begin + marks[mark], self.end, self.begin + prefix)
        first = walked[-1] if walked else self.begin
        same_from = self.end - common_end(old, data, least - (first - self.begin), self.end, end)
        within = _starts(old, first, self.end, same_from - 1)
        rest = self.end - (_next(old, within[-1], self.end) if within else first)
        _starts(data, first + shift, end - rest)  # raises, unless entries fill what is new
        before, after = entries(old, first, self.end - rest, DATA), entries(data, first + shift, end - rest, DATA)
        grown = end - begin - (self.end - self.begin)
        later = [place + grown for place in marks[mark + 1 :] if self.begin + place >= self.end - rest]
        self.marks = marks[: mark + 1] + [place - self.begin for place in walked[MARK_ENTRIES:-1:MARK_ENTRIES]] + later
        self.data, self.begin, self.end = data, begin, end
        return before, after


def _starts(body: bytes, begin: int, end: int, last: int | None = None) -> list[int]:
    """Where entries begin, from one that does to `end`, or to the last that begins at or before `last`."""
    starts = []
    last = end if last is None else last
    while begin < end and begin <= last:
        starts.append(begin)
        begin = _next(body, begin, end)
    return starts


def _next(body: bytes, begin: int, end: int) -> int:
    """Where the entry after this one begins; raises DamagedValueError unless it is an entry and all there."""
    if body[begin] != DATA << 3 | 2:
        raise DamagedValueError("not an entry of data")
    length, place = varint(body, begin + 1, end)
    if place + length > end:
        raise DamagedValueError("an entry is cut short")
    return place + length


class _Managers:
    """Who wrote a key of a map that several managers write: whose entry in managedFields changed, and owns it."""

    def __init__(self, found: Stored, before: frozenset[tuple[bytes, int | None, int]]) -> None:
        self._data, self._entries = found.data, found.managed
        signed = [(found.data[a:b], at, hash(found.data[c:d])) for a, b, at, c, d in found.managed]
        self.signatures = frozenset(signed)
        self._changed = [entry for entry, mark in zip(found.managed, signed, strict=True) if mark not in before]

    def of(self, key: str, *, is_gone: bool) -> str:
        """The manager that set a key, or removed it; empty when managedFields do not tell."""
        name = b'"f:' + key.encode("utf-8", "surrogatepass") + b'":'
        owns = [entry for entry in self._entries if self._data.find(name, entry[3], entry[4]) >= 0]
        if is_gone:
            # its entry has lost the key, or went with its last one: that which changed, if it is but one
            lost = [entry for entry in self._changed if entry not in owns]
            return self._name(lost[0]) if len(lost) == 1 else ""
        chosen = [entry for entry in owns if entry in self._changed] or owns
        return self._name(max(chosen, key=lambda entry: entry[2] or 0)) if chosen else ""

    def _name(self, entry: tuple[int, int, int | None, int, int]) -> str:
        return _text(self._data, entry[0], entry[1])


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
    _large: OrderedDict[tuple[str, str, str], _LargeMap] = field(default_factory=OrderedDict)
    _raw_bytes: int = 0
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
    ) -> Iterator[HistoryEvent]:
        """Events of one write, whose value lies in `data` from `begin` to `end`.

        `is_new`: the key did not exist before. `version` counts its writes: 0 when not known.

        After a write that is missing, the difference to the last known state is nobody's: the map is only seen then.
        """
        spot = self._spot_at(key, revision)
        if spot is None:
            return
        self.states.is_recovered = is_recovered
        if version:
            before = self._versions.get(key)
            self._versions[key] = version
            is_new = is_new and version == 1
            if before is not None and before != version - 1:
                self._forget(spot)
        place, namespace, name = spot
        if data[begin : begin + len(ENCRYPTED)] == ENCRYPTED:
            provider = ":".join(data[begin : min(end, begin + 80)].decode("ascii", "replace").split(":")[2:5])
            self.encrypted[self._kinds.get(place) or _guess(place), provider] += 1
            return
        try:
            found = decode(data, begin, end)
            self._tick(found.time)
            qualified = self._qualified(place, found)
            holder = (qualified, found.namespace or namespace, found.name or name)
            yield from self._subject(key, holder, found, revision, is_new=is_new, is_recovered=is_recovered)
            if qualified in ("configmaps", "secrets"):
                yield from self._map(holder, found, revision, is_new=is_new)
            if found.document is not None:
                for path in paths_for(self.fields, qualified):
                    yield from self._field(holder, found, path, revision, is_new=is_new)
        except DamagedValueError:
            self.damaged += 1
        except Exception as error:  # noqa: BLE001 (a stranger's value is behind it, and the rest waits)
            self.bugs[place_of(error)] += 1

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
            self._alive[key] = found.uid
            return
        self._alive[key] = found.uid
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
        else:
            where = (found.data, found.body, found.end)
            if found.end - found.body > LARGE_BYTES and holder[0] == "configmaps":
                events = self._large_change(holder, found, revision, writer)
                if events is not None:
                    return events
            else:
                self._drop_raw(holder)
            content = map_entries(*where) if holder[0] == "configmaps" else {"data": entries(*where, DATA)}
        if not self.states.known(holder):
            first = self.states.first(holder, content, SET if is_new else SEEN, self.last_time, revision, writer)
            if first is not None:
                return first
        return self.states.changes(holder, content, self.last_time, revision, writer, is_new=is_new)

    def _large_change(
        self, holder: tuple[str, str, str], found: Stored, revision: int | None, writer: Writer
    ) -> Iterator[KeyEvent] | None:
        """What changed in a large map; None when it is not all `data`, or not known from before."""
        known = self._large.get(holder)
        where = (found.data, found.body, found.end)
        try:
            if known is None:
                self._large[holder] = _LargeMap(*where)
                self._raw_bytes += len(found.data)
                while self._raw_bytes > RAW_BYTES:
                    self._drop_raw(next(iter(self._large)))
                return None
            self._raw_bytes += len(found.data) - len(known.data)
            before, after = known.change(*where)
        except DamagedValueError:
            self._drop_raw(holder)
            return None
        changed: dict[str, bytes | None] = {key: None for key in before if key not in after}
        changed |= {key: value for key, value in after.items() if before.get(key) != value}
        return iter(self.states.patch(holder, "data", changed, self.last_time, revision, writer) if changed else ())

    def _drop_raw(self, holder: tuple[str, str, str]) -> None:
        known = self._large.pop(holder, None)
        self._raw_bytes -= len(known.data) if known is not None else 0

    def _field(
        self, holder: tuple[str, str, str], found: Stored, path: str, revision: int | None, *, is_new: bool
    ) -> Iterator[HistoryEvent]:
        content, writer = entries_at(found.document, path) or {}, Writer(manager=found.manager)
        yield from self.states.field_entries(holder, path, content, self.last_time, revision, writer, is_new=is_new)

    def gaps(self) -> Iterator[Covered]:
        """What could not be read, as gaps of the whole span."""
        span = (self.first_time, self.last_time, None, None)
        for (kind, provider), count in self.encrypted.items():
            why = f"keys not readable: {count} values of {kind} are encrypted by {provider}"
            yield Covered(self.origin, kind, "*", *span, True, why)
        if self.damaged:
            yield Covered(self.origin, "*", "*", *span, True, f"{self.damaged} values are damaged")
        for place, count in self.bugs.items():
            yield Covered(self.origin, "*", "*", *span, True, f"{count} values not read: this is a bug in ghostkey: {place}")


def _guess(place: str) -> str:
    """The qualified resource of a place no value was seen of."""
    group, slash, resource = place.rpartition("/")
    if slash and place not in RENAMED:
        return f"{resource}.{group}"
    resource = RENAMED.get(place, resource)
    group = GROUPS.get(resource, "")
    resource = "ingresses" if resource == "ingress" else resource
    return f"{resource}.{group}" if group else resource
