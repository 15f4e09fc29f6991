"""A churn run as SARIF 2.1.0: a result for each finding, its story in the message, its stacks, and the lines of code behind it.

What leaks is a logical place; a file is known where the source is given (`--code`), and code scanning shows only results that have one.
Source: OASIS SARIF 2.1.0, sections 3.27 (result), 3.44 (stack) and 3.45 (stack frame).
"""

from __future__ import annotations

import urllib.parse
from typing import Any

import ghostkey
from ghostkey.census.functions import Frame
from ghostkey.churn.campaign import Outcome
from ghostkey.churn.judge import Verdict
from ghostkey.model.counts import counted
from ghostkey.report.churn import fingerprint, life_record, why_lines
from ghostkey.report.formats.sarif import plain
from ghostkey.report.visible import safe


def sarif(outcome: Outcome) -> dict[str, Any]:
    """The log of one run."""
    kinds = sorted({str(verdict.kind) for verdict in outcome.findings})
    rules = [
        {"id": f"churn/{kind.lower()}", "shortDescription": {"text": f"a trace outlives its subject: {kind}"}} for kind in kinds
    ]
    said = [{"level": "warning", "message": {"text": plain(why)}} for why in outcome.inconclusive]
    run = {
        "tool": {"driver": {"name": "ghostkey churn", "semanticVersion": ghostkey.__version__, "rules": rules}},
        "invocations": [{"executionSuccessful": not said, "toolExecutionNotifications": said}],
        "results": [_result(verdict, outcome, kinds.index(str(verdict.kind))) for verdict in outcome.findings],
    }
    return {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}


def _result(verdict: Verdict, outcome: Outcome, rule: int) -> dict[str, Any]:
    first = f"{verdict.signature}: {verdict.because}" + (f"; only with {verdict.fault}" if verdict.fault else "")
    text = "\n".join(map(plain, [first, *why_lines(verdict, outcome)]))
    found = {
        "ruleId": f"churn/{verdict.kind.lower()}", "ruleIndex": rule, "level": "error", "message": {"text": text},
        "locations": [{
            **_first_line(verdict, outcome),
            "logicalLocations": [{"fullyQualifiedName": safe(str(verdict.signature)), "kind": "resource"}],
        }],
        "partialFingerprints": {"ghostkeyFingerprint/v1": fingerprint(verdict)},
    }  # fmt: skip
    if (life := outcome.lives.get(verdict.signature)) is not None:
        found["properties"] = {"life": life_record(life)}
    if (inserts := outcome.inserts.get(verdict.signature)) is not None and inserts.stacks:
        found["stacks"] = [
            {"message": {"text": f"inserted {counted(times, 'time')}"}, "frames": [_frame(call) for call in stack]}
            for stack, times in inserts.stacks.most_common()
        ]
    return found


def _first_line(verdict: Verdict, outcome: Outcome) -> dict[str, Any]:
    """The place of the first line that inserts what leaks, where the source was given."""
    if (told := outcome.code.get(verdict.signature)) is not None:
        return _physical(told.inserts[0].path, told.inserts[0].line)
    return {}


def _frame(call: Frame) -> dict[str, Any]:
    return {"location": {**_physical(call.file, call.line), "logicalLocations": [{"fullyQualifiedName": safe(call.function)}]}}


def _physical(path: str, line: int) -> dict[str, Any]:
    # a build with -trimpath says `module/file.go`, another one a path of the machine where it was built
    return {"physicalLocation": {"artifactLocation": {"uri": urllib.parse.quote(path)}, "region": {"startLine": max(1, line)}}}
