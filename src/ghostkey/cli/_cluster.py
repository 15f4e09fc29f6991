"""What several commands do before they act: reach the cluster, find the map, find its ghosts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ghostkey import api
from ghostkey.cli.options import ProgressLine, parse_holder
from ghostkey.kube.client import ApiClient
from ghostkey.model.errors import UsageError
from ghostkey.model.findings import Finding
from ghostkey.model.refs import Kind, ObjectRef

GHOSTS = {"ghost-key", "tombstone"}


def one_map(words: tuple[str, ...]) -> tuple[Kind, str]:
    """The single map that the arguments name."""
    pairs = parse_holder(words)
    if len(pairs) != 1:
        raise UsageError(f"{len(pairs)} maps are named", "name one: cm/NAME or secret/NAME")
    return pairs[0]


def receipts_at(where: str | None, client: ApiClient, namespace: str) -> api.FileReceipts | api.ClusterReceipts:
    """The place of receipts that `--receipts` names: `cluster`, a folder, or the user's own."""
    if where == "cluster":
        return api.ClusterReceipts(client, namespace)
    return api.FileReceipts(Path(where) if where else None)


def findings_of_map(
    client: ApiClient, kind: Kind, name: str, kinds: Sequence[str], subjects: Sequence[str], progress: ProgressLine
) -> tuple[list[Finding], api.Snapshot]:
    """Confirmed findings of one map, inferred among all maps that may be listed (its family has part in the evidence)."""
    namespace = client.config.namespace
    source = api.cluster(client, api.Scope(holders=(kind,), subject_kinds=tuple(kinds)), progress)
    snapshot = api.collect(source, client.config.server)
    if not any(_is(seen.holder, kind, namespace, name) for seen in snapshot.maps):
        scope = api.Scope(namespace=namespace, names=((kind, name),), holders=(kind,), subject_kinds=tuple(kinds))
        source = api.cluster(client, scope, progress)
        snapshot = api.collect(source, client.config.server)
    progress("looking for ghosts")
    links = api.declared_links(subjects, snapshot, [ObjectRef(kind, namespace, name)])
    found = [finding for finding in api.analyse(snapshot, links) if _is(finding.key.holder, kind, namespace, name)]
    return api.confirm(source, found), snapshot


def _is(holder: ObjectRef, kind: Kind, namespace: str, name: str) -> bool:
    return holder.kind == kind and holder.namespace == namespace and holder.name == name
