"""A file of findings that are known: fingerprints without line numbers, one a line, each with words for people."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ghostkey.lint.findings import Finding
from ghostkey.model.errors import UsageError

FILE_BYTES = 16 << 20
_LINE = re.compile(r"[0-9a-f]{16}(?:\s.*)?")


def written_baseline(findings: Iterable[Finding]) -> str:
    """The file's text, in order of fingerprints, so that a change of it shows what changed."""
    lines = sorted({f"{finding.fingerprint} {finding.rule} {finding.path} {finding.symbol}" for finding in findings})
    return "".join(f"{line}\n" for line in lines)


def read_baseline(path: Path) -> frozenset[str]:
    """The fingerprints in a file. Raises UsageError for what is none."""
    try:
        with path.open(errors="replace") as file:
            text = file.read(FILE_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read baseline {path}: {error.strerror}", "--write-baseline writes one") from None
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(text) > FILE_BYTES or not all(map(_LINE.fullmatch, lines)):
        raise UsageError(f"{path} is no baseline of lint", "--write-baseline writes one")
    return frozenset(line[:16] for line in lines)
