"""Keys that no apply will ever remove, because an earlier way of writing still owns them.

What it finds
    In a map that has been moved from client-side to server-side apply: keys owned only by the old client-side manager,
    which nobody uses any more.
Why it matters
    Server-side apply removes a key that leaves the manifest only when no other manager owns it. These stay for ever.
When it is wrong
    When the old manager still writes.
Example
    `kubectl-client-side-apply` owns `old.conf`; `argocd-controller` applies the rest.
Source
    kubernetes/kubernetes#99003; k8s.io/client-go util/csaupgrade
"""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.analyses._base import Analysis, View, key_ref
from ghostkey.model.findings import Finding, Severity

_CLIENT_SIDE = {"kubectl-client-side-apply", "before-first-apply"}


def _run(view: View) -> Iterator[Finding]:
    for seen in view.snapshot.maps:
        owners = seen.meta.field_owners if seen.meta else ()
        if seen.path or seen.field != "data" or any(owner.keys is None for owner in owners):
            continue
        applying = [owner for owner in owners if owner.operation == "Apply" and owner.keys]
        old = [owner for owner in owners if owner.operation == "Update" and owner.manager in _CLIENT_SIDE]
        if not applying or not old:
            continue
        newest = max(applying, key=lambda owner: owner.time)
        others = frozenset().union(*(owner.keys or () for owner in owners if owner not in old))
        stuck = frozenset().union(*(owner.keys or () for owner in old if owner.time <= newest.time)) - others
        for i, key in enumerate(seen.keys):
            if key in stuck:
                manager = next(owner for owner in old if owner.keys and key in owner.keys)
                yield Finding(
                    analysis="stuck-field-owner",
                    key=key_ref(seen, i),
                    severity=Severity.WARNING,
                    message=f"owned by {manager.manager} alone, while {newest.manager} now applies this map",
                    evidence=(
                        f"{manager.manager} (Update, {manager.time}) owns the key",
                        f"{newest.manager} (Apply, {newest.time}) owns {len(newest.keys or ())} keys, not this one",
                        "no apply removes it",
                    ),
                    value_bytes=seen.sizes[i],
                    writer=f"{manager.manager} {manager.time}",
                )


ANALYSIS = Analysis(Severity.WARNING, _run)
