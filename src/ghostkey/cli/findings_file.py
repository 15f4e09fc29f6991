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
    """Findings of the last scan whose id begins so; lines that are damaged are passed over."""
    from ghostkey.foreign import UnreadableError, decode_json

    path = state_directory() / FILE
    if not path.is_file():
        return []
    records = []
    for line in path.read_bytes().splitlines():
        try:
            record = decode_json(line)
        except UnreadableError:
            continue
        if _is_finding(record) and record["id"].startswith(prefix):
            records.append(record)
    return records


def _is_finding(record: Any) -> bool:
    """Whether a record has all that is shown of it."""
    if not isinstance(record, dict) or not isinstance(record.get("holder"), dict):
        return False
    texts = [record.get(name) for name in ("id", "analysis", "severity", "state", "field", "key", "message")]
    texts += [record["holder"].get(name) for name in ("kind", "namespace", "name")]
    lists = [record.get(name) for name in ("path", "evidence")]
    return all(isinstance(text, str) for text in texts) and all(
        isinstance(found, list) and all(isinstance(part, str) for part in found) for found in lists
    )
