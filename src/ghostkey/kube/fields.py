"""managedFields: who owns which key of a map."""

from __future__ import annotations

import functools
import re

import msgspec

from ghostkey.foreign import UnreadableError, decode_json
from ghostkey.kube.objects import ManagedFieldsEntry, decode_managed_fields
from ghostkey.model.events import FieldOwner


def field_owners(raw: bytes | None, field: str = "data", *, with_keys: bool = True) -> tuple[FieldOwner, ...]:
    """The managers of an object and the keys of `field` each one owns; () when there are none or they are damaged.

    Of a field that is a set, as `metadata.finalizers`, the keys are its values.
    Source: structured-merge-diff v6 fieldpath: `f:` before a field's name, `v:` before a value of a set, as JSON.
    """
    if not raw:
        return ()
    try:
        entries = decode_managed_fields(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    return tuple(
        FieldOwner(entry.manager, entry.operation, entry.time, _keys(entry, field) if with_keys else None) for entry in entries
    )


def _keys(entry: ManagedFieldsEntry, field: str) -> frozenset[str]:
    if not entry.fields:
        return frozenset()
    try:
        level = decode_json(entry.fields)
    except UnreadableError:
        return frozenset()
    for part in field.split("."):
        level = level.get(f"f:{part}") if isinstance(level, dict) else None
    if not isinstance(level, dict):
        return frozenset()
    return frozenset(name[2:] if name.startswith("f:") else _value(name) for name in level if name.startswith(("f:", 'v:"')))


def _value(name: str) -> str:
    try:
        return str(decode_json(name[2:].encode("utf-8", "surrogatepass")))
    except UnreadableError:
        return ""


def data_writers(raw: bytes) -> tuple[str, ...]:
    """The managers that own keys of a map's values, each once, in order of their names; () when managedFields do not tell."""
    # the API server writes an entry's manager first, so most maps are told without decoding; kubectl sorts the fields
    found = {piece[: piece.index(b'"')] for piece in raw.split(_ENTRY)[1:] if _DATA.search(piece)}
    if not found and _DATA.search(raw):
        try:
            found = {entry.manager.encode() for entry in decode_managed_fields(raw) if _DATA.search(bytes(entry.fields))}
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return ()
    return _in_order(frozenset(found))


_ENTRY = b'{"manager":"'
_DATA = re.compile(rb'"f:(?:data|binaryData|stringData)"')


@functools.lru_cache(maxsize=1024)
def _in_order(managers: frozenset[bytes]) -> tuple[str, ...]:
    # thousands of maps share one tuple
    return tuple(sorted(name.decode(errors="replace")[:128] for name in managers))


def writer_of(owners: tuple[FieldOwner, ...], key: str) -> FieldOwner | None:
    """Who wrote a key last, as far as managedFields tell: the newest owner of it."""
    owning = [owner for owner in owners if owner.keys and key in owner.keys]
    return max(owning, key=lambda owner: owner.time, default=None)
