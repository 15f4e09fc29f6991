"""Turns the matches of a template over a family of maps into a case, and has the evidence weighed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

from ghostkey.inference.evidence import Case, Verdict, weigh
from ghostkey.inference.index import SubjectIndex, canonical
from ghostkey.inference.style import Shapes, Style
from ghostkey.inference.template import Template
from ghostkey.model.events import KeysSeen
from ghostkey.model.refs import Kind
from ghostkey.store.snapshot import Snapshot

SAMPLE = 300  # names of a case that are looked at
_WORKLOADS = {
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Service",
    "CronJob",
    "Job",
    "ReplicationController",
    "ServiceAccount",
    "Ingress",
}

Watch = Callable[[Case, Verdict], None]


# Source: kubernetes v1.37 pkg/apis and staging/src/k8s.io/api; other groups that end so are CRDs of SIGs (sparkoperator.k8s.io)
_BUILT_IN_GROUPS = frozenset(
    f"{name}.k8s.io"
    for name in [
        "admission",
        "admissionregistration",
        "apiextensions",
        "apiregistration",
        "authentication",
        "authorization",
        "certificates",
        "coordination",
        "discovery",
        "events",
        "flowcontrol.apiserver",
        "imagepolicy",
        "internal.apiserver",
        "metrics",
        "networking",
        "node",
        "policy",
        "rbac.authorization",
        "resource",
        "scheduling",
        "storage",
        "storagemigration",
    ]
)


def is_custom(kind: Kind) -> bool:
    """Whether a kind is a custom resource rather than one of Kubernetes' own."""
    return "." in kind.group and kind.group not in _BUILT_IN_GROUPS


class Beliefs:
    """Weighs templates over one snapshot. `watch` is called with each case, for the calibration and for `explain`."""

    def __init__(self, snapshot: Snapshot, index: SubjectIndex, watch: Watch = lambda *_: None) -> None:
        self._snapshot, self._index, self._watch = snapshot, index, watch

    def verdict(
        self,
        template: Template,
        kind: int,
        live: set[str],
        keyed: float,
        pairs: Sequence[tuple[KeysSeen, dict[str, int]]],
        name_part: Callable[[Template, str], str],
    ) -> Verdict:
        """The verdict on one template for one kind; `pairs` are the maps, each with the keys that the template makes there."""
        case = self._case(template, kind, live, keyed, pairs, name_part)
        verdict = weigh(case)
        self._watch(case, verdict)
        return verdict

    def _case(
        self,
        template: Template,
        kind: int,
        live: set[str],
        keyed: float,
        pairs: Sequence[tuple[KeysSeen, dict[str, int]]],
        name_part: Callable[[Template, str], str],
    ) -> Case:
        maps = [seen for seen, _ in pairs]
        known = self._snapshot.subjects.kinds[kind]
        live_names = tuple(name_part(template, core) for core in itertools.islice(live, SAMPLE))
        lived = [
            (core, seen.shapes[i], seen.identities.get(i))
            for seen, made in pairs
            for core, i in itertools.islice(((core, i) for core, i in made.items() if core in live), SAMPLE)
        ]
        live_shapes = [shape for _, shape, _ in lived]
        names = self._snapshot.subjects.names
        with_uid = sum(
            (row := self._index.by_uid.get(found.uid)) is not None and names[row] in name_part(template, core)
            for core, _, found in lived
            if found is not None and found.uid
        )
        with_name = sum(
            found is not None and bool(found.name) and found.name == name_part(template, core) for core, _, found in lived
        )
        gone = [
            (core, seen.shapes[i])
            for seen, made in pairs
            for core, i in itertools.islice(((core, i) for core, i in made.items() if core not in live), SAMPLE)
        ]
        style, shapes = Style(live_names), Shapes(live_shapes)
        alike = sum(shapes.resembles(shape) and style.fits(name_part(template, core)) for core, shape in gone[:SAMPLE])
        return Case(
            template=template,
            kind=known,
            is_custom=is_custom(known),
            maps=tuple(maps),
            live=frozenset(live),
            live_names=live_names,
            gone_names=tuple(name_part(template, core) for core, _ in gone[:SAMPLE]),
            near=max(len(live), round(len(live) / keyed)) if keyed else len(live),
            made=max(len(live), sum(len(made) for _, made in pairs)),
            keys=max(1, sum(len(seen.keys) for seen in maps)),
            shared=self._shared(kind, live_names),
            live_values=frozenset(shape.name for shape in live_shapes),
            gone_alike=alike / max(1, len(gone[:SAMPLE])),
            with_uid=with_uid / max(1, len(lived)),
            with_name=with_name / max(1, len(lived)),
            is_mounted=any(self._snapshot.uses_of(seen).whole for seen in maps),
            maps_agreeing=sum(not live.isdisjoint(made) for _, made in pairs),
        )

    def _shared(self, kind: int, names: Iterable[str]) -> float:
        """Which share of the names objects of built-in kinds bear that are not made for an object of this kind."""
        subjects, word = self._snapshot.subjects, self._snapshot.subjects.kinds[kind].kind
        count = total = 0
        for name in names:
            total += 1
            for row in self._index.named(canonical(name)):
                other = subjects.kind(row)
                if other.kind in _WORKLOADS and not any(owner.kind == word for owner in subjects.owners.get(row, ())):
                    count += 1
                    break
        return count / max(1, total)
