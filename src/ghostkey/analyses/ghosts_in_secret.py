"""Documents in Secret values that have entries of gone subjects.

What it finds
    A JSON or YAML document in a value of a Secret, some of whose entries were written for objects that no longer exist. The
    entries are counted, never named: in a map from token to tenant the names are the secret.
Why it matters
    Credentials of gone subjects stay valid wherever the document is read, and it grows as any map does.
When it is wrong
    As `ghost-key`. Nothing in it is ever trimmed: who may read the value can see what has to go.
Example
    `tokens.json` of a Secret has an entry for each of 40 Tenants, 12 of which are gone.
Source
    k8s.io/api core/v1: Secret.data
"""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.analyses._base import Analysis, View
from ghostkey.inference.results import MapResult
from ghostkey.model.findings import Finding, Severity
from ghostkey.model.refs import KeyRef, ObjectRef


def _run(view: View) -> Iterator[Finding]:
    documents: dict[tuple[ObjectRef, str, str], list[MapResult]] = {}
    for result in view.veiled:
        if any(item.state != "recreated" for item in result.lost):
            documents.setdefault((result.seen.holder, result.seen.field, result.seen.path[0]), []).append(result)
    for (holder, field, key), results in documents.items():
        lost = [item for result in results for item in result.lost if item.state != "recreated"]
        sure = [item for item in lost if item.state != "unknown"]
        entries = sum(len(result.seen.keys) for result in results)
        state, count = ("found", len(sure)) if sure else ("unknown", len(lost))
        verb = ("outlives" if count == 1 else "outlive") if sure else "may outlive"
        words = f"{count} of its {entries} entries {verb} {'its' if count == 1 else 'their'} subject"
        yield Finding(
            analysis="ghosts-in-secret",
            key=KeyRef(holder, field, key),
            severity=Severity.WARNING,
            message=f"{words}; which ones is part of the secret",
            evidence=(f"the value of {key} is a document", words, "entries within Secrets are counted, never named or trimmed"),
            state=state,
        )


ANALYSIS = Analysis(Severity.WARNING, _run)
