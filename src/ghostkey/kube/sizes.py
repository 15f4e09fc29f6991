"""How large a map is where it is stored: the API server writes ConfigMaps and Secrets to etcd as protobuf.

Source: k8s.io/api/core/v1 generated.proto (v0.37) and etcd's default --max-request-bytes (1.5 MiB).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ghostkey.model.managers import LAST_APPLIED

VALUES_LIMIT = 1 << 20  # ConfigMap and Secret validation: the sum of all values
OBJECT_LIMIT = 3 << 19  # etcd: one request
ANNOTATIONS_LIMIT = 256 << 10  # metadata validation: keys and values of all annotations
_LINE_SEPARATORS = ("\u2028".encode(), "\u2029".encode())
ENVELOPE_BYTES = 96  # `k8s\\0`, type, name, uid, timestamps: within 30 bytes for ordinary names
FIELD_ENTRY_BYTES = 8  # `"f:…":{},` around each key in managedFields


def entry_bytes(key: str, value_bytes: int) -> int:
    """Bytes of one map entry in protobuf: two lengths and three tags around key and value."""
    key_bytes = len(key) if key.isascii() else len(key.encode("utf-8", "surrogatepass"))
    inner = 2 + _varint(key_bytes) + key_bytes + _varint(value_bytes) + value_bytes
    return 1 + _varint(inner) + inner


def stored_bytes(keys: Sequence[str], sizes: Sequence[int], metadata_bytes: int) -> int:
    """Bytes of a whole object without managedFields; `sizes` are those of the values, in the keys' order."""
    if not keys:
        return ENVELOPE_BYTES + metadata_bytes
    if max(map(len, keys)) + max(sizes) + 4 < 1 << 7:
        # every length fits one byte: six bytes around each entry
        entries = sum(map(len, keys)) + sum(sizes) + 6 * len(keys)
    else:
        entries = sum(map(entry_bytes, keys, sizes))
    return ENVELOPE_BYTES + metadata_bytes + entries


def managed_fields_bytes(keys: Iterable[str]) -> int:
    """Bytes that one manager of all these keys costs."""
    return sum(len(key) + FIELD_ENTRY_BYTES for key in keys)


def applied_bytes(manifest: Mapping[str, Any]) -> int:
    """Bytes of the annotations of an object that `kubectl apply` makes of this manifest: a copy of it, as JSON of Go, is one.

    Source: k8s.io/kubectl v0.37 util/apply.go GetModifiedConfiguration; encoding/json escapes `<`, `>`, `&` and line separators.
    """
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "managedFields"}
    annotations = metadata.get("annotations")
    others = {key: value for key, value in annotations.items() if key != LAST_APPLIED} if isinstance(annotations, dict) else {}
    copy = {**manifest, "metadata": {**metadata, "annotations": others}}
    try:
        text = msgspec.json.encode(copy, enc_hook=str)
    except (TypeError, ValueError, OverflowError):
        return 0  # keys of YAML that are none of JSON's: kubectl refuses it on other grounds
    escaped = 5 * sum(map(text.count, (b"<", b">", b"&"))) + 3 * sum(map(text.count, _LINE_SEPARATORS))
    return len(LAST_APPLIED) + len(text) + escaped + 1 + sum(len(str(key)) + len(str(value)) for key, value in others.items())


def _varint(number: int) -> int:
    return 1 if number < 1 << 7 else 2 if number < 1 << 14 else 3 if number < 1 << 21 else 4
