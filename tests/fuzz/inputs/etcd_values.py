"""Values that kube-apiserver stored in etcd: one write after the other of the same key."""

from __future__ import annotations

from pathlib import Path

from ghostkey.model.history import Covered
from ghostkey.sources.history.etcd.revisions import Reader
from ghostkey.sources.history.facts import KeyedHash
from tests.fuzz.engine import no_bug
from tests.fuzz.etcd_files import config_map

LARGE = config_map("m", {f"key-{n}": "v" * n for n in range(60)})


def seeds() -> list[bytes]:
    """Protobuf and JSON, small and large, encrypted."""
    return [
        config_map("m", {"a": "b", "c": '{"x":1,"y":2,"z":3}'}), LARGE, b"k8s:enc:aescbc:v1:key1:xxxx",
        b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m","namespace":"a","uid":"u"},"data":{"a":"b"}}',
    ]  # fmt: skip


def read(raw: bytes, folder: Path) -> None:
    """After a value that is whole, and before another one."""
    reader = Reader("etcd", KeyedHash(b"k"), [("configmaps", "data")])
    for number, value in enumerate((LARGE, raw, raw + b"\0", LARGE), 1):
        list(reader.put(b"/registry/configmaps/a/m", value, 0, len(value), number, is_new=number == 1))
    list(reader.put(raw[:200], LARGE, 0, len(LARGE), 9, is_new=True))
    list(reader.delete(b"/registry/configmaps/a/m", 10))
    no_bug(gap.why for gap in reader.gaps() if isinstance(gap, Covered))
