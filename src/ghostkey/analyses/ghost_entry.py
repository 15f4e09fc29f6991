"""Entries of a Go map in a running process whose subject is gone.

What it finds
    An entry of a map in an operator's memory that was made for an object (a custom resource, namespace, node, Pod, …) which
    no longer exists. The map's keys are linked to objects as those of ConfigMaps are. Informer stores, their indexes,
    workqueues and API objects in caches mirror what lives, and are left out; so are caches that forget by themselves, HTTP/2's
    tables of headers, and maps that nothing, or only a sync.Pool, leads to.
Why it matters
    Reconcile inserts and never deletes: the process grows with every subject that ever lived, and what is rendered from such
    a map into a ConfigMap comes back however often it is trimmed. The map in memory is the cause, the ghost key its shadow.
When it is wrong
    When the map is meant to remember what is gone, as a cache with its own expiry does: an entry that is younger than that is
    no leak. `ghostkey stacks PID --map HOLDER` shows whether anything deletes from it at all.
Example
    `(main.reconciler).memory` of a tenant operator has 40 entries `{namespace}.{name}` for 30 live Tenants: ten are ghosts.
Source
    Go maps have no expiry: https://go.dev/ref/spec#Deletion_of_map_elements; kubernetes-sigs/controller-runtime: a Reconciler is one
    long-lived value, whose fields are shared by all calls.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from ghostkey.analyses._base import Analysis, View, lost_finding, severity_of
from ghostkey.model.findings import Finding, Severity


def _run(view: View) -> Iterator[Finding]:
    for result in view.entries:
        seen = result.seen
        for item in result.lost:
            if item.state == "recreated":
                continue
            subjects = " or ".join(map(str, item.subjects)) or item.attribution.template
            is_sure = item.state not in {"unknown", "suspect"}
            gone = "may be gone" if not is_sure else "is gone" if len(item.subjects) < 2 else "are gone"
            told = lost_finding(view, "ghost-entry", severity_of(item), result, item, f"{subjects} {gone}")
            process = seen.holder.cluster
            about = seen.meta.annotations if seen.meta is not None else {}
            place = f"entry {seen.keys[item.index]} of a {about.get('type', 'map')} in {about.get('process', process)}"
            place += f", held by {about.get('holder', seen.holder.name)}"
            yield dataclasses.replace(told, evidence=(place, *told.evidence[1:]), value_bytes=-1, origin=process)


ANALYSIS = Analysis(Severity.WARNING, _run)
