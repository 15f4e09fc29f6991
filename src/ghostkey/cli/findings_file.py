"""The findings of the last scan, kept so that `ghostkey explain ID` need not scan again. No values are in them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ghostkey.cli.output import finding_record
from ghostkey.model.findings import Finding

KEPT = 20_000  # findings; some 20 MB of JSON


def state_directory() -> Path:
    """Where ghostkey keeps what must outlive a command: GHOSTKEY_STATE, else the user's state folder."""
    if chosen := os.environ.get("GHOSTKEY_STATE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "ghostkey"


def save(findings: Sequence[Finding]) -> None:
    """Keeps the findings of a scan in place of those of the last one; a read-only home is no reason to fail."""
    import msgspec

    path = state_directory() / "last-scan.jsonl"
    encode = msgspec.json.encode
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = path.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
            for finding in findings[:KEPT]:
                handle.write(encode(finding_record(finding)) + b"\n")
        unfinished.replace(path)


def find(prefix: str) -> list[dict[str, Any]]:
    """Findings of the last scan whose id begins so."""
    import msgspec

    path = state_directory() / "last-scan.jsonl"
    if not path.is_file():
        return []
    records = (msgspec.json.decode(line) for line in path.read_bytes().splitlines())
    return [record for record in records if record["id"].startswith(prefix)]
