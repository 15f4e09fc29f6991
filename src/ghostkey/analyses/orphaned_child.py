"""Dependents whose owner is gone.

What it finds
    An object all of whose owners are gone and that garbage collection has not taken; and a Secret or ConfigMap without
    ownerReferences whose siblings, named by the same template, each belong to a live object, while its own is gone.
Why it matters
    A webhook that strips ownerReferences, or a Reconcile that returns on DeletionTimestamp, leaves one child for every
    subject that ever lived; for Secrets, with working credentials.
When it is wrong
    For a moment after an owner is deleted, until garbage collection comes by.
Example
    Secrets `tenant-{name}-credentials` for 30 Tenants, and ten more for Tenants that are gone.
Source
    Kubernetes garbage collection: orphaned dependents
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.analyses._base import Analysis, View
from ghostkey.inference.infer import infer_dependents
from ghostkey.model.events import KeysSeen, Owner, Shape, SubjectDetail
from ghostkey.model.findings import Finding, Severity, Subject
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, KeyRef, Kind, ObjectRef

_ANY = Shape("object")
_FIXED_TYPES = re.compile(r"kubernetes\.io/|helm\.sh/|bootstrap\.")
# labels that say who made a set of objects, not which one it is
_MAKERS = ("app.kubernetes.io/managed-by", "app.kubernetes.io/component", "app.kubernetes.io/part-of", "owner")


def _run(view: View) -> Iterator[Finding]:
    yield from _owner_gone(view)
    yield from _owner_stripped(view)


def _owner_gone(view: View) -> Iterator[Finding]:
    subjects, snapshot = view.snapshot.subjects, view.snapshot
    by_uid = view.index.by_uid
    kinds = {(kind.group, kind.kind): kind for kind in snapshot.coverage}
    for row, owners in subjects.owners.items():
        if any(owner.uid in by_uid for owner in owners):
            continue
        detail = subjects.details.get(row)
        found = [_searched(owner, subjects.namespaces[row], kinds, view) for owner in owners]
        if not all(found) or (detail and detail.deleting):
            continue
        kind, namespace = subjects.kind(row), subjects.namespaces[row]
        gone = tuple(subject for subject in found if subject)
        holder = ObjectRef(kind, namespace, subjects.names[row], subjects.uids[row], snapshot.cluster)
        named = " and ".join(map(str, gone))
        yield Finding(
            analysis="orphaned-child",
            key=KeyRef(holder, "children", holder.name),
            severity=Severity.WARNING,
            message=f"its owner is gone: {named}",
            evidence=(
                f"{kind.kind} {namespace}/{holder.name} names as owner {named} (UID {', '.join(s.uid for s in gone)})",
                *(f"LIST {subject.kind.qualified} found no object with that UID" for subject in gone),
                "garbage collection has not removed it",
            ),
            subjects=gone,
        )


def _searched(owner: Owner, namespace: str, kinds: dict[tuple[str, str], Kind], view: View) -> Subject | None:
    """The owner as a subject that was looked for and not found; None when nobody looked."""
    group = owner.api_version.rpartition("/")[0]
    kind = kinds.get((group, owner.kind))
    if kind is None or not view.snapshot.coverage[kind].covers(namespace):
        return None
    return Subject(kind, namespace if kind.namespaced else "", owner.name, owner.uid)


def _owner_stripped(view: View) -> Iterator[Finding]:
    groups = _groups(view)
    for result in infer_dependents(view.snapshot, groups, view.index):
        for item in result.lost:
            name = result.seen.keys[item.index]
            kind = result.seen.holder.kind
            namespace = result.seen.holder.namespace
            holder = ObjectRef(kind, namespace, name, "", view.snapshot.cluster)
            uses = view.snapshot.uses_of_object(holder)
            if uses.keys or uses.whole or result.seen.sizes[item.index]:  # in use, or it has owners
                continue
            subjects = " or ".join(map(str, item.subjects))
            gone = "may be gone" if item.state == "unknown" else "is gone"
            attribution = item.attribution
            yield Finding(
                analysis="orphaned-child",
                key=KeyRef(holder, "children", name),
                severity=Severity.WARNING,
                message=f"{subjects} {gone}, and no ownerReference says so",
                evidence=(
                    f"{kind.kind} {namespace}/{name} has no ownerReferences",
                    f"{kind.resource} named {attribution.template}: {attribution.support} belong to a live subject here",
                    *(f"LIST {subject.kind.qualified} did not find {subject}" for subject in item.subjects),
                    *([f"unknown: {item.why_unknown}"] if item.why_unknown else []),
                ),
                subjects=item.subjects,
                attribution=attribution,
                state="unknown" if item.state == "unknown" else "found",
            )


def _groups(view: View) -> list[KeysSeen]:
    """Secrets and ConfigMaps of one namespace made by the same hand, as if their names were keys of a map.

    `sizes` is 1 for an object that has owners: it takes part in the inference and is never orphaned by it.
    """
    subjects = view.snapshot.subjects
    groups: dict[tuple[Kind, str, str], KeysSeen] = {}
    # objects of one maker share one detail, so most are sorted by three small numbers
    known: dict[tuple[int, int, str], KeysSeen | None] = {}
    for row, detail in subjects.details.items():
        place = (id(detail), subjects.kind_of[row], subjects.namespaces[row])
        if place not in known:
            known[place] = _group(view, row, detail, groups)
        seen = known[place]
        if seen is None or subjects.names[row] == "kube-root-ca.crt":
            continue
        seen.keys.append(subjects.names[row])
        seen.sizes.append(1 if row in subjects.owners else 0)
        seen.shapes.append(_ANY)
    return [seen for seen in groups.values() if seen.keys]


def _group(view: View, row: int, detail: SubjectDetail, groups: dict[tuple[Kind, str, str], KeysSeen]) -> KeysSeen | None:
    """The group that an object with this detail belongs to; None when it is nobody's dependent."""
    subjects = view.snapshot.subjects
    kind, namespace, labels = subjects.kind(row), subjects.namespaces[row], dict(detail.labels)
    if kind not in (CONFIG_MAPS, SECRETS) or detail.deleting or labels.get("owner") == "helm":
        return None
    maker = ",".join([*(labels.get(name, "") for name in _MAKERS), *sorted(labels), detail.manager])
    holder = ObjectRef(kind, namespace, maker, "", view.snapshot.cluster)
    return groups.setdefault((kind, namespace, maker), KeysSeen(holder, "children", (), [], [], []))


ANALYSIS = Analysis(Severity.WARNING, _run)
