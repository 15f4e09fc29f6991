"""A churn run as JUnit XML: a failing case for each finding, with all that explains it.

Source: the schema that Jenkins and GitLab read. That all could be seen is a test of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from ghostkey.churn.campaign import Outcome
from ghostkey.churn.judge import Verdict
from ghostkey.report.churn import fingerprint, why_lines
from ghostkey.report.visible import safe


def junit(outcome: Outcome) -> Iterator[str]:
    """Lines of the document."""
    failures, doubts = len(outcome.findings), outcome.inconclusive
    tests = len(outcome.verdicts) + 1
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<testsuite name="ghostkey churn" tests="{tests}" failures="{failures}" errors="{int(bool(doubts))}" time="{outcome.seconds:.1f}">'
    yield '  <testcase classname="ghostkey.churn" name="everything could be seen">'
    if doubts:
        yield f"    <error message={quoteattr(safe(doubts[0]))}>{escape(safe('; '.join(doubts)))}</error>"
    yield "  </testcase>"
    for verdict in outcome.verdicts:
        yield f'  <testcase classname="ghostkey.churn" name={quoteattr(safe(f"{verdict.signature} {fingerprint(verdict)}"))}>'
        if verdict.is_finding:
            yield f'    <failure type="{verdict.kind}" message={quoteattr(safe(_message(verdict)))}>'
            yield from (escape(safe(line)) for line in _lines(verdict, outcome))
            yield "    </failure>"
        yield "  </testcase>"
    yield "</testsuite>"


def _message(verdict: Verdict) -> str:
    return verdict.because + (f"; only with {verdict.fault}" if verdict.fault else "")


def _lines(verdict: Verdict, outcome: Outcome) -> Iterator[str]:
    if verdict.example:
        yield f"for instance {verdict.example}"
    yield from why_lines(verdict, outcome)
