"""Plans that `trim --plan` is given."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ghostkey.actions.strangers import load_plan
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, ObjectRef


def seeds() -> list[bytes]:
    """One of a ConfigMap, one of a Secret."""
    found = []
    for kind in (CONFIG_MAPS, SECRETS):
        change = {
            "field": "data",
            "key": "shop-1",
            "path": [],
            "value_digest": "0" * 32,
            "value_bytes": 3,
            "reason": "r",
            "subjects": [],
        }
        nested = {**change, "path": ["doc", "shops"], "key": "x", "subjects": [[kind, "a", "u"]]}
        plan = {
            "holder": ObjectRef(kind, "a", "m", "u"), "server": "https://x", "strategy": "merge-patch", "changes": [change, nested],
            "key_count": 5, "digest_key": "k", "resource_version": "7", "digest_key_id": "k",
        }  # fmt: skip
        found.append(msgspec.json.encode({"schema_version": 1, "kind": "GhostkeyPlan", "plan": plan}))
    return found


def read(raw: bytes, folder: Path) -> None:
    """As `trim --plan FILE` loads it."""
    load_plan(raw, "here")
