"""Dumps: JSON, YAML, lists, documents after one another, gzip and tar."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

from ghostkey import api
from ghostkey.sources.live_cluster import Scope
from ghostkey.sources.manifests import Manifests
from tests.fuzz.engine import no_bug

OBJECTS = [
    {
        "apiVersion": "v1", "kind": kind, "data": {f"shop-{n}": "eA==" for n in range(6)},
        "metadata": {"name": "m", "namespace": "a", "labels": {"a": "b"}, "managedFields": [
            {"manager": "x", "operation": "Apply", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:data": {"f:shop-1": {}}}}]},
    }
    for kind in ("ConfigMap", "Secret")
]  # fmt: skip
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "a"}, "spec": {"containers": [
    {"name": "c", "env": [{"name": "E", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "shop-1"}}}]}],
    "volumes": [{"name": "v", "configMap": {"name": "m"}}]}}  # fmt: skip
TENANTS = [{"apiVersion": "x.dev/v1", "kind": "Tenant", "metadata": {"name": f"shop-{n}", "namespace": "a"}, "status": {"shards": {"a": 1}}}
           for n in range(4)]  # fmt: skip


def seeds() -> list[bytes]:
    """One of each way to pack them."""
    import yaml

    whole = [*OBJECTS, POD, *TENANTS]
    listed = {"apiVersion": "v1", "kind": "List", "items": whole}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for number, item in enumerate(whole):
            content = json.dumps(item).encode()
            info = tarfile.TarInfo(f"namespaces/a/{number}.json")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    text = json.dumps(listed).encode()
    return [
        text, yaml.safe_dump(listed).encode(), yaml.safe_dump_all(whole).encode(), b"\n".join(json.dumps(item).encode() for item in whole),
        gzip.compress(text), packed.getvalue(), json.dumps(listed).encode("utf-16"), gzip.compress(packed.getvalue()),
    ]  # fmt: skip


def read(raw: bytes, folder: Path) -> None:
    """A scan of one file."""
    path = folder / "dump.yaml"
    path.write_bytes(raw)
    snapshot = api.collect(Manifests([str(path)], Scope(fields=(("tenants.x.dev", "status.shards"),))))
    no_bug(gap.why for gap in snapshot.gaps)
    if len(raw) < 8_000:
        api.with_writers(snapshot, api.analyse(snapshot))
