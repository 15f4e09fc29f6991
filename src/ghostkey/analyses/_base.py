"""What an analysis is given and what it gives back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ghostkey.analyses._declared import ObjectLink
from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.infer import infer
from ghostkey.inference.results import Link, Lost, MapResult
from ghostkey.model.counts import counted
from ghostkey.model.events import KeysSeen
from ghostkey.model.findings import Finding, Severity, Subject
from ghostkey.model.managers import copier_of_marks, held_by, tool_of_manager, tool_of_object
from ghostkey.model.refs import GO_MAPS, KeyRef, Kind, ObjectRef
from ghostkey.store.coverage import Sight
from ghostkey.store.snapshot import Snapshot


@dataclass
class View:
    """A snapshot with what is worked out from it once, however many analyses look."""

    snapshot: Snapshot
    links: Sequence[Link] = field(default=())
    object_links: Sequence[ObjectLink] = field(default=())

    @functools.cached_property
    def index(self) -> SubjectIndex:
        """Live objects by name and UID."""
        return SubjectIndex(self.snapshot.subjects)

    @functools.cached_property
    def sight(self) -> Sight:
        """What the absence of an object proves."""
        return Sight(self.snapshot)

    @functools.cached_property
    def inferred(self) -> list[MapResult]:
        """Maps whose keys are linked to subjects."""
        return infer(self.snapshot, self.links, self.index)

    @functools.cached_property
    def shows_managed_fields(self) -> bool:
        """Whether the source would have shown them: an API server does, `kubectl get -o yaml` leaves them out."""
        live = bool(self.snapshot.cluster)
        return live or any(seen.meta.managed_fields_bytes > 2 for seen in self.snapshot.maps if seen.meta)

    @functools.cached_property
    def veiled(self) -> list[MapResult]:
        """The same for documents in values of Secrets: to be counted, never to be named."""
        return infer(self.snapshot, self.links, self.index, self.snapshot.veiled) if self.snapshot.veiled else []

    @functools.cached_property
    def entries(self) -> list[MapResult]:
        """The same for maps in the memory of processes."""
        return infer(self.snapshot, self.links, self.index, self.snapshot.entries) if self.snapshot.entries else []

    @functools.cached_property
    def lost_in_memory(self) -> dict[Subject, list[ObjectRef]]:
        """Subjects that are gone and have an entry in a map of a process, and these maps."""
        return _by_subject((result, item) for result in self.entries for item in result.lost)

    @functools.cached_property
    def lost_in_maps(self) -> dict[Subject, list[ObjectRef]]:
        """The same for keys of maps in the cluster; asked for only where there are entries."""
        return _by_subject(self.lost())

    @functools.cached_property
    def manifests(self) -> dict[tuple[Kind, str, str], str]:
        """Maps (kind, namespace, name) that come from a manifest, and what says so.

        An operator may copy labels and annotations of its subject: what managedFields tell to be a program's comes from none.
        """
        found = {}
        for seen in self.snapshot.maps:
            meta = seen.meta
            if meta is None:
                continue
            said = ""
            if meta.declared:
                said = "kubectl apply has put it there: take it out of its manifest"
            elif not meta.writers or any(map(tool_of_manager, meta.writers)):
                said = held_by(tool_of_object(meta.annotations, meta.labels))
                if not said and (copier := copier_of_marks((*meta.annotations, *meta.labels))):
                    said = f"it is copied from elsewhere, by {copier}: take it out there"
            if said:
                found[seen.holder.kind, seen.holder.namespace, seen.holder.name] = said
        return found

    def lost(self) -> Iterable[tuple[MapResult, Lost]]:
        """Every key that lost its subject and that no Pod names."""
        for result in self.inferred:
            used = self.snapshot.uses_of(result.seen).keys
            for item in result.lost:
                top = result.seen.path[0] if result.seen.path else result.seen.keys[item.index]
                if top not in used or result.seen.path:
                    yield result, item


def _by_subject(lost: Iterable[tuple[MapResult, Lost]]) -> dict[Subject, list[ObjectRef]]:
    found: dict[Subject, list[ObjectRef]] = {}
    for result, item in lost:
        for subject in item.subjects:
            holders = found.setdefault(subject, [])
            if result.seen.holder not in holders:
                holders.append(result.seen.holder)
    return found


@dataclass(frozen=True, slots=True)
class Analysis:
    """One analysis: how loud its findings are unless they say otherwise, and how to find them."""

    severity: Severity
    run: Callable[[View], Iterable[Finding]]


def _elsewhere(view: View, seen: KeysSeen, item: Lost) -> list[str]:
    """Where else the same subjects left something: a map in memory is what a map in the cluster is written from."""
    if not view.snapshot.entries:
        return []
    is_entry = seen.holder.kind == GO_MAPS
    known = view.lost_in_maps if is_entry else view.lost_in_memory
    holders = list(dict.fromkeys(holder for subject in item.subjects for holder in known.get(subject, ())))
    if is_entry:
        return [f"the same subject has a ghost in {holder}: this map in memory is its cause" for holder in holders]
    return [
        f"the same subject has an entry in {holder} of {holder.cluster}: that map in memory is the cause" for holder in holders
    ]


def key_ref(seen: KeysSeen, index: int) -> KeyRef:
    """The reference of one key of a batch."""
    return KeyRef(seen.holder, seen.field, seen.keys[index], seen.path)


def severity_of(item: Lost) -> Severity:
    """How loud a lost key is: what is not proven, or has its cure in a manifest, is told to who asks for it."""
    return Severity.INFO if item.state in {"suspect", "declared"} or item.is_weak else Severity.WARNING


def lost_finding(view: View, analysis: str, severity: Severity, result: MapResult, item: Lost, message: str) -> Finding:
    """A finding about a key that lost its subject, with the chain of evidence that a person can follow."""
    seen, attribution = result.seen, item.attribution
    size = seen.sizes[item.index]
    kinds = " or ".join(kind.resource for kind in attribution.kinds)
    shared = f"template {attribution.template}"
    if attribution.certainty == "declared":
        shared += f", declared by {attribution.evidence[0]}"
    else:
        share = f"{attribution.coverage:.0%} of {counted(len(seen.keys), 'key')}"
        one = f"live {attribution.kinds[0].kind.lower()} has"
        shared += f": {counted(attribution.support, one, f'live {kinds} have')} a key, {share}"
        if attribution.subject_coverage:
            shared += f", {attribution.subject_coverage:.0%} of the live {attribution.kinds[0].resource}"
    searched = [] if item.why_unknown else [view.sight.searched(subject, attribution.scope) for subject in item.subjects]
    evidence = [f"key {key_ref(seen, item.index)!s}, {seen.field}, value of {counted(size, 'byte')}", shared]
    evidence += [text for text in attribution.evidence if attribution.certainty != "declared"]
    evidence += searched
    evidence += _elsewhere(view, seen, item)
    if item.note:
        evidence.append(item.note)
    if item.why_unknown:
        evidence.append(f"unknown: {item.why_unknown}")
    return Finding(
        analysis=analysis,
        key=key_ref(seen, item.index),
        severity=severity,
        message=message,
        evidence=tuple(evidence),
        subjects=tuple(subject for subject in item.subjects if subject.name or subject.uid),
        attribution=attribution,
        state=item.state if item.state in {"unknown", "suspect", "declared"} else "found",
        value_bytes=size,
    )
