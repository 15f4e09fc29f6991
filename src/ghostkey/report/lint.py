"""Findings of lint as text with the line of code, as JSON, and as what code hosts take."""

from __future__ import annotations

import dataclasses
import json
import urllib.parse
from collections.abc import Iterator
from typing import Any

import ghostkey
from ghostkey.lint.about import About, Clue
from ghostkey.lint.findings import Finding
from ghostkey.lint.rules import all_rules, page
from ghostkey.lint.run import Linted
from ghostkey.model.counts import counted
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
        for edit in finding.edits:
            yield f"          suggested at {safe(edit.path)}:{edit.line} (--fix writes it):"
            yield f"            - {safe(edit.old[:160].expandtabs(4))}"
            yield from (f"            + {safe(new[:160].expandtabs(4))}" for new in edit.new.split("\n"))
    words = f"{counted(len(linted.findings), 'finding')} in {counted(linted.files, 'file')}, {counted(linted.lines, 'line')}"
    words += f"; {len(linted.suppressed)} suppressed" if linted.suppressed else ""
    if linted.more is None:
        words += "; --level B may tell more"
    elif linted.more:
        words += f"; {linted.more:,} more with --level B"
    yield words + (f"; {counted(linted.broken, 'file')} with parts that were not understood" if linted.broken else "")


def record(finding: Finding) -> dict[str, Any]:
    """A finding as JSON."""
    return {
        "rule": finding.rule, "level": finding.level, "path": finding.path, "line": finding.line, "symbol": finding.symbol,
        "function": finding.function, "key": finding.key, "message": finding.message, "fingerprint": finding.fingerprint,
        "witnesses": [{"path": w.path, "line": w.line, "text": w.text} for w in finding.witnesses],
        "edits": [{"path": e.path, "line": e.line, "old": e.old, "new": e.new} for e in finding.edits],
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
            **({"fixes": [_fix(finding, linted)]} if finding.edits else {}),
        }
        for finding in linted.findings[:SARIF_MOST]
    ]  # fmt: skip
    driver = {"name": "ghostkey lint", "semanticVersion": ghostkey.__version__, "rules": rules}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results, "columnKind": "utf16CodeUnits"}],
    }  # fmt: skip


def _fix(finding: Finding, linted: Linted) -> dict[str, Any]:
    """Each edit replaces what stands in its line behind the indentation."""
    changes = []
    for edit in finding.edits:
        line = linted.sources[edit.path][edit.line - 1]
        indent = line[: len(line) - len(line.lstrip())]
        region = {"startLine": edit.line, "startColumn": len(indent) + 1, "endColumn": len(indent) + len(edit.old) + 1}
        inserted = {"text": edit.new.replace("\n", f"\n{indent}")}
        changes.append(
            {
                "artifactLocation": {"uri": urllib.parse.quote(edit.path)},
                "replacements": [{"deletedRegion": region, "insertedContent": inserted}],
            }
        )
    return {"description": {"text": "delete the key too"}, "artifactChanges": changes}


def _location(path: str, line: int) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": {"uri": urllib.parse.quote(path)}, "region": {"startLine": line}}}


def about_text(told: About) -> Iterator[str]:
    """The code behind a ghost: lines that insert, lines that delete, and what is found about them."""
    sought = told.sought
    what = f"the key {sought.key}" if sought.key else f"({sought.owner}).{sought.field}" if sought.owner else sought.field
    if sought.metric:
        what = f"a series of {sought.metric}"
    elif sought.line:
        what = f"the map of {sought.path}:{sought.line}"
    if not told.inserts:
        yield f"no line of this code is known to insert {safe(what)}"
        return
    yield f"{safe(what)}{f' of {safe(sought.map_name)}' if sought.map_name else ''} is inserted by"
    yield from map(_clue_line, told.inserts)
    yield "and deleted by" if told.deletes else "and no line is known to delete it"
    for clue in told.deletes:
        yield _clue_line(clue) + (": another key" if clue.same_key is False else "")
    for finding in told.findings:
        yield f"{safe(finding.path)}:{finding.line}: {safe(finding.message)} [{finding.rule}]"


def _clue_line(clue: Clue) -> str:
    return f"  {safe(clue.path)}:{clue.line} {safe(clue.function)}: {safe(clue.text)}"


def about_record(told: About) -> dict[str, Any]:
    """The same for programs."""
    return {
        "schema_version": SCHEMA_VERSION, "kind": "GhostkeyLintAbout", "sought": dataclasses.asdict(told.sought),
        "inserts": [dataclasses.asdict(clue) for clue in told.inserts],
        "deletes": [dataclasses.asdict(clue) for clue in told.deletes],
        "findings": [record(finding) for finding in told.findings],
    }  # fmt: skip
