"""Damaged and hostile files: what is readable, and gaps; no traceback, no hang, and never an event that did not happen."""

from __future__ import annotations

import contextlib
import random
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ghostkey.model.errors import SourceDamaged
from ghostkey.model.history import Covered, HistoryEvent, KeyEvent, SubjectEvent
from ghostkey.sources.history.audit.log import AuditLog
from ghostkey.sources.history.audit.windows import differing, predicted
from ghostkey.sources.history.etcd.large import LargeMap
from ghostkey.sources.history.etcd.revisions import Reader
from ghostkey.sources.history.etcd.snapshot import EtcdSnapshot
from ghostkey.sources.history.etcd.stored import decode, entries
from ghostkey.sources.history.etcd.wal import EtcdWal
from ghostkey.sources.history.etcd.wire import DamagedValueError, fields
from ghostkey.sources.history.facts import KeyedHash
from ghostkey.testing import ControlPlane
from tests.helpers import make_map, make_tenant, make_tenants_kind, merge

DIGEST = KeyedHash(b"k")
INPUTS = 3_000  # mutations of each in every run, and 25 times as many with `--all`: audit lines, etcd values, and windows
FILES = 150  # whole mutated snapshots and WALs


@pytest.fixture
def inputs(scale: int) -> int:
    """How many mutations this run makes of each."""
    return INPUTS if scale == 1 else 25 * INPUTS


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit log and an etcd data folder of a small workload."""
    folder = tmp_path_factory.mktemp("real")
    with ControlPlane() as control_plane:
        make_tenants_kind(control_plane)
        make_map(control_plane, "default", "registry", {f"key-{n}": f"value {n}" for n in range(12)})
        for number in range(12):
            make_tenant(control_plane, "default", f"shop-{number}")
            merge(control_plane, "default", "registry", {f"key-{number}": None, f"new-{number}": "x" * number})
        control_plane.request("DELETE", "/apis/demo.ghostkey.dev/v1/namespaces/default/tenants/shop-1")
        control_plane.request("DELETE", "/api/v1/namespaces/default/configmaps/registry")
        control_plane.wait_until(lambda: '"verb":"delete"' in control_plane.audit_log.read_text(), "the log has the deletion")
        control_plane.processes["kube-apiserver"].stop()
        control_plane.processes["etcd"].stop()
        shutil.copytree(control_plane.directory / "etcd" / "member", folder / "member")
        shutil.copy(control_plane.audit_log, folder / "audit.log")
    return folder


def facts(events: Iterable[HistoryEvent]) -> set[tuple[Any, ...]]:
    return {
        (e.revision, e.kind, e.namespace, e.name, e.key, e.op, e.value_hash) if isinstance(e, KeyEvent) else (e.revision, e.kind, e.namespace, e.name, e.op)
        for e in events
        if isinstance(e, KeyEvent | SubjectEvent)
    }  # fmt: skip


def mutated(raw: bytes, rng: random.Random) -> bytes:
    """A few bytes flipped, a piece cut out, doubled or put elsewhere."""
    data = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(data) or 1)
        match rng.randrange(5):
            case 0 if data:
                data[place] = rng.randrange(256)
            case 1:
                del data[place : place + rng.randint(1, 40)]
            case 2:
                data[place:place] = data[place : place + rng.randint(1, 40)]
            case 3:
                data[place:place] = rng.randbytes(rng.randint(1, 8))
            case 4:
                data = data[:place]
        if not data:
            break
    return bytes(data)


def read(source: Any) -> list[HistoryEvent]:
    """Its events; nothing when it says that the file is damaged as a whole."""
    try:
        return list(source.events())
    except SourceDamaged:
        return []


def test_mutated_audit_lines(real: Path, inputs: int) -> None:
    rng = random.Random(1)
    lines = [line for line in (real / "audit.log").read_bytes().splitlines() if b"registry" in line or b"tenants" in line]
    for count in range(inputs):
        log = AuditLog([], DIGEST)
        for event in log._line(mutated(rng.choice(lines), rng)):
            assert isinstance(event, KeyEvent | SubjectEvent), count


def test_mutated_etcd_values(real: Path, inputs: int) -> None:
    rng = random.Random(2)
    values: list[tuple[bytes, bytes]] = []
    original = Reader.put

    def keep(self: Reader, key: bytes, data: bytes, begin: int, end: int, revision: int | None, **more: Any) -> Any:
        values.append((key, data[begin:end]))
        return original(self, key, data, begin, end, revision, **more)

    Reader.put = keep  # type: ignore[method-assign]
    try:
        list(EtcdSnapshot(real / "member" / "snap" / "db", DIGEST).events())
    finally:
        Reader.put = original  # type: ignore[method-assign]
    chosen = [pair for pair in values if b"registry/configmaps" in pair[0] or b"tenants" in pair[0]]
    assert len(chosen) > 20
    reader = Reader("fuzz", DIGEST)
    for count in range(inputs):
        key, value = rng.choice(chosen)
        for event in reader.put(key, changed := mutated(value, rng), 0, len(changed), count, is_new=False):
            assert isinstance(event, KeyEvent | SubjectEvent)
    assert reader.damaged > inputs // 100


def test_windows_are_what_decoding_it_all_would_say(inputs: int) -> None:
    """The few bytes that differ between two states of a map, against the difference of both decoded; values made to mislead."""
    rng = random.Random(3)
    pieces = ['","', '":"', "\\", '"', ",", "{", "}", "ü", "\n", "a", "b", ""]
    fell_back = told_ahead = 0
    for _ in range(inputs):
        old = {f"key-{n}": "".join(rng.choices(pieces, k=rng.randrange(5))) for n in range(rng.randrange(1, 12))}
        new = dict(old)
        for _ in range(rng.randrange(4)):
            key = f"key-{rng.randrange(14)}"
            if rng.random() < 0.4:
                new.pop(key, None)
            else:
                new[key] = "".join(rng.choices(pieces, k=rng.randrange(5)))
        before, after = (msgspec.json.encode(dict(sorted(state.items()))) for state in (old, new))
        truth: dict[str, bytes | None] = dict.fromkeys(old.keys() - new.keys())
        truth |= {key: value.encode() for key, value in new.items() if old.get(key) != value}
        found = differing(before, after)
        fell_back += found is None
        assert found in (None, truth)
        # what was asked for is what happened, or it is not: then nothing may be said
        key = rng.choice(sorted(truth)) if truth and rng.random() < 0.8 else f"key-{rng.randrange(14)}"
        asked = truth[key] if key in truth else rng.choice([b"a", None])
        told = predicted(before, after, {key: None if asked is None else asked.decode()})
        if told is not None:
            told_ahead += bool(truth)
            assert {name: value for name, value in told.items() if old.get(name) != (value and value.decode())} == truth
    assert fell_back < inputs // 4
    assert told_ahead > inputs // 10


class DecodesAll(AuditLog):
    """Reads every line the long way."""

    def _events(self, line: bytes) -> list[HistoryEvent]:
        return list(self._line(line))


def audit_line(number: int, verb: str, request: object, data: dict[str, str]) -> bytes:
    metadata = {
        "name": "registry",
        "namespace": "prod",
        "uid": "u",
        "resourceVersion": str(number),
        "creationTimestamp": "2026-11-24T00:00:00Z",
    }
    shown: dict[str, object] = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata}
    event = {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse", "auditID": f"{number:036d}",
        "stage": "ResponseComplete", "requestURI": "/api/v1/namespaces/prod/configmaps/registry", "verb": verb,
        "user": {"username": "operator"}, "sourceIPs": ["10.0.0.1"], "userAgent": "operator/v1",
        "objectRef": {"resource": "configmaps", "namespace": "prod", "name": "registry", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 200}, "requestObject": request,
        "responseObject": {**shown, "data": data} if data else shown,
        "requestReceivedTimestamp": f"2026-11-24T10:{number // 600 % 60:02d}:{number // 10 % 60:02d}.{number % 10}00000Z",
        "stageTimestamp": "2026-11-24T10:00:00.000000Z",
    }  # fmt: skip
    return msgspec.json.encode(event) + b"\n"


@pytest.mark.whole
def test_lines_that_are_not_decoded_give_the_events_of_those_that_are(tmp_path: Path) -> None:
    """Patches of one key and of several, removals, puts; some that do not do what they ask; values made to mislead."""
    rng = random.Random(8)
    pieces = ['","', '":"', "\\", '"', ",", "{", "}", "ü", "\n", "a", "b", "", '{"a":1}', '{"a":1,"b":2,"c":3,"d":{"e":1}}']
    state = {f"key-{n}": "x" for n in range(8)}
    lines = [audit_line(1, "create", {}, dict(sorted(state.items())))]
    for number in range(2, 20_000):
        asked: dict[str, str | None] = {}
        for _ in range(rng.choice([1, 1, 1, 1, 2, 3])):
            key = f"key-{rng.randrange(10)}"
            asked[key] = None if rng.random() < 0.25 else "".join(rng.choices(pieces, k=rng.randrange(1, 4)))
        state = {key: value for key, value in (state | asked).items() if value is not None}
        if rng.random() < 0.05:  # somebody in between changed something else, or it
            state[f"key-{rng.randrange(10)}"] = rng.choice(pieces)
        data = dict(sorted(state.items()))
        is_patch = rng.random() < 0.9
        lines.append(audit_line(number, "patch" if is_patch else "update", {"data": asked if is_patch else data}, data))
    log = tmp_path / "audit.log"
    log.write_bytes(b"".join(lines))
    found = list(AuditLog([log], DIGEST).events())
    # what one write does has no order
    assert sorted(found, key=repr) == sorted(DecodesAll([log], DIGEST).events(), key=repr)
    ops = Counter(event.op for event in found if isinstance(event, KeyEvent))
    assert min(ops["set"], ops["delete"], ops["missed-delete"]) > 200
    # and damaged lines among them are no end of it
    for _ in range(3):
        log.write_bytes(b"".join(line if rng.random() < 0.7 else mutated(line, rng) for line in lines))
        assert len(list(AuditLog([log], DIGEST).events())) > 2_500


def test_large_maps_of_etcd_change_as_decoding_it_all_would_say(inputs: int) -> None:
    """As above, for entries in protobuf; values that hold the tags and lengths of entries."""
    rng = random.Random(6)
    pieces = [b"\x12", b"\x0a", b"\x12\x06\x0a\x01", b"a", b"\x80\x01", bytes(130), b""]

    def field(number: int, raw: bytes) -> bytes:
        length = len(raw)
        return bytes([number << 3 | 2]) + (bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])) + raw

    def encoded(state: dict[str, bytes]) -> bytes:
        return b"".join(field(2, field(1, key.encode()) + field(2, value)) for key, value in sorted(state.items()))

    for _ in range(inputs // 100):
        state = {f"key-{n:03d}": b"".join(rng.choices(pieces, k=rng.randrange(4))) for n in range(rng.randrange(1, 150))}
        known = LargeMap(encoded(state), 0, len(encoded(state)))
        for _ in range(20):
            new = dict(state)
            for _ in range(rng.randrange(4)):
                key = f"key-{rng.randrange(160):03d}"
                if rng.random() < 0.4:
                    new.pop(key, None)
                else:
                    new[key] = b"".join(rng.choices(pieces, k=rng.randrange(4)))
            before = b"metadata"[: rng.randrange(8)]
            raw = before + encoded(new)
            old, now = known.change(raw, len(before), len(raw))
            assert old.keys() - now.keys() == state.keys() - new.keys()
            changed = {key: value for key, value in now.items() if old.get(key) != value}
            assert changed == {key: value for key, value in new.items() if state.get(key) != value}
            state = new


def test_objects_of_etcd_that_are_written_again_are_as_decoding_them_says(inputs: int) -> None:
    """Whatever changes from one revision to the next: content, times, managers, annotations, what follows, or any byte."""
    rng = random.Random(7)

    def field(number: int, raw: bytes) -> bytes:
        return varint_of(number << 3 | 2) + varint_of(len(raw)) + raw

    def varint_of(number: int) -> bytes:
        return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint_of(number >> 7)

    def value(state: dict[str, bytes], managers: dict[bytes, int], notes: bytes, rest: bytes) -> bytes:
        metadata = field(1, b"m") + field(3, b"shop") + field(5, b"uid-1") + field(8, b"\x08" + varint_of(1_795_000_000))
        metadata += field(12, field(1, b"note") + field(2, notes)) if notes else b""
        for name, second in managers.items():
            owned = b"{" + b",".join(b'"f:%s":{}' % key.encode() for key in state) + b"}"
            metadata += field(17, field(1, name) + field(4, b"\x08" + varint_of(second)) + field(7, owned))
        content = b"".join(field(2, field(1, key.encode()) + field(2, raw)) for key, raw in sorted(state.items()))
        kind = field(1, b"v1") + field(2, b"ConfigMap")
        return b"k8s\0" + field(1, kind) + field(2, field(1, metadata) + content + rest) + field(3, b"") + field(4, b"")

    for _ in range(inputs // 200):
        again, decoding = Reader("fuzz", DIGEST), Reader("fuzz", DIGEST)
        state, managers, notes, rest = {f"key-{n}": b"v" for n in range(rng.choice([2, 90]))}, {b"op": 1_795_000_000}, b"", b""
        for revision in range(1, 40):
            for _ in range(rng.randrange(3)):
                state[f"key-{rng.randrange(100)}"] = bytes(rng.choices(b"ab\x12\x0a", k=rng.randrange(6)))
            if rng.random() < 0.2:
                state.pop(rng.choice(sorted(state)), None)
            managers[rng.choice([b"op", b"op", b"op", b"kubectl"])] = rng.choice([1_795_000_000 + revision, 90, 1 << 34])
            notes = rng.choice([notes, notes, notes, b"x" * rng.randrange(200)])
            rest = rng.choice([rest, rest, rest, b"", field(3, field(1, b"bin") + field(2, b"\x00")), b"\x20\x01"])
            raw = value(state, managers, notes, rest)
            raw = mutated(raw, rng) if rng.random() < 0.1 else raw
            begin = rng.randrange(20)
            raw = bytes(begin) + raw
            decoding._known.clear()
            decoding._maps.clear()
            told = [
                list(reader.put(b"/registry/configmaps/shop/m", raw, begin, len(raw), revision, is_new=False))
                for reader in (again, decoding)
            ]
            assert sorted(told[0], key=repr) == sorted(told[1], key=repr), (revision, raw)
        assert again.damaged == decoding.damaged


@settings(max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=400))
def test_any_bytes_as_a_value(raw: bytes) -> None:
    for value in (raw, b"k8s\x00" + raw, b"{" + raw):
        try:
            found = decode(value)
            entries(found.data, found.body, found.end, 2)
        except DamagedValueError:
            continue
    with contextlib.suppress(DamagedValueError):
        list(fields(raw, 0, len(raw)))


def test_mutated_snapshots_give_no_event_that_did_not_happen(real: Path, tmp_path: Path) -> None:
    rng = random.Random(4)
    raw = (real / "member" / "snap" / "db").read_bytes()
    true = facts(EtcdSnapshot(real / "member" / "snap" / "db", DIGEST).events())
    heads = [place for place in range(0, len(raw), 4096) if int.from_bytes(raw[place : place + 8], "little") == place // 4096]
    path = tmp_path / "db"
    for _ in range(FILES):
        # pages, rather than values (of which a page may be full, and nothing tells that a byte of one changed): headers, elements, lengths
        data = bytearray(raw)
        for _ in range(rng.randint(1, 12)):
            page = rng.choice(heads)
            place = page + rng.choice([0, 8, 10, 12, 16, 20, 24, 28, 32, 40]) + rng.randrange(4)
            data[place] = rng.randrange(256)
        if rng.random() < 0.3:
            data = data[: rng.randrange(len(data))]
        path.write_bytes(data)
        events = read(EtcdSnapshot(path, DIGEST, carve=rng.random() < 0.5))
        wrong = {fact for fact in facts(events) - true if fact[0] is not None and fact[-1] not in ("seen", "set", "created")}
        keys = {fact for fact in wrong if len(fact) == 7 and fact[5] == "set"}
        assert not keys


def test_mutated_wal_gives_a_beginning_and_a_gap(real: Path, tmp_path: Path) -> None:
    rng = random.Random(5)
    (path,) = sorted((real / "member" / "wal").glob("*.wal"))
    raw = path.read_bytes()
    used = len(raw.rstrip(b"\0"))
    true = facts(EtcdWal(real, DIGEST).events())
    folder = tmp_path / "wal"
    folder.mkdir()
    damaged = 0
    for _ in range(FILES):
        data = bytearray(raw[:used])
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        (folder / path.name).write_bytes(data + bytes(64))
        events = read(EtcdWal(folder, DIGEST))
        # every frame has its CRC: what is read is true, and the rest is a gap
        assert facts(events) <= true
        damaged += any(isinstance(e, Covered) and e.is_gap and "damaged" in e.why for e in events)
    assert damaged > FILES // 2
