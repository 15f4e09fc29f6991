"""Write-ahead logs of etcd: requests within right checksums, and whole files."""

from __future__ import annotations

from pathlib import Path

from ghostkey.model.history import Covered
from ghostkey.sources.history.etcd.wal import EtcdWal
from ghostkey.sources.history.facts import KeyedHash
from tests.fuzz.engine import no_bug
from tests.fuzz.etcd_files import config_map, field, put, wal

MARK = b"|next|"
KEY = b"/registry/configmaps/a/m"


def seeds() -> list[bytes]:
    """Puts, a transaction with compares, deletions and a lease that ends."""
    compare = field(1, 0) + field(2, 2) + field(3, KEY) + field(6, 1)
    success = field(2, field(1, KEY) + field(2, config_map("m", {"a": "c"})))
    requests = [
        put(KEY, config_map("m", {"a": "b"})), field(6, field(1, compare) + field(2, success)), put(KEY, config_map("m", {"x": "y"}), 77),
        field(5, field(1, KEY)), field(5, field(1, b"/registry/") + field(2, b"/registry0")), field(9, field(1, 77)),
    ]  # fmt: skip
    nested = field(2, success)
    for _ in range(30):
        nested = field(2, field(4, nested))
    return [MARK.join(requests), MARK.join([*requests[:2], field(6, nested)]), wal(requests)]


def read(raw: bytes, folder: Path) -> None:
    """All events, from its beginning and from its middle."""
    path = folder / "0000000000000000-0000000000000000.wal"
    for content in (raw, wal(raw.split(MARK)), wal([b"x" * 9, *raw.split(MARK)[:3]])):
        path.write_bytes(content)
        no_bug(event.why for event in EtcdWal(path, KeyedHash(b"k")).events() if isinstance(event, Covered))
