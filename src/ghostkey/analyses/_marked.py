"""Whole objects of which an annotation or a label says whose they are: the program that made them wrote it there.

Only marks that a program documents, with one subject to each object. A copy in another namespace keeps the mark, and is of the
same subject: where one of that name lives anywhere, nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ghostkey.inference.index import SubjectIndex
from ghostkey.model.events import KeysSeen
from ghostkey.model.findings import Subject
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, Kind, canonical
from ghostkey.store.snapshot import Snapshot

# mark → group and kind of the subject that it names, in the object's own namespace
# Source: cert-manager, "Annotations, labels and conditions" · Cluster API book, "Labels and annotations" · CloudNativePG, "Labels
# and annotations" · Elastic Cloud on Kubernetes, "Troubleshooting methods" · Crunchy Postgres Operator, "internal/naming"
SAYS_WHOSE = {
    "cert-manager.io/certificate-name": ("cert-manager.io", "Certificate"),
    "cluster.x-k8s.io/cluster-name": ("cluster.x-k8s.io", "Cluster"),
    "cnpg.io/cluster": ("postgresql.cnpg.io", "Cluster"),
    "elasticsearch.k8s.elastic.co/cluster-name": ("elasticsearch.k8s.elastic.co", "Elasticsearch"),
    "postgres-operator.crunchydata.com/cluster": ("postgres-operator.crunchydata.com", "PostgresCluster"),
}


@dataclass(frozen=True, slots=True)
class Marked:
    """An object whose mark names a subject that is not there, and how many of its kind are."""

    subject: Subject
    mark: str
    live: int


def lost_by_mark(snapshot: Snapshot, index: SubjectIndex) -> Iterator[tuple[KeysSeen, Marked]]:
    """Objects without owners of which a mark names a subject that does not live, where others of its kind do."""
    kinds = {(kind.group, kind.kind): kind for kind in snapshot.subjects.kinds}
    marks = [(mark, kind) for mark, whose in SAYS_WHOSE.items() if (kind := kinds.get(whose)) is not None]
    told: set[tuple[Kind, str, str]] = set()
    for seen in snapshot.maps if marks else ():
        meta, holder = seen.meta, seen.holder
        spot = (holder.kind, holder.namespace, holder.name)
        if meta is None or meta.owned or seen.path or holder.kind not in (CONFIG_MAPS, SECRETS) or spot in told:
            continue
        for mark, kind in marks:
            name = meta.annotations.get(mark) or meta.labels.get(mark) or ""
            if not name or any(index.subjects.kind(row) == kind for row in index.all_named(canonical(name))):
                continue
            coverage = snapshot.coverage.get(kind)
            if coverage is None or not coverage.is_listed:
                continue  # a tree of manifests has what somebody put there
            told.add(spot)
            yield seen, Marked(Subject(kind, holder.namespace, name), mark, len(index.rows_of(snapshot.subjects.number_of(kind))))
            break
