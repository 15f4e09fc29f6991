"""Files that are none of what they are given as, keys that are encrypted, and values that stay secret."""

from __future__ import annotations

import base64
import gzip
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ghostkey.model.errors import SourceDamaged
from ghostkey.model.history import Covered, KeyEvent, SubjectEvent
from ghostkey.sources.history.audit.log import AuditLog
from ghostkey.sources.history.etcd.revisions import Reader
from ghostkey.sources.history.etcd.snapshot import EtcdSnapshot
from ghostkey.sources.history.facts import KeyedHash
from tests.history.test_damaged import read

DIGEST = KeyedHash(b"k")


GOOD = {
    "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse", "auditID": "a", "stage": "ResponseComplete",
    "requestURI": "/api/v1/namespaces/n/configmaps/m", "verb": "update", "user": {"username": "u"}, "sourceIPs": ["10.0.0.1"],
    "userAgent": "t/1", "objectRef": {"resource": "configmaps", "namespace": "n", "name": "m", "apiVersion": "v1"},
    "responseStatus": {"code": 200}, "requestReceivedTimestamp": "2026-11-24T22:00:00.000001Z",
}  # fmt: skip


def line(data: dict[str, Any], version: int = 5, **more: Any) -> bytes:
    metadata = {"name": "m", "namespace": "n", "uid": "u", "resourceVersion": str(version)}
    response = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "data": data}
    ordered = {**{k: v for k, v in GOOD.items() if k != "requestReceivedTimestamp"}, "responseObject": response, **more}
    return json.dumps({**ordered, "requestReceivedTimestamp": GOOD["requestReceivedTimestamp"]}, separators=(",", ":")).encode()


BAD: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "zeros": lambda: bytes(100_000),
    "not json": lambda: b"hello\nworld\n",
    "json of something else": lambda: b'{"a": 1}\n[1]\n"x"\n',
    "cut gzip": lambda: gzip.compress(line({"a": "1"}) * 500)[:-30],
    "gzip of noise": lambda: b"\x1f\x8b" + random.Random(6).randbytes(4_000),
    "deep": lambda: b'{"a":' * 20_000,
    "long line": lambda: b"x" * 3_000_000,
    "latin-1": lambda: line({"a": "1"}).replace(b'"u"', b'"\xe4"', 1),
    "numbers as data": lambda: line({"a": 1}),
    "no objectRef": lambda: line({"a": "1"}, objectRef=None),
    "no time": lambda: line({"a": "1"}).replace(b"2026-11-24T22:00:00.000001Z", b"yesterday"),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_bad_audit_log_is_an_error_or_a_gap(tmp_path: Path, name: str) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(BAD[name]() + (b"" if name in ("cut gzip", "gzip of noise") else b"\n"))
    events = read(AuditLog([path], DIGEST))
    assert all(isinstance(e, Covered | KeyEvent | SubjectEvent) for e in events)


def test_damaged_line_between_good_ones_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(line({"a": "1"}) + b"\n" + line({"a": "1"})[:200] + b"\n" + line({"a": "2"}, 6, auditID="b") + b"\n")
    events = list(AuditLog([path], DIGEST).events())
    # these updates are shown without their requests: nobody is known to have asked for what they show
    assert [(e.op, e.revision) for e in events if isinstance(e, KeyEvent)] == [("seen", 5), ("seen", 6)]
    assert any(isinstance(e, Covered) and e.is_gap and "a line is no audit event" in e.why for e in events)


@pytest.mark.parametrize(
    "raw", [b"", b"x" * 100, bytes(20_000), struct.pack("<I", 0xED0CDAED) * 5_000], ids=["empty", "short", "zeros", "magic"]
)
def test_no_snapshot_is_said_so(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "db").write_bytes(raw)
    with pytest.raises(SourceDamaged):
        list(EtcdSnapshot(tmp_path / "db", DIGEST).events())


def test_encryption_at_rest_is_detected_and_said() -> None:
    reader = Reader("etcd-snapshot", DIGEST)
    tenants = b"/registry/demo.example.com/tenants/ns/"
    encrypted = b"k8s:enc:aescbc:v1:key1:" + bytes(64)
    for revision, key in enumerate([b"/registry/secrets/ns/name", tenants + b"a", tenants + b"b"], 7):
        assert not list(reader.put(key, encrypted, 0, len(encrypted), revision, is_new=True))
    gaps = list(reader.gaps())
    assert all(gap.is_gap for gap in gaps)
    assert [gap.why for gap in gaps] == [
        "keys not readable: 1 value of secrets is encrypted by aescbc:v1:key1",
        "keys not readable: 2 values of tenants.demo.example.com are encrypted by aescbc:v1:key1",
    ]


def test_secret_values_are_in_no_event(tmp_path: Path) -> None:
    secret = "tr0ub4dor&3"
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "m", "namespace": "n", "uid": "u", "resourceVersion": "5"},
            "data": {"password": base64.b64encode(secret.encode()).decode()}}  # fmt: skip
    event = {**GOOD, "objectRef": {"resource": "secrets", "namespace": "n", "name": "m"}, "responseObject": body}
    (tmp_path / "audit.log").write_bytes(json.dumps(event).encode())
    said = repr(list(AuditLog([tmp_path / "audit.log"], DIGEST).events()))
    assert "password" in said
    assert secret not in said
    assert base64.b64encode(secret.encode()).decode() not in said
