"""The findings of the last scan, kept so that `ghostkey explain ID` need not scan again. No values are in them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from ghostkey.cli.output import finding_record
from ghostkey.model.findings import Finding
from ghostkey.store.state import state_directory, write_private

FILE = "last-scan.jsonl"
KEPT = 20_000  # findings; some 20 MB of JSON


def save(findings: Sequence[Finding]) -> None:
    """Keeps the findings of a scan in place of those of the last one; a read-only home is no reason to fail."""
    import msgspec

    encode = msgspec.json.encode
    lines = [encode(finding_record(finding)) for finding in findings[:KEPT]]
    with contextlib.suppress(OSError):
        write_private(state_directory() / FILE, b"\n".join(lines))


def find(prefix: str) -> list[dict[str, Any]]:
    """Findings of the last scan whose id begins so."""
    import msgspec

    path = state_directory() / FILE
    if not path.is_file():
        return []
    records = (msgspec.json.decode(line) for line in path.read_bytes().splitlines())
    return [record for record in records if record["id"].startswith(prefix)]
