"""Keys whose subject is gone.

What it finds
    A key that was written for an object (a custom resource, namespace, node, Pod, …) which no longer exists. The link is
    declared (`--subject`, or the annotation `ghostkey.dev/subject` on the map), carried by the value (a UID), or inferred
    from the other keys of the map.
Why it matters
    Each one stays until somebody removes it. The map grows with every subject that ever lived, until the API server
    refuses writes and every reconcile and finalizer fails.
When it is wrong
    When a map is about objects outside this cluster that are called like objects in it. Then declare what it is about,
    or leave it out.
Example
    `cm/tenant-registry` has 40 keys `{namespace}.{name}` for 30 live Tenants: ten are ghosts.
Source
    GoogleCloudPlatform/k8s-config-connector#590
"""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.analyses._base import Analysis, View, lost_finding, severity_of
from ghostkey.model.findings import Finding, Severity


def _run(view: View) -> Iterator[Finding]:
    for result, item in view.lost():
        if item.state == "recreated":
            continue
        if result.seen.shapes[item.index].name == "empty" and not result.has_empty_live and result.live:
            continue  # a tombstone
        subjects = " or ".join(map(str, item.subjects)) or item.attribution.template
        if item.state == "declared":
            item.note = item.note or "a manifest still holds the key: take it out there"
        is_sure = item.state not in {"unknown", "suspect"}
        gone = "may be gone" if not is_sure else "is gone" if len(item.subjects) < 2 else "are gone"
        message = f"{subjects} {gone}" + (f"; {item.note}" if item.note else "")
        yield lost_finding(view, "ghost-key", severity_of(item), result, item, message)


ANALYSIS = Analysis(Severity.WARNING, _run)
