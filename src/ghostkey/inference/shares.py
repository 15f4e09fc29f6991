"""Shares of the live objects: how many of a kind have a key, and how many bear names that other objects bear as well."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.template import Template
from ghostkey.model.managers import is_of_apps
from ghostkey.model.refs import NAMESPACES, canonical

SAMPLE_OF_NAMESPACES = 2000  # live keys whose namespaces are looked at
WORKLOADS = {
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
"""Kinds of Kubernetes' own that people call as they call the app."""

_OF_SYSTEM = re.compile(r"default|openshift|(?:kube|openshift)-.*")


def is_of_system(namespace: str) -> bool:
    """Whether a namespace is Kubernetes' or OpenShift's own, by its name.

    Source: Kubernetes, "Namespaces": the prefix `kube-` is reserved for system namespaces.
    """
    return _OF_SYSTEM.fullmatch(namespace) is not None


class Shares:
    """Counts objects of one snapshot. `of_objects`: for the names of others, of which people make one for each namespace of theirs."""

    def __init__(self, index: SubjectIndex, *, of_objects: bool = False) -> None:
        self._index, self._subjects, self._of_objects = index, index.subjects, of_objects

    def keyed(self, template: Template, kind: int, live: set[str], namespaces: set[str]) -> float:
        """Which share of the live objects of a kind have a key: of all, of those where the maps are, or of those where the keys say."""
        every = self._index.rendered(template, kind)
        if not self._of_objects and self._subjects.kinds[kind] == NAMESPACES and len(live) < len(every):
            every = every - self.of_system(template, kind) | live
        share = len(live) / max(1, len(every))
        if share >= 1 or not self._subjects.kinds[kind].namespaced:
            return share
        near: set[str] = set()
        for namespace in namespaces:
            near |= self._index.rendered_in(template, kind, namespace)
        if near and len(live & near) >= 0.8 * len(live):
            share = max(share, len(live & near) / len(near))
        if said := self._namespaces_in(template, live):
            # a pair is as good as its object: they need not be made, only counted
            objects = sum(len(self._index.rows_in(kind, namespace)) for namespace in said)
            share = max(share, min(1.0, len(live) / max(1, objects)))
        return share

    def of_system(self, template: Template, kind: int) -> set[str]:
        """What a template makes of the namespaces that Kubernetes keeps for itself: registries leave them out."""
        names = self._subjects.names
        return {self._index.render(template, row) for row in self._index.rows_of(kind) if is_of_system(names[row])}

    def _namespaces_in(self, template: Template, live: set[str]) -> set[str]:
        if not template.has_namespace or template.transform:
            return set()
        some = itertools.islice(live, 0, None, max(1, len(live) // SAMPLE_OF_NAMESPACES))
        pieces = (template.split(core, self._index.canonical_namespaces) for core in some)
        return {found[0] for found in pieces if found is not None and found[0]}

    def called_like_others(self, kind: int, names: Iterable[str]) -> float:
        """Which share of the names objects of built-in kinds bear, or may bear, that are not made for an object of this kind."""
        if is_of_apps(self._subjects.kinds[kind]):
            return 1.0  # whatever of the app was collected
        subjects, word = self._subjects, self._subjects.kinds[kind].kind
        count = total = 0
        for name in names:
            total += 1
            for row in self._index.named(canonical(name)):
                other = subjects.kind(row)
                if other.kind in WORKLOADS and not any(owner.kind == word for owner in subjects.owners.get(row, ())):
                    count += 1
                    break
        return count / max(1, total)
