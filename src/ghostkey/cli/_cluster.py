"""What several commands do before they act: reach the cluster, find the map, find its ghosts."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ghostkey import api
from ghostkey.cli.options import ProgressLine, parse_holder
from ghostkey.kube.absent import no_such_map
from ghostkey.kube.client import ApiClient
from ghostkey.model.errors import NotFound, UsageError
from ghostkey.model.findings import Finding
from ghostkey.model.nearest import meant_map
from ghostkey.model.plans import Receipt
from ghostkey.model.refs import Kind, ObjectRef
from ghostkey.store.state import DigestKey

LOOKED_THROUGH = 200  # receipts, for one of a map that may have been meant


def one_map(words: tuple[str, ...]) -> tuple[Kind, str]:
    """The single map that the arguments name."""
    pairs = parse_holder(words)
    if len(pairs) != 1:
        raise UsageError(f"{len(pairs)} maps are named", "name one: cm/NAME or secret/NAME")
    return pairs[0]


def receipts_at(
    where: str | None, client: ApiClient, namespace: str, key: DigestKey | None = None
) -> api.FileReceipts | api.ClusterReceipts:
    """The place of receipts that `--receipts` names: `cluster`, a folder, or the user's own."""
    if where == "cluster":
        return api.ClusterReceipts(client, namespace, key)
    return api.FileReceipts(Path(where) if where else None, key)


def named_receipt(word: str, kept: api.FileReceipts | api.ClusterReceipts) -> Receipt:
    """The receipt of an id, or of a file: a word with a slash in it. A file of this folder is never taken for an id."""
    is_path = "/" in word or os.sep in word
    if is_path and isinstance(kept, api.FileReceipts):
        return kept.load_file(Path(word))
    return kept.load(word)


def trim_of(
    kept: api.FileReceipts | api.ClusterReceipts, receipt: str | None, map_words: tuple[str, ...], client: ApiClient
) -> Receipt:
    """The receipt that is named, else that of the latest trim that is in force, of the map when one is named."""
    kind, name = one_map(map_words) if map_words else (None, "")
    named = (kind, client.config.namespace, name) if kind else None
    if receipt is None:
        if named and not any(isinstance(other, Receipt) for other in api.list_receipts(kept, named)):
            others = [other for other in itertools.islice(api.list_receipts(kept), LOOKED_THROUGH) if isinstance(other, Receipt)]
            also = "".join(f"; the latest, {other.id}, is of {other.holder}" for other in others[:1])
            said = api.meant_receipt(named, (other.holder for other in others)) or "name the map's namespace with -n"
            raise UsageError(
                f"{kept} holds no receipt of {map_words[0]}{also}", f"{said}; ghostkey undo --list shows what there is"
            )
        latest = api.Candidates(client, kept, named).latest()
        if latest is None:
            raise UsageError("every trim has been undone: no key is to stay gone", "name a receipt with --from-receipt")
        return latest
    found = named_receipt(receipt, kept)
    holder = found.holder
    if named and named != (holder.kind, holder.namespace, holder.name):
        raise UsageError(f"receipt {found.id} is of {holder}, not of {map_words[0]}", "name another with --from-receipt")
    return found


def findings_of_map(
    client: ApiClient, kind: Kind, name: str, kinds: Sequence[str], subjects: Sequence[str], progress: ProgressLine
) -> tuple[list[Finding], api.Snapshot, Sequence[api.Link | api.ObjectLink]]:
    """Confirmed findings of one map, inferred among all maps that may be listed (its family has part in the evidence).

    And the snapshot with all of these, and the links that `subjects` declare.
    """
    namespace = client.config.namespace
    source = api.cluster(
        client, api.Scope(holders=(kind,), subject_kinds=tuple(kinds), known_by=api.known_by(subjects)), progress
    )
    snapshot = api.collect(source, client.config.server)
    if not any(_is(seen.holder, kind, namespace, name) for seen in snapshot.maps):
        scope = api.Scope(
            namespace=namespace,
            names=((kind, name),),
            holders=(kind,),
            subject_kinds=tuple(kinds),
            known_by=api.known_by(subjects),
        )
        source = api.cluster(client, scope, progress)
        snapshot = api.collect(source, client.config.server)
        if not any(_is(seen.holder, kind, namespace, name) for seen in snapshot.maps):
            raise no_such_map(client, kind, namespace, name)
    api.missing(snapshot, api.Scope(subject_kinds=tuple(kinds)), client)
    progress("looking for ghosts")
    links = api.declared_links(subjects, snapshot, [ObjectRef(kind, namespace, name)])
    found = [finding for finding in api.analyse(snapshot, links) if _is(finding.key.holder, kind, namespace, name)]
    return api.confirm(source, found), snapshot, links


def findings_in_dump(
    paths: Sequence[str],
    kind: Kind,
    namespace: str,
    name: str,
    about: tuple[Sequence[str], Sequence[str]],
    progress: ProgressLine,
) -> tuple[list[Finding], api.Snapshot, Sequence[api.Link | api.ObjectLink], dict[str, Any]]:
    """As `findings_of_map`, from the manifests of a dump; and the map's keys by field. `about`: kinds and declared subjects."""
    kinds, subjects = about
    scope = api.Scope(holders=(kind,), subject_kinds=tuple(kinds), known_by=api.known_by(subjects))
    snapshot = api.missing(api.collect(api.manifests(paths, scope, progress)), scope)
    parts = [snapshot, *snapshot.parts]
    own = [seen for part in parts for seen in part.maps if _is(seen.holder, kind, namespace, name)]
    if not own:
        others = [seen.holder for part in parts for seen in part.maps if seen.holder.kind == kind]
        here = [holder.name for holder in others if holder.namespace == namespace]
        elsewhere = [holder.namespace for holder in others if holder.name == name]
        hint = meant_map(name, here, elsewhere) or "ghostkey scan --from lists what is in it"
        raise NotFound(f"the dump has no {kind.kind} {name} in namespace {namespace!r}", hint)
    progress("looking for ghosts")
    links = api.declared_links(subjects, snapshot, [ObjectRef(kind, namespace, name)])
    found = [finding for finding in api.analyse(snapshot, links) if _is(finding.key.holder, kind, namespace, name)]
    fields: dict[str, Any] = {}
    for seen in own:
        fields.setdefault(seen.field, {}).update({"/".join([*seen.path, key]): "" for key in seen.keys})
    return api.with_writers(snapshot, found), snapshot, links, fields


def _is(holder: ObjectRef, kind: Kind, namespace: str, name: str) -> bool:
    return holder.kind == kind and holder.namespace == namespace and holder.name == name
