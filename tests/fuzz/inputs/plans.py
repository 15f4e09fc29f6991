"""Plans that `trim --plan` is given."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ghostkey.actions.strangers import load_plan
from ghostkey.model.plans import Change, Plan
from ghostkey.model.refs import CONFIG_MAPS, NAMESPACES, SECRETS, ObjectRef


def seeds() -> list[bytes]:
    """One of a ConfigMap, one of a Secret."""
    uid = "12345678-1234-1234-1234-123456789abc"
    found = []
    for kind in (CONFIG_MAPS, SECRETS):
        changes = (
            Change("data", "shop-1", (), "0" * 32, 3, "its subject is gone", ((NAMESPACES, "", uid),)),
            Change("data", "shop-2", (), "1" * 32, 3, ""),
        )
        plan = Plan(ObjectRef(kind, "a", "m", uid), "7", "merge-patch", changes, 5, "2026-11-24T10:15:30Z", "0123456789ab")
        found.append(msgspec.json.encode({"schema_version": 1, "kind": "GhostkeyPlan", "plan": plan}))
    return found


def read(raw: bytes, folder: Path) -> None:
    """As `trim --plan FILE` loads it."""
    load_plan(raw, "here")
