"""Keys that no Pod and no subject uses, beside keys of the same map that Pods do use.

What it finds
    In a map of which Pods (or workloads' Pod templates) name single keys, the keys that none of them names, unless some
    Pod takes the map whole or the key is linked to a subject.
Why it matters
    It is often the rest of a setting that was renamed.
When it is wrong
    When a program reads the map through the API. Therefore the severity is info: it is shown with `--severity info`.
Example
    A Deployment reads `url` and `token` of a Secret; `old-token` is read by nobody.
Source
    k8s.io/api core/v1: EnvVarSource, EnvFromSource, KeyToPath, projected volumes
"""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.analyses._base import Analysis, View, key_ref
from ghostkey.inference.infer import is_exempt
from ghostkey.model.counts import counted
from ghostkey.model.findings import Finding, Severity
from ghostkey.model.refs import PODS


def _run(view: View) -> Iterator[Finding]:
    snapshot = view.snapshot
    linked = {id(result.seen): result for result in view.inferred}
    for seen in snapshot.maps:
        uses = snapshot.uses_of(seen)
        if seen.path or not uses.keys or uses.whole or is_exempt(seen):
            continue
        if view.sight.why_unseen(PODS, seen.holder.namespace):
            continue  # unseen Pods may use anything
        result = linked.get(id(seen))
        about = (result.live | {item.index for item in result.lost}) if result else set()
        users = sorted({use.user for named in uses.keys.values() for use in named})
        for i, key in enumerate(seen.keys):
            if key in uses.keys or i in about:
                continue
            yield Finding(
                analysis="unused-key",
                key=key_ref(seen, i),
                severity=Severity.INFO,
                message=f"no Pod names it, while {users[0]} names {sorted(uses.keys)[0]!r}",
                evidence=(
                    f"{counted(len(uses.keys), 'other key is', 'other keys are')} named by {', '.join(users[:3])}"
                    + (" …" if len(users) > 3 else ""),
                    "no Pod takes the map whole (envFrom, volume without items)",
                    "no template links it to a subject",
                ),
                value_bytes=seen.sizes[i],
            )


ANALYSIS = Analysis(Severity.INFO, _run)
