"""What ghostkey keeps for itself, damaged: the findings of the last scan, and the record of an import."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from ghostkey.cli import findings_file
from ghostkey.report.evidence import chain_lines
from ghostkey.store.history import History

FINDING = {
    "id": "ded91c719a50", "analysis": "ghost-key", "severity": "warning", "state": "found", "namespace": "a", "name": "m", "field": "data",
    "holder": {"group": "", "version": "v1", "kind": "ConfigMap", "namespace": "a", "name": "m", "uid": "u"}, "path": [], "key": "k",
    "message": "m", "evidence": ["one", "two"], "subjects": [],
}  # fmt: skip
IMPORT = {
    "id": "i",
    "origin": "audit",
    "source": "s",
    "key_events": 1,
    "subject_events": 2,
    "imported_at": "2026-01-01T00:00:00Z",
    "since": 1,
}


def seeds() -> list[bytes]:
    """Two findings, an import."""
    head = json.dumps({"schema_version": 1, "where": " --context x"}).encode()
    return [b"\n".join([head, *[json.dumps(FINDING).encode()] * 2]), json.dumps({"schema_version": 1, **IMPORT}).encode()]


def read(raw: bytes, folder: Path) -> None:
    """As explain and history list do."""
    state = folder / "state" / findings_file.FOLDER
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    (state / "20261125T100000.000000-1.jsonl").write_bytes(raw)
    (state / "20261125T100000.000000-1.jsonl").chmod(0o600)
    with CliRunner().isolation():
        records, damaged = findings_file.find("d")
        for record, where in records:
            for line in chain_lines(record, where):
                str(line)
        for error in damaged:
            str(error)
    part = folder / "history" / "parts" / "p"
    part.mkdir(parents=True, exist_ok=True)
    (part / "import.json").write_bytes(raw)
    History(folder / "history").imports()
