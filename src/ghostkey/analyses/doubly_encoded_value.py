"""Values that were encoded twice.

What it finds
    A Secret whose decoded value is base64 of readable text once more, a value of `binaryData` likewise, and JSON documents
    that were written as a JSON string. Only values of the map itself are judged: base64 within a document (the `caData` of an
    Argo CD cluster, the `auth` of a docker config, a values.yaml) is encoded once, by the document's own rules.
Why it matters
    Somebody encoded what the client library encodes anyway. Readers that decode once fail; those that decode twice break
    when it is mended.
When it is wrong
    When a reader is meant to get base64. Where the key or the Secret's type tells so, it is info, with what tells it:
    `key.json.b64`, `certificate-authority-data`, `auth` of `user:password`. Short values are not judged.
Example
    `data.credentials` of a Secret decodes to `eyJ1c2VyIjoi…`.
Source
    k8s.io/api core/v1: Secret.data, Secret.stringData; client-go clientcmd/api: certificate-authority-data
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.analyses._base import Analysis, View, key_ref
from ghostkey.inference.infer import is_exempt
from ghostkey.model.counts import counted
from ghostkey.model.events import WORD
from ghostkey.model.findings import Finding, Severity
from ghostkey.model.refs import SECRETS

# what tells that a reader wants base64
_MEANT = (
    (re.compile(r"(?i)base64|(?:^|[._-])b64(?:$|[._-])|_B64$"), "its key is named for it"),
    (
        re.compile(r"(?:^|[._-])(?:certificate-authority|client-certificate|client-key|ca|cert|key|tls)-?[dD]ata$|caBundle$"),
        "fields of kubeconfigs and webhooks with this name hold base64 of PEM",
    ),
    (
        re.compile(r"(?i)^basic$|^(?:basic[._-]?)?auth(?:orization)?$"),
        "HTTP's basic authentication is base64 of user and password",
    ),
    (
        re.compile(r"(?i)(?:^|[._-])(?:cookie[._-]?secret|(?:encryption|signing|hmac|aes)[._-]?key)$"),
        "keys of so many bytes are handed over as base64",
    ),
    (re.compile(r"(?i)^user-?data$|^cloud-?init$|^ignition$"), "machines take their user data as base64"),
)


def _run(view: View) -> Iterator[Finding]:
    for seen in view.snapshot.maps:
        if seen.path or seen.shapes.count(WORD) == len(seen.shapes) or not any(shape.doubled for shape in set(seen.shapes)):
            continue
        if is_exempt(seen):
            continue
        for i, shape in enumerate(seen.shapes):
            if not shape.doubled:
                continue
            is_base64 = shape.doubled.startswith("base64")
            if is_base64 and seen.holder.kind != SECRETS and seen.field != "binaryData":
                continue  # base64 in a ConfigMap is encoded once
            why = _meant(seen.keys[i]) if is_base64 else ""
            yield Finding(
                analysis="doubly-encoded-value",
                key=key_ref(seen, i),
                severity=Severity.INFO if why else Severity.WARNING,
                message=f"the value is encoded twice: {shape.doubled}" + (f"; meant so, it seems: {why}" if why else ""),
                evidence=(
                    f"value of {counted(seen.sizes[i], 'byte')}",
                    f"decoding it once gives {shape.doubled.split(' in ')[0]} again",
                    *([f"meant so, it seems: {why}"] if why else ["nothing tells that its reader wants it so"]),
                ),
                value_bytes=seen.sizes[i],
            )


def _meant(key: str) -> str:
    """Why a value is meant to be base64; empty when nothing tells so."""
    return next((why for pattern, why in _MEANT if pattern.search(key)), "")


ANALYSIS = Analysis(Severity.WARNING, _run)
