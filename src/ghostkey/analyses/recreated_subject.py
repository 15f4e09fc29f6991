"""Keys that were written for an earlier object of the same name.

What it finds
    A key whose value carries the UID of an object that is gone, while an object of the same name lives under another UID.
Why it matters
    The new object reads what was written for the old one: credentials, addresses, decisions.
When it is wrong
    When the writer has not yet come round to the new object. It is never trimmed by `--ghosts`: the key is in use.
Example
    Tenant `acme` was deleted and made again; `data["acme"]` still says the old UID.
Source
    Kubernetes API concepts: names and UIDs
"""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.analyses._base import Analysis, View, lost_finding
from ghostkey.model.findings import Finding, Severity


def _run(view: View) -> Iterator[Finding]:
    for result, item in view.lost():
        if item.state == "recreated":
            subject = item.subjects[0]
            message = f"written for an earlier {subject}" + (f" (UID {subject.uid})" if subject.uid else "") + f"; {item.note}"
            yield lost_finding(view, "recreated-subject", Severity.WARNING, result, item, message)


ANALYSIS = Analysis(Severity.WARNING, _run)
