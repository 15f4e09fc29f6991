"""When an object began and when it ended, as the audit log's requests tell.

A deletion that was asked for is not yet an end: finalizers keep an object, a Pod has its grace, a namespace is emptied first.
Source: k8s.io/apiserver v0.37 pkg/registry/generic/registry/store.go (Delete, ShouldDeleteNamespaceDuringUpdate);
pkg/registry/core/namespace; apiextensions-apiserver v0.37 pkg/controller/finalizer
"""

from __future__ import annotations

from ghostkey.model.history import CREATED, DELETED, DELETING
from ghostkey.sources.history.audit.event import Event, Object, spec_of, waits_for_dependents

NAMESPACES, PODS, KINDS = "namespaces", "pods", "customresourcedefinitions.apiextensions.k8s.io"
# kinds that are never gone at once: something is taken down first, and a log that hides the answer does not show it
_LINGERING = {NAMESPACES, KINDS}
_NODE = "system:node:"


def is_waiting(kind: str, found: Object) -> bool:
    """Whether an object that is being deleted is still there after the answer in which it is shown."""
    meta = found.metadata
    if not meta.deletion_timestamp:
        return False
    if meta.finalizers or (meta.deletion_grace_period_seconds or 0) > 0:
        return True
    return kind == NAMESPACES and spec_of(found)[0]


def what_happened(event: Event, kind: str, found: Object | None) -> str:
    """CREATED, DELETING or DELETED; empty when the request neither began nor ended the object. `kind` is qualified."""
    reference = event.object_ref
    subresource = reference.subresource if reference else ""
    if event.verb == "create":
        if subresource == "eviction":
            return DELETING if kind == PODS else ""
        return "" if subresource else CREATED
    shown = found if found is not None and found.kind != "Status" and (found.metadata.name or found.metadata.uid) else None
    if event.verb == "delete":
        if subresource:
            return ""
        if shown is not None:
            return DELETING if is_waiting(kind, shown) else DELETED
        if found is not None:
            return DELETED  # a Status about it: there was nothing to wait for
        return _hidden_deletion(event, kind)
    if shown is not None:
        return DELETED if shown.metadata.deletion_timestamp and not is_waiting(kind, shown) else ""
    # the last step of a namespace, whose answer the level hides
    return DELETED if kind == NAMESPACES and subresource == "finalize" else ""


def _hidden_deletion(event: Event, kind: str) -> str:
    """What a deletion came to whose answer is not in the log."""
    if kind in _LINGERING or waits_for_dependents(event):
        return DELETING
    if kind == PODS:
        # the kubelet deletes for the second time, when the containers have ended
        is_last = event.user.username.startswith(_NODE) or b'"gracePeriodSeconds":0' in bytes(event.request_object)
        return DELETED if is_last or "gracePeriodSeconds=0" in event.request_uri else DELETING
    return DELETED


def in_collection(kind: str, found: Object) -> str:
    """What a deletecollection did to one of the objects that it lists, as they were before."""
    if found.metadata.finalizers:
        return DELETING
    # a Pod that runs nowhere has no grace
    return DELETING if kind == PODS and spec_of(found)[1] else DELETED
