"""Keys that no apply will ever remove, because an earlier way of writing still owns them.

What it finds
    In a map that has been moved from one tool to another: keys owned only by the one before, which writes it no more. Known
    are moves from kubectl (apply, create, edit, patch), Helm, Terraform, Pulumi, Ansible, Argo CD and Flux to whoever applies
    the map now with server-side apply, and two appliers of one manifest.
Why it matters
    Server-side apply removes a key that leaves the manifest only when no other manager owns it. These stay for ever.
When it is wrong
    When the old manager still writes, with a manifest of its own for the same map. Managers that share a map and have no key
    in common are left alone, unless the new one applies whole objects, as Argo CD and Flux do.
Example
    `kubectl-client-side-apply` owns `old.conf`; `argocd-controller` applies the rest.
Source
    kubernetes/kubernetes#99003; k8s.io/client-go util/csaupgrade
"""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.analyses._base import Analysis, View, key_ref
from ghostkey.model.counts import counted
from ghostkey.model.events import FieldOwner, KeysSeen
from ghostkey.model.findings import Finding, Severity
from ghostkey.model.managers import holds_whole_objects, tool_of_manager


def _run(view: View) -> Iterator[Finding]:
    for seen in view.snapshot.maps:
        owners = seen.meta.field_owners if seen.meta else ()
        if seen.path or seen.field != "data" or any(owner.keys is None for owner in owners):
            continue
        applying = [owner for owner in owners if owner.operation == "Apply" and owner.keys]
        if not applying or len(owners) < 2:
            continue
        newest = max(applying, key=lambda owner: (_when(owner), holds_whole_objects(owner.manager)))
        old = [owner for owner in owners if owner is not newest and _is_replaced(owner, newest, seen)]
        others = frozenset().union(*(owner.keys or () for owner in owners if owner not in old))
        for i, key in enumerate(seen.keys):
            manager = next((owner for owner in old if owner.keys and key in owner.keys), None)
            if manager is not None and key not in others:
                yield _finding(seen, i, manager, newest)


def _is_replaced(owner: FieldOwner, newest: FieldOwner, seen: KeysSeen) -> bool:
    """Whether the map has been moved from this owner to the one that applies it now."""
    if not owner.keys or not tool_of_manager(owner.manager) or _when(owner) > _when(newest):
        return False
    held = newest.keys or frozenset()
    # what was in the old manifest is the new one's: shared, or taken over by force
    if owner.keys & held or holds_whole_objects(newest.manager):
        return True
    is_kubectl = owner.operation == "Update" and tool_of_manager(owner.manager) == "kubectl"
    return is_kubectl and seen.meta is not None and not seen.meta.declared.isdisjoint(held)


def _when(owner: FieldOwner) -> str:
    # The API server gives no time to an apply that changed nothing but who owns what: it came when all values were there.
    return owner.time or "~"


def _finding(seen: KeysSeen, index: int, manager: FieldOwner, newest: FieldOwner) -> Finding:
    return Finding(
        analysis="stuck-field-owner",
        key=key_ref(seen, index),
        severity=Severity.WARNING,
        message=f"owned by {manager.manager} alone, while {newest.manager} now applies this map",
        evidence=(
            f"{manager.manager} ({manager.operation}, {manager.time}) owns the key",
            f"{newest.manager} (Apply, {newest.time or 'without a change'}) owns {counted(len(newest.keys or ()), 'key')}, not this one",
            f"no apply of {newest.manager} removes it; if it is not to stay, ghostkey trim --key does",
        ),
        value_bytes=seen.sizes[index],
        writer=f"{manager.manager} {manager.time}",
    )


ANALYSIS = Analysis(Severity.WARNING, _run)
