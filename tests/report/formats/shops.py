"""A registry that leaks, as manifests of several sorts, with the names that strangers choose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.helpers import config_map, thing

LIVE = [f"shop-{number}" for number in range(8)]
GONE = ["bakery-1", "kiosk-7", "mill-3"]
EVIL_FINDINGS = 4  # two values that are encoded twice, two keys that the API server refuses
EVIL = "=cmd|' /C calc'!A0 @team #1 <b>`x`</b> [a](http://b) %0A::error::x,y\x1b[31m\u202e\x0b\ufffe\n|"


def objects(*extra: dict[str, Any]) -> list[dict[str, Any]]:
    """Eight Tenants, and a map that has three keys more."""
    spaces = [thing("Namespace", name, "", api_version="v1") for name in ("prod", "test")]
    registry = config_map({f"prod.{name}": "{}" for name in LIVE + GONE})
    return [*spaces, *(thing("Tenant", name) for name in LIVE), registry, *extra]


def write_yaml(folder: Path, *extra: dict[str, Any]) -> Path:
    """One document for each object, as in a Git repository."""
    path = folder / "all.yaml"
    path.write_text("# what we run\n" + yaml.safe_dump_all(objects(*extra), sort_keys=False))
    return path


def write_list(folder: Path, *extra: dict[str, Any]) -> Path:
    """One list, as kubectl prints it."""
    path = folder / "all.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects(*extra)}, indent=4))
    return path


def evil_map() -> dict[str, Any]:
    """A Secret whose names do what names should not, with a value that was encoded twice."""
    doubled = "YzNWd1pYSXRjMlZqY21WMExYQmhjM04zYjNKaw=="
    return thing("Secret", "x" + EVIL, "prod", "evil", api_version="v1", data={EVIL: doubled, f"-{EVIL}": doubled})
