"""Maps of which a program documents what each key is for: that needs no weighing, as little as what a person declares.

Where evidence tells enough, a map has no place here: these name a few of many objects, and no share of them says which.
"""

from __future__ import annotations

from dataclasses import dataclass

from ghostkey.inference.results import Link
from ghostkey.inference.template import Template
from ghostkey.model.events import KeysSeen
from ghostkey.model.refs import CONFIG_MAPS, Kind


@dataclass(frozen=True, slots=True)
class Documented:
    """A map by its name and, within, the path to a document; the subjects' kind; and what is documented, for people."""

    namespace: str
    name: str
    path: tuple[str, ...]
    kind: str  # of the core group
    template: Template
    says: str


MAPS = (
    # Source: kubeadm v1beta2, ClusterStatus, filled by `kubeadm join --control-plane` with the Node's name (removed in 1.22)
    Documented(
        "kube-system", "kubeadm-config", ("ClusterStatus", "apiEndpoints"), "Node", Template("name"),
        "kubeadm, which keeps an endpoint in ClusterStatus for each control-plane Node, by its name",
    ),
)  # fmt: skip


def documented(seen: KeysSeen, kinds: list[Kind]) -> list[Link]:
    """The links that a program documents for a map; mostly none."""
    if not seen.path or seen.holder.kind != CONFIG_MAPS:
        return []
    spot = (seen.holder.namespace, seen.holder.name, seen.path)
    return [
        Link(kind, known.template, origin=known.says)
        for known in MAPS
        if spot == (known.namespace, known.name, known.path)
        for kind in kinds
        if (kind.group, kind.kind) == ("", known.kind)
    ]
