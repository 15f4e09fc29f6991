"""What objects of a dump came together, and what the path of their file says of them.

A list is made by one request, so it is whole for the namespaces that it shows. The layouts of tools are taken from what they write:

Source
    openshift/must-gather and `oc adm inspect` (`namespaces/NS/GROUP/RESOURCE.yaml`, `cluster-scoped-resources/`);
    replicatedhq/troubleshoot pkg/collect/cluster_resources.go (`cluster-resources/KIND/NS.json`);
    velero.io output file format 1.1.0 (`resources/RESOURCE.GROUP/namespaces/NS/NAME.json`);
    kubectl v1.37 cluster-info dump (`NS/pods.json`); openshift/insights-operator (`config/`, `insights-operator/`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ghostkey.model.refs import Kind

_VELERO = re.compile(
    r"(?P<root>^|.*[/:])resources/(?P<resource>[a-z0-9.-]+)/(?:v[0-9a-z]+(?:-preferredversion)?/)?"
    r"(?:namespaces/(?P<namespace>[^/:]+)|cluster)/[^/:]+\.json$"
)
_TROUBLESHOOT = re.compile(
    r"(?P<root>^|.*[/:])cluster-resources/(?P<custom>custom-resources/)?(?P<resource>[a-z0-9.-]+?)"
    r"(?:/(?P<namespace>[a-z0-9-]+))?\.(?:json|yaml)$"
)
_GATHERED = re.compile(r"(?P<root>^|.*[/:])(?:namespaces/(?P<namespace>[a-z0-9][-a-z0-9]*)|cluster-scoped-resources)/")
_CLUSTER_INFO = re.compile(
    r"(?:^|.*[/:])(?P<namespace>[a-z0-9-]+)/(?:events|replication-?controllers|services|daemonsets|deployments|replicasets|pods)"
    r"\.(?:json|yaml)$"
)
# the names of troubleshoot's folders and files: some of its versions leave apiVersion and kind out of the lists
_KINDS = {
    "namespaces": ("v1", "Namespace"), "pods": ("v1", "Pod"), "services": ("v1", "Service"), "configmaps": ("v1", "ConfigMap"),
    "nodes": ("v1", "Node"), "pvs": ("v1", "PersistentVolume"), "pvcs": ("v1", "PersistentVolumeClaim"),
    "endpoints": ("v1", "Endpoints"), "serviceaccounts": ("v1", "ServiceAccount"), "events": ("v1", "Event"),
    "limitranges": ("v1", "LimitRange"), "resource-quota": ("v1", "ResourceQuota"), "secrets": ("v1", "Secret"),
    "deployments": ("apps/v1", "Deployment"), "statefulsets": ("apps/v1", "StatefulSet"), "daemonsets": ("apps/v1", "DaemonSet"),
    "replicasets": ("apps/v1", "ReplicaSet"), "jobs": ("batch/v1", "Job"), "cronjobs": ("batch/v1", "CronJob"),
    "ingress": ("networking.k8s.io/v1", "Ingress"), "ingress-classes": ("networking.k8s.io/v1", "IngressClass"),
    "network-policy": ("networking.k8s.io/v1", "NetworkPolicy"), "pod-disruption-budgets": ("policy/v1", "PodDisruptionBudget"),
    "storage-classes": ("storage.k8s.io/v1", "StorageClass"), "volumeattachments": ("storage.k8s.io/v1", "VolumeAttachment"),
    "priorityclasses": ("scheduling.k8s.io/v1", "PriorityClass"), "leases": ("coordination.k8s.io/v1", "Lease"),
    "roles": ("rbac.authorization.k8s.io/v1", "Role"), "rolebindings": ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    "clusterroles": ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    "clusterrolebindings": ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    "endpointslices": ("discovery.k8s.io/v1", "EndpointSlice"),
    "custom-resource-definitions": ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
}  # fmt: skip
# labels that say who made or runs a set of objects: all objects of a kind often share them, whatever was asked for
_MAKERS = re.compile(
    r"app\.kubernetes\.io/|app$|k8s-app$|heritage$|release$|chart$|owner$|helm\.sh/|argocd\.argoproj\.io/"
    r"|kustomize\.toolkit\.fluxcd\.io/|helm\.toolkit\.fluxcd\.io/|kubernetes\.io/metadata\.name$"
)
GATHERED, TROUBLESHOOT, VELERO = "must-gather", "troubleshoot", "velero"


@dataclass(frozen=True, slots=True)
class Spot:
    """What the path of a file says: which tool wrote it, below which root, of which namespace; `of` is (apiVersion, kind)."""

    tool: str = ""
    root: str = ""
    namespace: str = ""
    of: tuple[str, str] = ("", "")
    is_custom: bool = False


@dataclass(slots=True)
class Sheet:
    """Objects that came together: the items of one list, or the single objects of one file.

    `kinds` has the namespaces in which each kind was seen, `of` is (apiVersion, kind) of a list's items, `cut` says why a list
    is not whole, `path` leads to it.
    """

    where: str
    path: tuple[str, ...]
    spot: Spot
    is_list: bool = False
    of: tuple[str, str] = ("", "")
    cut: str = ""
    kinds: dict[Kind, set[str]] = field(default_factory=dict)
    count: int = 0
    has_uids: bool = False
    _shared: dict[str, str] | None = None

    def add(self, kind: Kind, namespace: str, labels: dict[str, str] | None) -> None:
        """Counts one object."""
        spaces = self.kinds.get(kind)
        if spaces is None:
            spaces = self.kinds[kind] = set()
        spaces.add(namespace)
        self.count += 1
        if self._shared is None:
            self._shared = dict(labels or {})
        elif self._shared:
            self._shared = dict(self._shared.items() & (labels or {}).items())

    @property
    def namespaces(self) -> set[str]:
        """All namespaces in which something was seen; "" where something has none."""
        return set().union(*self.kinds.values())

    @property
    def why_cut(self) -> str:
        """Why a list may not hold all there is; empty when it does.

        A selector leaves its trace: everything has one label. Of a single kind, labels of makers are such by nature. Tools
        that collect a cluster select nothing.
        """
        if self.cut or self.count < 2 or not self._shared or self.spot.tool:
            return self.cut
        telling = sorted(name for name in self._shared if len(self.kinds) > 1 or not _MAKERS.match(name))
        if not telling:
            return ""
        return f"everything in {self.where} has the label {telling[0]}={self._shared[telling[0]]}, as if a selector had cut it"


def spot_of(where: str) -> Spot:
    """What a path says; the members of an archive stand behind a colon."""
    if found := _VELERO.match(where):
        return Spot(VELERO, found["root"], found["namespace"] or "")
    if found := _TROUBLESHOOT.match(where):
        of = _KINDS.get(found["resource"], ("", "")) if not found["custom"] else ("", "")
        return Spot(TROUBLESHOOT, found["root"], found["namespace"] or "", of, bool(found["custom"]))
    if found := _GATHERED.match(where):
        return Spot(GATHERED, found["root"], found["namespace"] or "")
    return Spot()


def namespace_hint(where: str) -> str:
    """The namespace of an empty list of `kubectl cluster-info dump`, which nothing but its folder tells."""
    found = _CLUSTER_INFO.match(where)
    return found["namespace"] if found else ""
