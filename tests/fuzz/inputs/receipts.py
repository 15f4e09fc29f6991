"""Receipts, with the notes behind them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec

from ghostkey.actions import receipts
from ghostkey.model.plans import Ownership, Receipt, Removed
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, ObjectRef

NOTE = b'{"state":"applied","resource_version":"7"}\n'


def seeds() -> list[bytes]:
    """One of a ConfigMap, one of a Secret."""
    uid, made = "12345678-1234-1234-1234-123456789abc", "2026-11-24T10:15:30Z"
    found = []
    for kind in (CONFIG_MAPS, SECRETS):
        removed = (Removed("data", "shop-1", (), "eA=="), Removed("data", "shop-2", (), "eA=="))
        owners = (Ownership("op", "Update", '{"manager":"op","operation":"Update"}', (("data", "shop-1"),)),)
        holder = ObjectRef(kind, "a", "m", uid)
        found.append(
            msgspec.json.encode(
                Receipt("20261124t101530z-4f2a91c0", "https://x", holder, "merge-patch", removed, made, owners=owners)
            )
        )
    return found


def read(raw: bytes, folder: Path) -> None:
    """With its checksum made right, since a stranger can make it so too; then as it is."""
    sealed = {"schema_version": 1, "kind": "GhostkeyReceipt", "sha256": hashlib.sha256(raw).hexdigest(), "seal": "x"}
    outer = json.dumps(sealed).encode()[:-1] + b', "receipt": ' + raw + b"}\n"
    try:
        receipts.decode(outer + NOTE + raw, "here")
    finally:
        receipts.decode(raw + b"\n" + NOTE, "here")
