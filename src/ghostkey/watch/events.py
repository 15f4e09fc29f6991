"""A Kubernetes Event on a map for what is new of it. Its name is made of what it tells, so that it cannot be written twice.

Source: Kubernetes API v1.37, events.k8s.io/v1 Event: note at most 1,024 bytes, reason and action at most 128.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from ghostkey.kube.client import ApiClient
from ghostkey.model.errors import AccessDenied, ApiFailed
from ghostkey.model.findings import Finding
from ghostkey.model.history import rfc3339_now
from ghostkey.model.refs import SECRETS, ObjectRef

GROUP = "events.k8s.io"
CONTROLLER = "ghostkey.dev/watch"
NOTE_BYTES = 1000
KEYS_TOLD = 8


def write_event(client: ApiClient, holder: ObjectRef, new: Mapping[str, Finding], identity: str) -> bool:
    """Writes the Event; False when it is there already, or its namespace ends. Raises AccessDenied or ApiFailed."""
    digest = hashlib.sha256("".join(sorted(new)).encode()).hexdigest()[:16]
    now = rfc3339_now(is_exact=True)
    worst = max(new.values(), key=lambda finding: finding.severity)
    body = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Event",
        "metadata": {"name": f"{holder.name[:200].rstrip('.-')}.{digest}", "namespace": holder.namespace},
        "eventTime": now,
        "reportingController": CONTROLLER,
        "reportingInstance": identity[:128],
        "action": "Look",
        "reason": "".join(word.capitalize() for word in worst.analysis.split("-")),
        "type": "Warning",
        "note": note(holder, new),
        "regarding": {
            "apiVersion": "v1", "kind": holder.kind.kind, "name": holder.name, "namespace": holder.namespace, "uid": holder.uid
        },
    }  # fmt: skip
    try:
        client.write("POST", f"/apis/{GROUP}/v1/namespaces/{holder.namespace}/events", msgspec.json.encode(body))
    except AccessDenied as error:
        if is_ending(error):
            return False
        raise
    except ApiFailed as error:
        if error.status == 409:
            return False
        raise
    return True


def is_ending(error: AccessDenied) -> bool:
    """Whether a write was refused only because its namespace ends, and the map with it.

    Source: k8s.io/apiserver v0.37 pkg/admission/plugin/namespace/lifecycle
    """
    return "because it is being terminated" in str(error)


def note(holder: ObjectRef, new: Mapping[str, Finding], most_bytes: int = NOTE_BYTES) -> str:
    """What is new of a map, in a few words. Of a Secret nothing that is called anything in it is named."""
    by_analysis: dict[str, list[Finding]] = {}
    for finding in sorted(new.values(), key=lambda finding: (-finding.severity, finding.analysis, str(finding.key))):
        by_analysis.setdefault(finding.analysis, []).append(finding)
    parts = [_of_analysis(holder, name, found) for name, found in by_analysis.items()]
    text = "; ".join(parts) + f"; ghostkey scan {holder!s} shows why"
    while len(text.encode("utf-8", "replace")) > most_bytes:
        text = text[: len(text) * 9 // 10].rstrip() + " …"
    return text.encode("utf-8", "replace").decode()


def _of_analysis(holder: ObjectRef, name: str, found: list[Finding]) -> str:
    keys = [str(finding.key) for finding in found if finding.key.key]
    if not keys:
        return f"{name}: {found[0].message}" if holder.kind != SECRETS else name
    count = f"{len(keys):,} {'key' if len(keys) == 1 else 'keys'}"
    if holder.kind == SECRETS:
        return f"{name}: {count}"
    shown = ", ".join(key[:100] for key in keys[:KEYS_TOLD])
    return f"{name}: {count}: {shown}" + (" …" if len(keys) > KEYS_TOLD else "")
