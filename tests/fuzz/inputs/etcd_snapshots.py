"""Snapshots of etcd, whole files, also carved."""

from __future__ import annotations

from pathlib import Path

from ghostkey.model.history import Covered
from ghostkey.sources.history.etcd.snapshot import EtcdSnapshot
from ghostkey.sources.history.facts import KeyedHash
from tests.fuzz.engine import no_bug
from tests.fuzz.etcd_files import config_map, key_value, snapshot

KEY = b"/registry/configmaps/a/m"


def seeds() -> list[bytes]:
    """Small maps, and a large one that changes."""
    small = [(n, key_value(KEY, 2, n, n - 1, config_map("m", {f"k{n}": "v", "same": "x"}))) for n in range(2, 8)]
    large = [
        (n, key_value(KEY, 2, n, n - 1, config_map("m", {f"key-{i}": "v" * (i % 9 + (i == n)) for i in range(60)})))
        for n in range(2, 5)
    ]
    tenant = (
        b'{"apiVersion":"x.dev/v1","kind":"Tenant","metadata":{"name":"t","namespace":"a","uid":"u"},"status":{"shards":{"a":1}}}'
    )
    return [snapshot(small), snapshot([*large, (9, key_value(b"/registry/x.dev/tenants/a/t", 9, 9, 1, tenant))])]


def read(raw: bytes, folder: Path) -> None:
    """All events."""
    path = folder / "snapshot.db"
    path.write_bytes(raw)
    for carve in (False, True):
        source = EtcdSnapshot(path, KeyedHash(b"k"), [("tenants.x.dev", "status.shards")], carve=carve)
        no_bug(event.why for event in source.events() if isinstance(event, Covered))
