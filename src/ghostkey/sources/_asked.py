"""What was asked for and is not there: a scan of nothing must not look like a scan that found nothing."""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.kube.absent import meant
from ghostkey.kube.client import ApiClient
from ghostkey.model.errors import AccessDenied
from ghostkey.model.events import Gap
from ghostkey.model.refs import CONFIG_MAPS, NAMESPACES, SECRETS, ObjectRef
from ghostkey.sources.live_cluster import Scope
from ghostkey.store.snapshot import Snapshot


def not_there(snapshot: Snapshot, scope: Scope, client: ApiClient | None = None) -> Iterator[Gap]:
    """Gaps for the namespace, maps, labels and kinds of a scope that the snapshot knows nothing of.

    With a client, a namespace in which no map was seen is asked for by name; without one the snapshot is a dump.
    """
    place = "the cluster" if client else "the dump"
    lists = "kubectl api-resources lists the kinds" if client else "kinds of which the dump holds an object are known"
    words = [*((word, "--kinds") for word in scope.subject_kinds), *((word, "--field") for word, _ in scope.fields)]
    for word, option in words:
        if not any(kind.answers_to(word) for kind in snapshot.kinds):
            yield Gap(f"{option} {word}", f"no such kind in {place}", word if option == "--kinds" else "", lists)
    if scope.namespace and (why := _why_no_namespace(snapshot, scope.namespace, client)):
        yield Gap(f"namespace {scope.namespace!r}", why, hint="kubectl get namespaces" if client else "")
        return
    place_of = f"namespace {scope.namespace} of {place}" if scope.namespace else place
    for kind, name in scope.names:
        if not any(batch.holder.name == name and batch.holder.kind == kind for batch in snapshot.maps):
            hint = meant(client, kind, scope.namespace, name) or f"kubectl get {kind.resource} -A lists them" if client else ""
            yield Gap(str(ObjectRef(kind, scope.namespace, name)), f"no such map in {place_of}", hint=hint)
    if scope.selector and not scope.names and not snapshot.maps:
        yield Gap(
            f"-l {scope.selector}", f"no map {f'in namespace {scope.namespace!r} ' if scope.namespace else ''}has these labels"
        )


def nothing_to_judge_by(snapshot: Snapshot, scope: Scope) -> Iterator[str]:
    """Notes on a dump of which nothing can be said, though nothing is wrong with it: no maps, or maps and nothing beside them."""
    parts = [snapshot, *snapshot.parts]
    if not any(part.maps for part in parts):
        if scope == Scope(known_by=scope.known_by):  # whoever asked for less knows that there may be none
            yield "no ConfigMap and no Secret is in the dump: nothing was looked into"
        return
    kinds = {kind for part in parts for kind in part.subjects.kinds} - {CONFIG_MAPS, SECRETS}
    if kinds <= {NAMESPACES}:
        yield (
            f"nothing but maps {'and namespaces ' if kinds else ''}is in the dump: whether the {'other ' if kinds else ''}subjects of their keys "
            "live is not known; add what keys may be for: kubectl get cm,ns,nodes,pods,CRD… -A -o yaml"
        )


def _why_no_namespace(snapshot: Snapshot, namespace: str, client: ApiClient | None) -> str:
    """Why nothing can be said of a namespace; nothing when it is known to be there."""
    subjects = snapshot.subjects
    if any(batch.holder.namespace == namespace for batch in snapshot.maps) or namespace in subjects.namespaces:
        return ""
    spaces = (
        [name for row, name in enumerate(subjects.names) if subjects.kind(row) == NAMESPACES]
        if NAMESPACES in subjects.kinds
        else []
    )
    if namespace in spaces:
        return ""
    if client is None:
        return "the dump holds nothing of it"
    if NAMESPACES not in snapshot.coverage:
        try:
            return "" if client.get_object(NAMESPACES.path("", namespace)) else "it does not exist"
        except AccessDenied:
            return "" if snapshot.gaps else "no map was seen in it, and whether it exists may not be asked"
    return "it does not exist"
