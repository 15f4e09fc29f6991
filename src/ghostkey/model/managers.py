"""Whose names stand in managedFields, labels and annotations: tools that hold a manifest of what they write.

Source: managedFields of kubectl 1.37, Helm 3 and 4, Flux 2, Argo CD 3, Terraform's and Pulumi's providers, kubernetes.core of
Ansible, Fleet, kapp; the labels and annotations that they, Config Sync, OLM, kubernetes-replicator, reflector, Kyverno and
trust-manager document.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ghostkey.model.refs import Kind

# the beginning of a manager's name → the tool; the longest that fits counts
_TOOLS = {
    "kubectl": "kubectl",
    "before-first-apply": "kubectl",
    "helm": "Helm",
    "helm-controller": "Flux",
    "kustomize-controller": "Flux",
    "flux": "Flux",
    "gotk": "Flux",
    "argocd": "Argo CD",
    "Terraform": "Terraform",
    "terraform": "Terraform",
    "HashiCorp": "Terraform",
    "pulumi": "Pulumi",
    "OpenAPI-Generator": "Ansible",
    "ansible": "Ansible",
    "fleetagent": "Fleet",
    "fleet-agent": "Fleet",
    "kapp": "kapp",
    "k9s": "k9s",
    "dashboard": "the dashboard",
    "headlamp": "Headlamp",
    "Headlamp": "Headlamp",
    "octant": "Octant",
    "node-fetch": "Lens",
    "Mozilla": "a browser",  # OpenShift's console hands on what the browser calls itself
    "kluctl": "kluctl",
    "timoni": "Timoni",
    "werf": "werf",
}
_OF_SCRIPTS = frozenset({"kubectl-create", "kubectl-patch", "kubectl-replace"})
# controllers whose manifests are whole objects: what they apply, they hold to be theirs
_WHOLE = ("kustomize-controller", "helm-controller", "argocd", "fleetagent", "fleet-agent", "kapp")

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# labels and annotations by which a tool says that an object comes from its manifests
MARKS = {
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "argocd.argoproj.io/instance": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
    "meta.helm.sh/release-name": "Helm",
    "objectset.rio.cattle.io/id": "Fleet",
    "kapp.k14s.io/app": "kapp",
    "pulumi.com/patchForce": "Pulumi",
    "config.k8s.io/owning-inventory": "kpt",
    "helm.sh/chart": "Helm",
    "config.kubernetes.io/origin": "kustomize",
    "configmanagement.gke.io/managed": "Config Sync",
    "configsync.gke.io/resource-id": "Config Sync",
    "addonmanager.kubernetes.io/mode": "the addon manager",
    "apps.open-cluster-management.io/hosting-subscription": "Open Cluster Management",
    "olm.managed": "OLM",
    "olm.owner": "OLM",
    "skaffold.dev/run-id": "Skaffold",
    "kluctl.io/discriminator": "kluctl",
    "werf.io/version": "werf",
}
# what the label app.kubernetes.io/managed-by says of the same, in lower case
_MANAGED_BY = {
    "helm": "Helm", "terraform": "Terraform", "opentofu": "OpenTofu", "pulumi": "Pulumi", "kustomize": "kustomize",
    "argocd": "Argo CD", "argo-cd": "Argo CD", "flux": "Flux", "fluxcd": "Flux", "ansible": "Ansible", "kapp": "kapp", "kpt": "kpt",
    "configmanagement.gke.io": "Config Sync", "skaffold": "Skaffold", "tilt": "Tilt", "kluctl": "kluctl", "werf": "werf", "olm": "OLM",
}  # fmt: skip
# labels and annotations of what is copied from elsewhere: whose keys go there is not decided here
_COPIED = {
    "replicator.v1.mittwald.de/replicate-from": "kubernetes-replicator",
    "replicator.v1.mittwald.de/replicated-from-version": "kubernetes-replicator",
    "reflector.v1.k8s.emberstack.com/reflects": "reflector",
    "kubed.appscode.com/origin": "config-syncer",
    "generate.kyverno.io/policy-name": "Kyverno",
    "trust.cert-manager.io/bundle": "trust-manager",
    "reconcile.external-secrets.io/managed": "External Secrets",
    "secrets-store.csi.k8s.io/managed": "the Secrets Store CSI driver",
    "work.karmada.io/permanent-id": "Karmada",
}

# kinds whose controllers fill a map from outside the cluster, or from a manifest
_COPIERS = frozenset(
    {
        "ExternalSecret", "ClusterExternalSecret", "SealedSecret", "BitnamiSealedSecret", "VaultStaticSecret", "VaultDynamicSecret",
        "VaultSecret", "SopsSecret", "AWSSecret", "AzureKeyVaultSecret", "OnePasswordItem", "InfisicalSecret", "DopplerSecret",
        "SecretProviderClass", "Certificate", "HelmRelease", "HelmChart", "Kustomization", "Application", "App", "Bundle",
        "ClusterBundle", "ClusterServiceVersion", "Addon", "ManifestWork", "AppliedManifestWork", "VaultPKISecret",
        "HCPVaultSecretsApp",
    }
)  # fmt: skip


# kinds of which there is one object for each app, called as people call the app
_OF_APPS = frozenset(
    {
        ("argoproj.io", "Application"), ("argoproj.io", "ApplicationSet"), ("helm.toolkit.fluxcd.io", "HelmRelease"),
        ("kustomize.toolkit.fluxcd.io", "Kustomization"), ("helm.cattle.io", "HelmChart"), ("fleet.cattle.io", "Bundle"),
        ("fleet.cattle.io", "GitRepo"), ("kappctrl.k14s.io", "App"), ("app.k8s.io", "Application"), ("core.oam.dev", "Application"),
        ("apps.open-cluster-management.io", "Subscription"),
        # what stands beside a workload, under its name, to roll it out, to scale, to watch and to reach it
        ("argoproj.io", "Rollout"), ("flagger.app", "Canary"), ("apps.kruise.io", "CloneSet"), ("serving.knative.dev", "Service"),
        ("keda.sh", "ScaledObject"), ("autoscaling.k8s.io", "VerticalPodAutoscaler"), ("monitoring.coreos.com", "ServiceMonitor"),
        ("monitoring.coreos.com", "PodMonitor"), ("gateway.networking.k8s.io", "HTTPRoute"),
        ("gateway.networking.k8s.io", "GRPCRoute"), ("traefik.io", "IngressRoute"), ("projectcontour.io", "HTTPProxy"),
        ("networking.istio.io", "VirtualService"), ("networking.istio.io", "DestinationRule"),
        ("external-secrets.io", "ExternalSecret"), ("image.toolkit.fluxcd.io", "ImageRepository"),
        ("image.toolkit.fluxcd.io", "ImagePolicy"),
    }
)  # fmt: skip


def is_of_apps(kind: Kind) -> bool:
    """Whether objects of this kind stand for apps: settings of an app are called after it as well."""
    return (kind.group, kind.kind) in _OF_APPS


def copier_of(kind: str) -> str:
    """The kind itself where its controller copies a map from elsewhere; empty for others."""
    return kind if kind in _COPIERS else ""


def copier_of_marks(names: Iterable[str]) -> str:
    """The program that copies a map from elsewhere, as the names of its labels and annotations tell; empty for none."""
    return next((_COPIED[name] for name in names if name in _COPIED), "")


def copier_of_map(owner_kinds: Iterable[str], names: Iterable[str]) -> str:
    """Who fills a map from elsewhere: the kind that owns it, or the program whose mark is on it; empty for none."""
    return next(filter(None, map(copier_of, owner_kinds)), "") or copier_of_marks(names)


def held_by(tool: str) -> str:
    """What a tool's marks on a map tell people; empty for no tool."""
    return f"its labels or annotations say that it comes from a manifest, by {tool}: take it out there" if tool else ""


