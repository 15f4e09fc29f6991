"""Which object, which kind, which key."""

from __future__ import annotations

from dataclasses import dataclass, field

UID_PATTERN = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"  # of a regular expression: a UID as Kubernetes writes it
_TO_DASH = str.maketrans("._:/", "----")

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


def canonical(text: str) -> str:
    """Lower-cased, every separator made `-`: equal for a name and for what sanitising made of it."""
    return text.lower().translate(_TO_DASH)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind as discovery names it. `resource` is the plural in URLs; `namespaced` says whether objects have a namespace.

    `known_by` is what its objects go by where that is not their name: `{spec.slug}`.
    """

    group: str
    version: str
    kind: str
    resource: str
    namespaced: bool
    short_names: tuple[str, ...] = field(default=(), compare=False)
    singular: str = field(default="", compare=False)
    known_by: str = ""

    @property
    def is_custom(self) -> bool:
        """Whether it is a custom resource rather than one of Kubernetes' own."""
        return "." in self.group and self.group not in _BUILT_IN_GROUPS

    @property
    def qualified(self) -> str:
        """`tenants.demo.ghostkey.dev`, or `pods` for the core group."""
        return f"{self.resource}.{self.group}" if self.group else self.resource

    def answers_to(self, word: str) -> bool:
        """Whether a user who typed this word meant this kind: plural, singular, kind or short name, with or without group."""
        name, _, group = word.lower().partition(".")
        known = {self.resource, self.singular or self.kind.lower(), self.kind.lower(), *self.short_names}
        # a group may be cut after any of its labels, as in `tenants.demo`
        return name in known and (not group or self.group == group or self.group.startswith(group + "."))

    def path(self, namespace: str = "", name: str = "") -> str:
        """URL path of the collection (all namespaces when `namespace` is empty) or of one object."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{root}{scope}/{self.resource}" + (f"/{name}" if name else "")


CONFIG_MAPS = Kind("", "v1", "ConfigMap", "configmaps", True, ("cm",), "configmap")
SECRETS = Kind("", "v1", "Secret", "secrets", True, (), "secret")
NAMESPACES = Kind("", "v1", "Namespace", "namespaces", False, ("ns",), "namespace")
GO_MAPS = Kind("", "v1", "GoMap", "gomaps", False)
"""Maps in the memory of a process: `name` is the path by which it is held, `cluster` the name of the program."""
PODS = Kind("", "v1", "Pod", "pods", True, ("po",), "pod")


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """Which object. `namespace` is empty for cluster-scoped kinds; `uid` is empty when the source does not tell."""

    kind: Kind
    namespace: str
    name: str
    uid: str = ""
    cluster: str = ""

    def __str__(self) -> str:
        word = {"ConfigMap": "cm", "Secret": "secret", "GoMap": "map"}.get(self.kind.kind, self.kind.qualified)
        return f"{word}/{self.name}" + (f" -n {self.namespace}" if self.namespace else "")


@dataclass(frozen=True, slots=True)
class KeyRef:
    """Which key in which holder.

    `field` is `data`, `binaryData`, `children` (the key is the name of a dependent object), `entries` (of a map in a process)
    or the path of a map-valued field. `path` leads from a key's value into the JSON or YAML document it holds, and `key` is then the entry's name:
    `field="data", path=("tenants.json", "tenants"), key="acme"`.
    """

    holder: ObjectRef
    field: str
    key: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "/".join((*self.path, self.key))
