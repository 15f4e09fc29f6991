"""JUnit XML: a test suite for each analysis, a failing case for each finding that fails the scan, the others skipped.

Source: the schema that Jenkins and GitLab read (JUnit of Ant); XML 1.0, section 2.2 for the characters there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from ghostkey.model.counts import counted
from ghostkey.model.findings import Finding
from ghostkey.report.findings import Format, Report, named, where
from ghostkey.report.places import Place, Places
from ghostkey.report.visible import safe


def _pieces(report: Report) -> Iterator[str]:
    places = Places(report.snapshot)
    suites: dict[str, list[Finding]] = {}
    for finding in report.findings:
        suites.setdefault(finding.analysis, []).append(finding)
    failures = sum(map(report.is_failure, report.findings))
    gaps = report.snapshot.gaps
    tests = len(report.findings) + 1
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<testsuites name="ghostkey" tests="{tests}" failures="{failures}" errors="{int(bool(gaps))}">'
    # a scan that found nothing is one test that passed, and one that was blind is an error: no tests at all would be neither
    yield f'  <testsuite name="ghostkey scan" tests="1" failures="0" errors="{int(bool(gaps))}" skipped="0">'
    yield '    <testcase classname="ghostkey" name="everything could be seen">'
    if gaps:
        said = "\n".join(f"{gap.what}: {gap.why}" for gap in gaps)
        yield f"      <error message={_quoted(counted(len(gaps), 'gap'))}>{_text(said)}</error>"
    yield "    </testcase>"
    yield "  </testsuite>"
    for analysis, findings in suites.items():
        failed = sum(map(report.is_failure, findings))
        counts = f'tests="{len(findings)}" failures="{failed}" errors="0" skipped="{len(findings) - failed}"'
        yield f"  <testsuite name={_quoted(analysis)} {counts}>"
        for finding in findings:
            yield from _case(finding, places.of(finding), is_failure=report.is_failure(finding))
        yield "  </testsuite>"
    yield "</testsuites>"


def _case(finding: Finding, place: Place, *, is_failure: bool) -> Iterator[str]:
    named_case = f"classname={_quoted(f'ghostkey.{finding.analysis}')} name={_quoted(f'{where(finding)} {finding.fingerprint}')}"
    yield f'    <testcase {named_case} file={_quoted(place.path)} line="{place.line}">'
    if is_failure:
        yield f"      <failure type={_quoted(str(finding.severity))} message={_quoted(finding.message)}>"
        yield _text("\n".join(finding.evidence))
        yield "      </failure>"
    else:
        yield f"      <skipped message={_quoted(f'{named(finding)}, {finding.severity}: {finding.message}')}/>"
    yield "    </testcase>"


def _text(text: str) -> str:
    """Text that any encoding carries: numbers of characters instead of what is not ASCII."""
    return escape("\n".join(map(safe, text.split("\n")))).encode("ascii", "xmlcharrefreplace").decode()


def _quoted(text: str) -> str:
    return '"' + _text(text.replace("\n", " ")).replace('"', "&quot;") + '"'


FORMAT = Format(_pieces)