def is_of_people(manager: str) -> bool:
    """Whether a manager is a person's editor or a manifest's tool, and no script's: those create, patch and replace."""
    return bool(tool_of_manager(manager)) and manager not in _OF_SCRIPTS


def tool_of_manager(manager: str) -> str:
    """The tool that a manager's name stands for; empty for controllers, which write what no manifest holds."""
    fitting = [name for name in _TOOLS if manager.startswith(name)]
    return _TOOLS[max(fitting, key=len)] if fitting else ""


def holds_whole_objects(manager: str) -> bool:
    """Whether a manager applies whole objects alone, never parts of somebody else's."""
    return manager.startswith(_WHOLE)


def tool_of_marks(names: Iterable[str]) -> str:
    """The tool that the names of an object's labels and annotations tell of; empty for none."""
    return next((MARKS[name] for name in names if name in MARKS), "")


def tool_of_object(annotations: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """The tool that an object's annotations and labels tell of; empty for none. What `kubectl apply` leaves behind is not asked."""
    managed_by = labels.get("app.kubernetes.io/managed-by", "").lower()
    return tool_of_marks((*annotations, *labels)) or _MANAGED_BY.get(managed_by, "")


def may_be_moved(managed: bytes) -> bool:
    """Whether managedFields may tell of a move from one tool to another, at a glance: it is decoded for those maps alone."""
    applies = managed.count(b'"operation":"Apply"')
    return applies > 1 or (applies == 1 and any(mark in managed for mark in _MANAGERS))


_MANAGERS = tuple(f'"manager":"{name}'.encode() for name in _TOOLS)
