"""Files that a folder has under a name which says nothing: `kubectl get cm -A -o yaml > maps.txt`. How they begin tells."""

from __future__ import annotations

import re
from pathlib import Path

HEAD = 1024  # bytes; comments and messages of kubectl may stand first
_ENDINGS = frozenset({"", ".txt", ".out", ".dump", ".list"})  # of logs a dump has thousands, and none is a list of objects
_YAML = re.compile(rb"\s*(?:(?:#|---|Warning:).*\n\s*)*(?:- )?(?:apiVersion|kind|items):\s")
_JSON = re.compile(rb'\s*[{\[][\s{]*"(?:apiVersion|kind|items|metadata)"\s*:')


def may_hold_objects(path: Path) -> bool:
    """Whether a file whose name does not say so begins as objects in YAML or JSON do; False where it cannot be read."""
    if path.suffix.lower() not in _ENDINGS:
        return False
    try:
        with path.open("rb") as handle:
            head = handle.read(HEAD)
    except OSError:
        return False
    return (_JSON.match(head) or _YAML.match(head)) is not None
