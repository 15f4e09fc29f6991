"""Findings of lint as text with the line of code, as JSON, and as what code hosts take."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator
from typing import Any

import ghostkey
from ghostkey.lint.findings import Finding
from ghostkey.lint.rules import all_rules, page
from ghostkey.lint.run import Linted
from ghostkey.report.visible import safe

SCHEMA_VERSION = 1
SARIF_MOST = 5_000  # results that code scanning keeps of a run
FORMATS = ("text", "json", "sarif", "github", "gitlab")


def text(linted: Linted) -> Iterator[str]:
    """A paragraph for each finding: place, message, the line, the witnesses; and what was read."""
    for finding in linted.findings:
        yield f"{safe(finding.path)}:{finding.line}: {safe(finding.message)} [{finding.rule}]"
        lines = linted.sources.get(finding.path, ())
        if 0 < finding.line <= len(lines):
            yield f"    {finding.line:>5} | {safe(lines[finding.line - 1].strip()[:160])}"
        for witness in finding.witnesses:
            if (witness.path, witness.line) != (finding.path, finding.line):
                yield f"          {safe(witness.path)}:{witness.line}: {safe(witness.text)}"
    words = f"{len(linted.findings)} findings in {linted.files:,} files, {linted.lines:,} lines"
    words += f"; {len(linted.suppressed)} suppressed" if linted.suppressed else ""
    yield words + (f"; {linted.broken} files have parts that were not understood" if linted.broken else "")


def record(finding: Finding) -> dict[str, Any]:
    """A finding as JSON."""
    return {
        "rule": finding.rule, "level": finding.level, "path": finding.path, "line": finding.line, "symbol": finding.symbol,
        "function": finding.function, "key": finding.key, "message": finding.message, "fingerprint": finding.fingerprint,
        "witnesses": [{"path": w.path, "line": w.line, "text": w.text} for w in finding.witnesses],
    }  # fmt: skip


def document(linted: Linted) -> dict[str, Any]:
    """The whole for programs."""
    return {
        "schema_version": SCHEMA_VERSION, "kind": "GhostkeyLint",
        "summary": {"findings": len(linted.findings), "suppressed": len(linted.suppressed), "files": linted.files,
                    "lines": linted.lines, "files_with_errors": linted.broken},
        "findings": [record(finding) for finding in linted.findings],
    }  # fmt: skip


def render(linted: Linted, output: str) -> str:
    """All of it in one of FORMATS."""
    if output == "text":
        return "\n".join(text(linted))
    if output == "github":
        return "\n".join(map(_annotation, linted.findings))
    made: Any = {"json": document, "sarif": _sarif, "gitlab": _code_quality}[output](linted)
    return json.dumps(made, indent=2)


def _annotation(finding: Finding) -> str:
    """Source: GitHub's workflow commands; what would end a command is escaped."""

    def escaped(words: str) -> str:
        return words.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

    path = escaped(finding.path).replace(",", "%2C").replace(":", "%3A")
    return f"::warning file={path},line={finding.line},title=ghostkey {finding.rule}::{escaped(finding.message)}"


def _code_quality(linted: Linted) -> list[dict[str, Any]]:
    """Source: GitLab's Code Quality report format."""
    return [
        {
            "description": finding.message, "check_name": finding.rule, "fingerprint": finding.fingerprint,
            "severity": "major" if finding.level == "A" else "minor",
            "location": {"path": finding.path, "lines": {"begin": finding.line}},
        }
        for finding in linted.findings
    ]  # fmt: skip


def _sarif(linted: Linted) -> dict[str, Any]:
    """Source: SARIF 2.1.0, and what GitHub's code scanning takes of it."""
    names = sorted({*all_rules(), *(finding.rule for finding in linted.findings)})
    rules = [
        {
            "id": name,
            "shortDescription": {"text": all_rules()[name].title if name in all_rules() else "a comment that suppresses"},
            "help": {"text": page(name) if name in all_rules() else "a reason is demanded, and a finding"},
            "defaultConfiguration": {"level": "warning"},
        }
        for name in names
    ]
    results = [
        {
            "ruleId": finding.rule, "ruleIndex": names.index(finding.rule), "level": "warning",
            "message": {"text": finding.message},
            "locations": [_location(finding.path, finding.line)],
            "relatedLocations": [
                {**_location(witness.path, witness.line), "message": {"text": witness.text}} for witness in finding.witnesses
            ],
            "partialFingerprints": {"ghostkeyFingerprint/v1": finding.fingerprint},
        }
        for finding in linted.findings[:SARIF_MOST]
    ]  # fmt: skip
    driver = {"name": "ghostkey lint", "semanticVersion": ghostkey.__version__, "rules": rules}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results, "columnKind": "utf16CodeUnits"}],
    }  # fmt: skip


def _location(path: str, line: int) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": {"uri": urllib.parse.quote(path)}, "region": {"startLine": line}}}
