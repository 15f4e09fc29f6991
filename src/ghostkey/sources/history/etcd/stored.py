"""Objects as kube-apiserver stores them in etcd: protobuf or JSON, of which metadata and maps are looked at.

Source: k8s.io/apimachinery v0.37 runtime/generated.proto (Unknown), k8s.io/api core/v1 generated.proto (ConfigMap, Secret),
meta/v1 generated.proto (ObjectMeta)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ghostkey.foreign import UnreadableError, decode_json
from ghostkey.model.history import microseconds
from ghostkey.sources.history.etcd.wire import NOTHING, DamagedValueError, fields, last_fields, text, varint

PROTOBUF = b"k8s\x00"
LAST_SECOND = 253_402_300_799  # of the year 9999
MANAGED_FIELDS = 17  # number of this field in ObjectMeta
DATA, BINARY_DATA = 2, 3  # numbers of these fields in ConfigMap; Secret has data as 2 too
SECONDS_BYTES = 5  # of a time from 2004 to 2106


class Managed(NamedTuple):
    """An entry of managedFields: where the manager's name lies, when it wrote (microseconds), where the seconds of that begin (0: not
    as every API server writes them), and where the fields lie that it owns."""

    name_begin: int
    name_end: int
    at: int | None
    seconds: int
    begin: int
    end: int

    def moved(self, data: bytes, shift: int) -> Managed | None:
        """The same entry so many bytes further in other data, where all but its time is as it was; None when the time is none."""
        seconds = self.seconds + shift
        number, stop = varint(data, seconds, seconds + SECONDS_BYTES)
        if stop != seconds + SECONDS_BYTES:
            return None
        name_begin, name_end, _, _, begin, end = self
        return Managed(name_begin + shift, name_end + shift, number * 1_000_000, seconds, begin + shift, end + shift)


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
    meta: tuple[int, int] = (0, 0)  # where its metadata lie
    managed: list[Managed] = field(default_factory=list)

    def written(self, managed: list[Managed]) -> None:
        """Takes entries of managedFields, and from them the newest time, and whose it is."""
        self.managed, self.time, self.manager = managed, self.created, ""
        for entry in managed:
            if entry.at is not None and (self.time is None or entry.at >= self.time):
                self.time, self.manager = entry.at, text(self.data, entry.name_begin, entry.name_end)

    @property
    def group(self) -> str:
        """The API group; empty for the core."""
        if self.document is not None:
            version = str(self.document.get("apiVersion") or "")
        else:
            version = text(self.data, *last_fields(self.data, *self.type_meta).get((1, 2), NOTHING))
        return version.rpartition("/")[0]


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
            found.meta = a, b
            found.body = b
            break
    return found


def _metadata(data: bytes, begin: int, end: int, found: Stored) -> None:
    managed: list[Managed] = []
    for number, kind, a, b in fields(data, begin, end):
        if kind != 2:
            continue
        if number == MANAGED_FIELDS:
            managed += _managed(data, a, b)
        elif number == 1:
            found.name = text(data, a, b)
        elif number == 3:
            found.namespace = text(data, a, b)
        elif number == 5:
            found.uid = text(data, a, b)
        elif number == 8:
            found.created = _seconds(data, a, b)
        elif number == 9:
            found.deleting = True
        elif number == 14:
            found.finalizers = True
    found.written(managed)


def _managed(data: bytes, begin: int, end: int) -> Iterator[Managed]:
    manager = NOTHING
    for number, kind, a, b in fields(data, begin, end):
        if kind != 2:
            continue
        if number == 1:
            manager = a, b
        elif number == 4:
            # what follows is long, and seldom of use
            yield Managed(*manager, _seconds(data, a, b), a + 1 if _is_plain(data, a, b) else 0, b, end)
            return


def _is_plain(data: bytes, begin: int, end: int) -> bool:
    """Whether a time is as every API server writes it: until the year 2106 five bytes hold the seconds, and there is nothing finer."""
    return end - begin == 1 + SECONDS_BYTES and data[begin] == 0x08


def _seconds(data: bytes, begin: int, end: int) -> int | None:
    if _is_plain(data, begin, end):
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
            key = text(raw, a, b)
        elif kind == 2 and number == 2:
            value = raw[a:b]
    return key, value
