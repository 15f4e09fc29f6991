"""What a history knows of a value: a keyed hash, its bytes and its shape, never what it says."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from ghostkey.foreign import UnreadableError, load_yaml
from ghostkey.sources import _values

Facts = tuple[int, int, str]  # hash, bytes, shape
FIELDS = ("data", "binaryData")
YAML_BYTES = 16 << 20  # of all YAML documents of one source: about 10 s of parsing


class KeyedHash:
    """A hash of values that stays the same from run to run, and says nothing without the secret."""

    __slots__ = ("_secret", "copy")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        # a copy of one that has the key takes two thirds of the time
        self.copy = blake2b(digest_size=8, key=secret).copy

    def __call__(self, value: bytes) -> int:
        state = self.copy()
        state.update(value)
        return int.from_bytes(state.digest(), "big") >> 1

    def __reduce__(self) -> tuple[Any, ...]:
        return KeyedHash, (self._secret,)


class ValueFacts:
    """Looks at values for one source, which has one budget for documents in YAML."""

    def __init__(self, digest: KeyedHash) -> None:
        self.digest = digest
        self._yaml_left = YAML_BYTES
        self.yaml_skipped = 0  # documents that were not looked into

    def __call__(self, raw: bytes, *, is_secret: bool) -> Facts:
        """Hash, bytes and shape of a value."""
        return self.digest(raw), len(raw), self.shape(raw, is_secret=is_secret)[0]

    def of_entry(self, entry: object, *, is_secret: bool = False) -> Facts:
        """The same of an entry of a document, decoded already."""
        if isinstance(entry, str):
            raw = entry.encode("utf-8", "surrogatepass")
            return self.digest(raw), len(raw), self.shape(raw, is_secret=is_secret)[0]
        raw = _values.encoded(entry)
        shape, _, size = _values.look_at_entry(entry)
        return self.digest(raw), size, shape.name.partition(":")[0] if is_secret else shape.name

    def shape(self, raw: bytes, *, is_secret: bool) -> tuple[str, Any]:
        """The name of a value's shape, and the document it holds; what a Secret's value is made of is part of the secret."""
        shape, _, document = _values.look_at_bytes(raw, identify=False)
        if shape is _values.TEXT and not is_secret:
            document = self._yaml(raw)
        if shape.doubled:
            return f"doubled:{shape.doubled}", document
        return shape.name.partition(":")[0] if is_secret else shape.name, document

    def _yaml(self, raw: bytes) -> Any:
        """The mapping that a text holds as YAML, when it looks like one with siblings; None otherwise."""
        text = raw.decode("utf-8", "replace")
        if not _values.looks_like_yaml(text):
            return None
        if len(raw) > self._yaml_left:
            self.yaml_skipped += 1
            return None
        self._yaml_left -= len(raw)
        try:
            document = load_yaml(text)
        except UnreadableError:
            return None
        return document if isinstance(document, dict) and all(isinstance(key, str) for key in document) else None


def decoded(values: Mapping[str, object] | None, *, is_base64: bool) -> dict[str, bytes]:
    """Keys and values of a field as bytes, base64 taken off; values that are no text are left out."""
    found: dict[str, bytes] = {}
    for key, value in (values or {}).items():
        if not isinstance(value, str):
            continue
        if is_base64:
            try:
                found[key] = base64.b64decode(value, validate=True)
            except (binascii.Error, ValueError):
                continue
        else:
            found[key] = value.encode("utf-8", "surrogatepass")
    return found


def content_of_object(document: Mapping[str, Any], *, is_secret: bool) -> dict[str, dict[str, bytes]]:
    """Field → key → value of a ConfigMap or Secret as the API shows it."""
    fields = {field: document.get(field) for field in FIELDS}
    return {
        field: decoded(values if isinstance(values, dict) else None, is_base64=is_secret or field == "binaryData")
        for field, values in fields.items()
    }
