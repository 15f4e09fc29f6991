"""etcd's files after a disaster: a log that goes on from a snapshot that was restored, and values that were encrypted meanwhile."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import pytest
from google_crc32c import extend

from ghostkey.model.history import Covered, HistoryEvent, KeyEvent, SubjectEvent
from ghostkey.sources.history.etcd.revisions import Reader
from ghostkey.sources.history.etcd.wal import ENTRY, SNAPSHOT, STATE, EtcdWal
from ghostkey.sources.history.facts import KeyedHash
from ghostkey.sources.history.open import BBOLT_MAGIC, parts_of
from ghostkey.store.engines import DuckEngine
from ghostkey.store.history import History
from ghostkey.story import keys_there, prepare
from tests.history.test_sources_of_the_past import DIGEST, _field, _varint, config_map

KEY = b"/registry/configmaps/shop/m"
SPOT = ("configmaps", "shop", "m")
OWNERS = {"op": (1_790_000_000, ["a"])}


def number(tag: int, value: int) -> bytes:
    return _varint(tag << 3) + _varint(value)


def entry(place: int, request: bytes = b"", *, is_change: bool = False) -> tuple[int, bytes]:
    """A raftpb.Entry; `is_change`: of who the members are."""
    return ENTRY, number(1, int(is_change)) + number(2, 1) + number(3, place) + _field(4, request)


def update(value: bytes, revision: int) -> bytes:
    """A transaction as kube-apiserver sends it: a put, if the key's last revision is this one."""
    compare = number(1, 0) + number(2, 2) + _field(3, KEY) + number(6, revision)
    put = _field(1, KEY) + _field(2, value)
    return _field(6, _field(1, compare) + _field(2, _field(2, put)))


def write_log(folder: Path, records: Iterable[tuple[int, bytes]]) -> Path:
    crc, found = 0, b""
    for kind, body in records:
        crc = extend(crc, body)
        frame = number(1, kind) + number(2, crc) + _field(3, body)
        padding = -len(frame) % 8
        head = len(frame) | ((0x80 | padding) << 56 if padding else 0)
        found += struct.pack("<Q", head) + frame + bytes(padding)
    folder.mkdir()
    (folder / "0000000000000000-0000000000000000.wal").write_bytes(found + bytes(64))
    return folder


def revisions_of(events: Iterable[HistoryEvent]) -> list[int | None]:
    return [event.revision for event in events if isinstance(event, KeyEvent | SubjectEvent)]


@pytest.mark.parametrize("restored", [True, False])
def test_log_of_what_was_restored_does_not_count_revisions_from_one(tmp_path: Path, restored: bool) -> None:
    first = [entry(1, b"members", is_change=True), (STATE, number(1, 1) + number(3, 4))]
    snapshot = (SNAPSHOT, number(1, 1 if restored else 0) + number(2, 1))
    records = [*first, snapshot] if restored else [snapshot, *first]
    records += [
        entry(2),
        entry(3, update(config_map({"a": "1"}, OWNERS), 5_000)),
        entry(4, update(config_map({"a": "2"}, OWNERS), 5_001)),
    ]
    found = list(EtcdWal(write_log(tmp_path / "wal", records), DIGEST).events())
    if restored:
        assert set(revisions_of(found)) == {5_001, 5_002}
        assert any("begins in the middle" in row.why for row in found if isinstance(row, Covered))
    else:
        assert revisions_of(found) == [], "in a log from its beginning these compares fail"


def test_what_was_encrypted_for_a_while_is_nobodys_write_after_that() -> None:
    reader = Reader("etcd-snapshot", DIGEST)
    states = [config_map({"a": "1"}, OWNERS), b"k8s:enc:aescbc:v1:key1:xxxx", config_map({"a": "2", "b": "1"}, OWNERS)]
    told = []
    for revision, raw in enumerate(states, 10):
        events = reader.put(KEY, raw, 0, len(raw), revision, is_new=revision == 10, version=revision - 9)
        told += [(event.op, event.key) for event in events if isinstance(event, KeyEvent)]
    assert told == [("set", "a"), ("seen", "a"), ("seen", "b")]
    assert [row.why for row in reader.gaps()] == ["keys not readable: 1 value of configmaps is encrypted by aescbc:v1:key1"]


@pytest.mark.parametrize("order", [1, -1])
def test_key_that_a_later_snapshot_does_not_show_went_in_what_was_compacted(tmp_path: Path, order: int) -> None:
    """As nightly snapshots have it, of an etcd that is compacted every five minutes."""
    store = History(tmp_path / "store")
    digest = KeyedHash(store.secret)
    early = [config_map({"a": "1"}, OWNERS), config_map({"a": "1", "b": "1"}, OWNERS)]
    late = [config_map({"a": "1", "c": "1"}, OWNERS), config_map({"a": "2", "c": "1"}, OWNERS)]
    for first, version, states in ((10, 1, early), (500, 40, late))[::order]:
        reader = Reader("etcd-snapshot", digest)
        events = [
            event
            for number, raw in enumerate(states)
            for event in reader.put(KEY, raw, 0, len(raw), first + number, is_new=first + number == 10, version=version + number)
        ]
        store.add(f"snapshot-{first}", "etcd-snapshot", f"{first}.db", events)
    engine = DuckEngine(store)
    prepare(engine)
    assert {row["key"] for row in engine.rows("SELECT key FROM key_life WHERE is_present")} == {"a", "c"}
    assert set(keys_there(engine, SPOT)) == {("data", "", "a"), ("data", "", "c")}


def test_folder_of_etcds_data_is_its_log_and_its_data_file_and_one_of_several_masters_is_all_of_them(tmp_path: Path) -> None:
    for master in ("m0", "m1"):
        member = tmp_path / master / "member"
        (member / "snap").mkdir(parents=True)
        write_log(member / "wal", [(SNAPSHOT, b"")])
        (member / "snap" / "db").write_bytes(BBOLT_MAGIC * 100)
    (tmp_path / "nightly.db").write_bytes(bytes(16) + BBOLT_MAGIC * 100)
    sorts = {"wal": "wal", "snap/db": "snapshot"}
    one = [(tmp_path / "m0" / "member" / name, sort) for name, sort in sorts.items()]
    assert parts_of(tmp_path / "m0") == parts_of(tmp_path / "m0" / "member") == one
    other = [(tmp_path / "m1" / "member" / name, sort) for name, sort in sorts.items()]
    assert parts_of(tmp_path) == [*one, *other, (tmp_path / "nightly.db", "snapshot")]
    assert parts_of(one[0][0]) == one[:1]


def test_map_that_was_made_anew_in_what_was_compacted_has_no_key_of_the_one_before(tmp_path: Path) -> None:
    store = History(tmp_path / "store")
    digest = KeyedHash(store.secret)
    for revision, data in ((10, {"a": "1", "b": "1"}), (500, {"b": "2", "c": "1"})):
        reader, raw = Reader("etcd-snapshot", digest), config_map(data, OWNERS)
        events = list(reader.put(KEY, raw, 0, len(raw), revision, is_new=True, version=1))
        store.add(f"snapshot-{revision}", "etcd-snapshot", f"{revision}.db", events)
    engine = DuckEngine(store)
    prepare(engine, only=SPOT)
    assert {row["key"] for row in engine.rows("SELECT key FROM key_life WHERE is_present")} == {"b", "c"}
