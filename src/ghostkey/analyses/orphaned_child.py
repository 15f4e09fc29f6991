"""Dependents whose owner is gone.

What it finds
    An object all of whose owners are gone and that garbage collection has not taken, or will never take because the owner's
    kind is not served any more; and a Secret or ConfigMap without ownerReferences whose siblings, named by the same
    template, each belong to a live object, while its own is gone. `--subject 'secrets:clusters={name}-kubeconfig'` declares
    such a template. So is one of which an annotation or a label of its maker names a subject that is gone, as cert-manager's
    certificate-name does. Where names are made up by a machine, two live siblings tell of many that are gone.
Why it matters
    A webhook that strips ownerReferences, or a Reconcile that returns on DeletionTimestamp, leaves one child for every
    subject that ever lived; for Secrets, with working credentials.
When it is wrong
    Where the others are apps (Deployments, Services) and nothing but the name tells, it is a suspect: settings are called so
    too. Of Applications, HelmReleases and their like nothing is told by the name alone. What is called
    exactly as its subject, and bears a program's own label, is a suspect. An object that a manifest holds (kubectl
    apply, Helm, Argo CD, Flux) is declared: its cure is in Git.
    For a moment after an owner is deleted, until garbage collection comes by. In a dump, only owners whose kind was listed
    in their namespace are looked for; a tree of manifests proves nothing.
Example
    Secrets `tenant-{name}-credentials` for 30 Tenants, and ten more for Tenants that are gone.
Source
    Kubernetes garbage collection: orphaned dependents
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace

from ghostkey.analyses._base import Analysis, View
from ghostkey.analyses._declared import declared_lost
from ghostkey.analyses._marked import lost_by_mark
from ghostkey.analyses._named_after import named_after
from ghostkey.inference.infer import infer_dependents
from ghostkey.model.events import KeysSeen, Owner, Shape, SubjectDetail
from ghostkey.model.findings import Attribution, Certainty, Finding, Severity, Subject
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, KeyRef, Kind, ObjectRef, canonical

_ANY = Shape("object")
_FIXED_TYPES = re.compile(r"kubernetes\.io/|helm\.sh/|bootstrap\.")
# labels that say who made a set of objects, not which one it is
_MAKERS = ("app.kubernetes.io/managed-by", "app.kubernetes.io/component", "app.kubernetes.io/part-of", "owner")


def _run(view: View) -> Iterator[Finding]:
    told: set[ObjectRef] = set()
    for finding in itertools.chain(_owner_gone(view), _declared(view), _marked(view), _owner_stripped(view)):
        spot = replace(finding.key.holder, uid="")
        if spot not in told:
            told.add(spot)
            yield finding


def _declared(view: View) -> Iterator[Finding]:
    """Objects that `--subject` says are named after others."""
    subjects = view.snapshot.subjects
    for link in view.object_links:
        for row, subject, support in declared_lost(link, view.index):
            detail = subjects.details.get(row)
            if detail and detail.deleting:
                continue
            template, kind = str(link.link.template), link.link.kind
            attribution = Attribution(template, (kind,), Certainty.DECLARED, support, 0.0, 0.0, "declared", (link.link.origin,))
            holder = ObjectRef(link.objects, subjects.namespaces[row], "")
            seen = KeysSeen(holder, "children", (), [subjects.names[row]], [0], [_ANY])
            why_unknown = view.sight.why_unknown((subject,), attribution)
            why = f"{template}, declared by {link.link.origin}"
            if finding := _stripped(view, seen, 0, (subject,), attribution, why_unknown, why):
                yield finding


def _marked(view: View) -> Iterator[Finding]:
    """Objects of which an annotation or a label names a subject that is gone."""
    for held, lost in lost_by_mark(view.snapshot, view.index):
        subject, why = lost.subject, f"by {lost.mark} as of {lost.subject}; {lost.live} {lost.subject.kind.resource} live"
        attribution = Attribution(
            f"{{name}} in {lost.mark}", (subject.kind,), Certainty.OBSERVED, lost.live, 0.0, 1.0, "cluster", (why,)
        )
        seen = KeysSeen(held.holder, "children", (), [held.holder.name], [0], [_ANY])
        why_unknown = view.sight.why_unknown((subject,), attribution)
        if finding := _stripped(view, seen, 0, (subject,), attribution, why_unknown, why):
            yield finding


def _owner_gone(view: View) -> Iterator[Finding]:
    subjects, snapshot = view.snapshot.subjects, view.snapshot
    kinds = {(kind.group, kind.kind): kind for kind in snapshot.coverage}
    for row, owners in subjects.owners.items():
        if any(_lives(owner, subjects.namespaces[row], view) for owner in owners):
            continue
        detail = subjects.details.get(row)
        kind, namespace = subjects.kind(row), subjects.namespaces[row]
        found = [_gone(owner, namespace, kinds, view) for owner in owners]
        if not all(found) or (detail and detail.deleting):
            continue
        gone = tuple(subject for subject, _ in filter(None, found))
        holder = ObjectRef(kind, namespace, subjects.names[row], subjects.uids[row], snapshot.cluster)
        named = " and ".join(map(str, gone))
        is_stuck = any(why for _, why in filter(None, found))
        yield Finding(
            analysis="orphaned-child",
            key=KeyRef(holder, "children", holder.name),
            severity=Severity.WARNING,
            message=f"its owner is gone: {named}" + ("; its kind too, so garbage collection never takes it" if is_stuck else ""),
            evidence=(
                f"{kind.kind} {namespace}/{holder.name} names as owner {named} (UID {', '.join(s.uid for s in gone)})",
                *(why or f"LIST {s.kind.qualified} found no object with that UID" for s, why in filter(None, found)),
                "garbage collection cannot look for owners of a kind that is not served"
                if is_stuck
                else "garbage collection has not removed it",
            ),
            subjects=gone,
        )


def _lives(owner: Owner, namespace: str, view: View) -> bool:
    """Whether an owner is there: by its UID, or by its name where a dump leaves UIDs out."""
    index, subjects = view.index, view.snapshot.subjects
    if owner.uid in index.by_uid:
        return True
    group = owner.api_version.rpartition("/")[0]
    for row in index.all_named(canonical(owner.name)):
        kind = subjects.kind(row)
        is_it = subjects.names[row] == owner.name and (kind.group, kind.kind) == (group, owner.kind)
        if is_it and subjects.namespaces[row] in ("", namespace) and not (subjects.uids[row] and owner.uid):
            return True
    return False


def _gone(owner: Owner, namespace: str, kinds: dict[tuple[str, str], Kind], view: View) -> tuple[Subject, str] | None:
    """The owner as a subject that was looked for and not found, and why nobody could look; None when it may be there."""
    if not owner.uid:
        return None  # no API server takes such a reference: it stands in what is to be applied, or expected by a test
    group, _, version = owner.api_version.rpartition("/")
    kind = kinds.get((group, owner.kind))
    if kind is None or (view.snapshot.coverage[kind].namespaces is not None and not view.snapshot.coverage[kind].namespaces):
        why = _why_not_served(group, owner.kind, view)
        known = Kind(group, version, owner.kind, owner.kind.lower(), bool(namespace))
        return (Subject(known, namespace, owner.name, owner.uid), why) if why else None
    subject = Subject(kind, namespace if kind.namespaced else "", owner.name, owner.uid)
    if not view.snapshot.coverage[kind].is_listed:
        return None  # a tree of manifests has what somebody put there, which is not all there is
    if view.sight.is_in_gone_namespace(subject) or not view.sight.why_unseen(kind, subject.namespace):
        return subject, ""
    return None


def _why_not_served(group: str, kind: str, view: View) -> str:
    """Why objects of a kind cannot exist; empty where that is not known."""
    snapshot = view.snapshot
    if any((known.group, known.kind) == (group, kind) for known in snapshot.kinds):
        return ""
    if snapshot.cluster:
        if any(gap.kind for gap in snapshot.gaps) or not snapshot.kinds:
            return ""
        return f"the API server serves no kind {kind} of {group or 'the core group'}"
    definitions = next((found for found in snapshot.coverage.values() if found.kind.kind == "CustomResourceDefinition"), None)
    if (
        definitions is None
        or not (definitions.is_whole and definitions.is_listed)
        or not Kind(group, "", kind, "", True).is_custom
    ):
        return ""
    return f"no CustomResourceDefinition in the dump defines {kind} of {group}"


def _owner_stripped(view: View) -> Iterator[Finding]:
    groups = _groups(view)
    for result in infer_dependents(view.snapshot, groups, view.index):
        for item in result.lost:
            attribution = item.attribution
            why = f"{attribution.template}: {attribution.support} belong to a live subject here"
            if finding := _stripped(view, result.seen, item.index, item.subjects, attribution, item.why_unknown, why):
                yield _suspected(finding, attribution) if item.state == "suspect" else finding
    for seen, lost in named_after(groups, view.index):
        subjects = tuple(Subject(kind, "", lost.subject) for kind in lost.kinds)
        attribution = Attribution(
            lost.template, lost.kinds, Certainty.INFERRED, lost.support, 0.0, 1.0, "cluster", (lost.why,)
        )  # fmt: skip
        why_unknown = view.sight.why_unknown(subjects, attribution)
        if finding := _stripped(view, seen, lost.index, subjects, attribution, why_unknown, lost.why):
            yield finding


def _stripped(
    view: View,
    seen: KeysSeen,
    index: int,
    subjects: tuple[Subject, ...],
    attribution: Attribution,
    why_unknown: str,
    why: str,
) -> Finding | None:
    """The finding about an object without owners whose subject is gone; None when it is in use, named by others, or has owners."""
    name, kind, namespace = seen.keys[index], seen.holder.kind, seen.holder.namespace
    holder = ObjectRef(kind, namespace, name, "", view.snapshot.cluster)
    uses = view.snapshot.uses_of_object(holder)
    if uses.keys or uses.whole or seen.sizes[index] or view.snapshot.subjects.is_carried(name, by_any=True):
        return None
    named = " or ".join(dict.fromkeys(map(str, subjects)))
    searched = [] if why_unknown else [view.sight.searched(subject, attribution.scope) for subject in subjects]
    declared = [said] if (said := view.manifests.get((kind, namespace, name))) else []
    state = "unknown" if why_unknown else "declared" if declared else "found"
    return Finding(
        analysis="orphaned-child",
        key=KeyRef(holder, "children", name),
        severity=Severity.INFO if state == "declared" else Severity.WARNING,
        message="; ".join([f"{named} {'may be gone' if why_unknown else 'is gone'}, and no ownerReference says so", *declared]),
        evidence=(
            f"{kind.kind} {namespace}/{name} has no ownerReferences",
            f"{kind.resource} named {why}",
            *searched,
            *declared,
            *([f"unknown: {why_unknown}"] if why_unknown else []),
        ),
        subjects=subjects,
        attribution=attribution,
        state=state,
    )


def _suspected(finding: Finding, attribution: Attribution) -> Finding:
    """The finding as what is likely, and not proven."""
    message = finding.message.replace(" is gone", " may be gone")
    evidence = (*finding.evidence, *attribution.evidence)
    return replace(finding, state="suspect", severity=Severity.INFO, message=message, evidence=evidence)


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
