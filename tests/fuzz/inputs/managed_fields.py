"""managedFields of a map."""

from __future__ import annotations

import json
from pathlib import Path

from ghostkey.kube.fields import field_owners, writer_of
from ghostkey.kube.objects import MapMetadata, MapObject, decode_map
from ghostkey.model.errors import GhostkeyError
from ghostkey.model.refs import CONFIG_MAPS
from ghostkey.sources._maps import MapReader
from tests.fuzz.engine import no_bug


def seeds() -> list[bytes]:
    """Three managers."""
    entries = [
        {"manager": name, "operation": operation, "apiVersion": "v1", "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1",
         "fieldsV1": {"f:data": {".": {}, "f:a": {}, "f:b": {}}, "f:status": {"f:shards": {"f:x": {}}}}}
        for name, operation in (("kubectl-edit", "Update"), ("gitops", "Apply"), ("op", "Update"))
    ]  # fmt: skip
    return [json.dumps(entries).encode(), b"[]", json.dumps(entries[:1], indent=1).encode()]


def read(raw: bytes, folder: Path) -> None:
    """As a scan and a blame read them."""
    import msgspec

    for field in ("data", "status.shards"):
        writer_of(field_owners(raw, field), "a")
    reader = MapReader(keep_writers=True)
    reader.read(CONFIG_MAPS, MapObject(MapMetadata(name="m", managed_fields=msgspec.Raw(raw)), {"a": "b"}))
    no_bug(gap.why for gap in reader.gaps())
    try:
        whole = decode_map(b'{"metadata":{"name":"m","managedFields":' + raw + b"}}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise GhostkeyError("no map") from None
    reader.read(CONFIG_MAPS, whole)
    no_bug(gap.why for gap in reader.gaps())
