"""The findings of the last scans, kept so that `ghostkey explain ID` need not scan again. No values are in them.

Each scan has a file of its own among the last `SCANS`: a narrower scan does not make one forget what a wider one found.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ghostkey.cli.output import finding_record
from ghostkey.model.errors import GhostkeyError, SourceDamaged
from ghostkey.model.findings import Finding
from ghostkey.store.state import StateUnsafe, read_private, state_directory, write_private

FOLDER = "findings"
SCANS = 10
KEPT = 20_000  # findings of one scan; some 20 MB of JSON
FILE_BYTES = 64 << 20  # nobody but us writes here, and we write no more


def save(findings: Sequence[Finding], where: str) -> None:
    """Keeps the findings of a scan; `where` are the words that lead a command to the same cluster.

    A read-only home is no reason to fail. Scans without findings are not kept: they would push others out.
    """
    import msgspec

    if not findings:
        return
    encode = msgspec.json.encode
    lines = [encode({"schema_version": 1, "where": where}), *(encode(finding_record(finding)) for finding in findings[:KEPT])]
    folder = state_directory() / FOLDER
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S.%f")
    with contextlib.suppress(OSError, GhostkeyError):
        write_private(folder / f"{now}-{os.getpid()}.jsonl", b"\n".join(lines))
        for old in _files(folder)[SCANS:]:
            old.unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted((path for path in folder.glob("*.jsonl") if not path.name.startswith(".")), reverse=True)


def find(prefix: str) -> tuple[list[tuple[dict[str, Any], str]], list[SourceDamaged]]:
    """(finding, words that lead to its cluster) of the last scans whose id begins so, each in its newest form; what was damaged."""
    found: dict[str, tuple[dict[str, Any], str]] = {}
    damaged = []
    for path in _files(state_directory() / FOLDER):
        try:
            for record, where in _read(path, prefix):
                found.setdefault(record["id"], (record, where))
        except SourceDamaged as error:
            damaged.append(error)
    return list(found.values()), damaged


def _read(path: Path, prefix: str) -> Iterator[tuple[dict[str, Any], str]]:
    import msgspec

    try:
        head, *lines = read_private(path, FILE_BYTES).splitlines()
        where = msgspec.json.decode(head)["where"]
        records = [msgspec.json.decode(line) for line in lines]
        chosen = [record for record in records if record["id"].startswith(prefix)]
        if not isinstance(where, str) or not all(map(_is_finding, chosen)):
            raise ValueError("not as it was written")
    except (OSError, StateUnsafe) as error:
        words = getattr(error, "strerror", None) or error
        raise SourceDamaged(f"findings of an earlier scan in {path} cannot be read: {words}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise SourceDamaged(f"findings of an earlier scan in {path} are damaged", "remove the file, and scan again") from None
    for record in chosen:
        yield record, where


def _is_finding(record: Any) -> bool:
    """Whether a record has what is shown of it."""
    texts = ("id", "analysis", "severity", "state", "key", "field", "message")
    holder = record.get("holder")
    return (
        all(isinstance(record.get(name), str) for name in texts)
        and all(
            isinstance(record.get(name), list) and all(isinstance(part, str) for part in record[name])
            for name in ("path", "evidence")
        )
        and isinstance(holder, dict)
        and all(isinstance(holder.get(name), str) for name in ("kind", "name", "namespace"))
    )
