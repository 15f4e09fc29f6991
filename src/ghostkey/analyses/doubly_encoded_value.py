"""Values that were encoded twice.

What it finds
    A Secret whose decoded value is base64 of readable text once more, a ConfigMap value that is base64 of base64, and
    JSON documents that were written as a JSON string.
Why it matters
    Somebody encoded what the client library encodes anyway. Readers that decode once fail; those that decode twice break
    when it is mended.
When it is wrong
    When a reader is meant to get base64, as with some password hashes. Short values are not judged.
Example
    `data.credentials` of a Secret decodes to `eyJ1c2VyIjoi…`.
Source
    k8s.io/api core/v1: Secret.data, Secret.stringData
"""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.analyses._base import Analysis, View, key_ref
from ghostkey.inference.infer import is_exempt
from ghostkey.model.events import WORD
from ghostkey.model.findings import Finding, Severity
from ghostkey.model.refs import SECRETS


def _run(view: View) -> Iterator[Finding]:
    for seen in view.snapshot.maps:
        if seen.shapes.count(WORD) == len(seen.shapes) or not any(shape.doubled for shape in set(seen.shapes)) or is_exempt(seen):
            continue
        for i, shape in enumerate(seen.shapes):
            if not shape.doubled:
                continue
            if shape.doubled.startswith("base64") and seen.holder.kind != SECRETS and seen.field != "binaryData":
                continue  # base64 in a ConfigMap is encoded once
            yield Finding(
                analysis="doubly-encoded-value",
                key=key_ref(seen, i),
                severity=Severity.WARNING,
                message=f"the value is encoded twice: {shape.doubled}",
                evidence=(f"value of {seen.sizes[i]:,} bytes", f"decoding it once gives {shape.doubled.split(' in ')[0]} again"),
                value_bytes=seen.sizes[i],
            )


ANALYSIS = Analysis(Severity.WARNING, _run)
