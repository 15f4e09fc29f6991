"""Subjects: made of a sample, with names that nothing else has, and deleted again."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ghostkey.churn.tokens import LONG_TAIL, Named, new_token
from ghostkey.foreign import UnreadableError, yaml_items
from ghostkey.model.errors import UsageError

DOCUMENTS_MOST = 200
FILE_BYTES = 64 << 20
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """Where objects of a kind are: group ("" for core), version, plural, and whether namespaces have them."""

    group: str
    version: str
    plural: str
    kind: str
    is_namespaced: bool

    def path(self, namespace: str, name: str = "") -> str:
        """The API path of the collection, or of one object."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if self.is_namespaced else ""
        return f"{root}{scope}/{self.plural}" + (f"/{name}" if name else "")


def read_documents(paths: Iterable[str]) -> list[Document]:
    """All Kubernetes objects of YAML or JSON files and folders, in order. Raises UsageError naming the file."""
    found: list[Document] = []
    for given in paths:
        path = Path(given)
        if not path.exists():
            raise UsageError(f"no file {given}", "name a file of YAML or JSON, or a folder of them")
        files = sorted(p for p in path.rglob("*") if p.suffix in {".yaml", ".yml", ".json"}) if path.is_dir() else [path]
        for file in files:
            try:
                found += _objects(file)
            except OSError as error:
                raise UsageError(f"cannot read {file}: {error.strerror or error}") from None
            except UnreadableError as error:
                where = f"line {error.line} of {file}" if error.line else file
                raise UsageError(f"cannot read {where}: {error}") from None
    if len(found) > DOCUMENTS_MOST * 10:
        raise UsageError(f"{len(found)} objects are more than {DOCUMENTS_MOST * 10}")
    return found


def _objects(file: Path) -> list[Document]:
    """The objects of a file, those of lists included. Raises OSError, UnreadableError."""
    if file.stat().st_size > FILE_BYTES:
        raise UnreadableError(f"it is larger than {FILE_BYTES >> 20} MB")
    items = [item for _, item in yaml_items(file.read_bytes())]
    return [
        item
        for item in items
        if isinstance(item, dict) and "kind" in item and "apiVersion" in item and "items" not in item
        # a kustomization.yaml beside the CRDs: no API server knows it
        and not str(item["apiVersion"]).startswith("kustomize.config.k8s.io/")
    ]  # fmt: skip


def crd_resources(crds: Sequence[Document]) -> list[Resource]:
    """The served storage versions of CustomResourceDefinitions."""
    found = []
    for crd in crds:
        spec = crd.get("spec") or {}
        names = spec.get("names") or {}
        for version in spec.get("versions") or ():
            if version.get("served") and version.get("storage"):
                found.append(
                    Resource(spec["group"], version["name"], names["plural"], names["kind"], spec.get("scope") != "Cluster")
                )
    return found


def crd_of(crds: Sequence[Document], resource: Resource) -> Document | None:
    """The CustomResourceDefinition of a kind; None where it is none of these."""
    return next((c for c in crds if (resource.group, resource.kind) in {(r.group, r.kind) for r in crd_resources([c])}), None)


@dataclass(slots=True)
class Made:
    """One object that was created, or is about to be."""

    resource: Resource
    document: Document
    uid: str = ""

    @property
    def name(self) -> str:
        """metadata.name."""
        return str(self.document["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """metadata.namespace; "" for cluster-scoped kinds."""
        return str(self.document["metadata"].get("namespace", ""))

    @property
    def path(self) -> str:
        """Its API path."""
        return self.resource.path(self.namespace, self.name)


@dataclass(slots=True)
class Subject:
    """The objects of one token, in order of creation. `number` is its number in the plan."""

    token: str
    number: int
    objects: list[Made]
    round: int = 0
    is_deleted: bool = False
    traits: frozenset[str] = frozenset()
    fault: str = ""  # what met it, in words

    def named(self) -> list[Named]:
        """Each object's names."""
        return [Named(self.token, made.name, made.namespace, made.uid) for made in self.objects]

    def in_order_of_deletion(self) -> list[Made]:
        """Half of the subjects go as they came, the other half in reverse: owners first, or what refers to them."""
        return self.objects[::-1] if "deleted in reverse" in self.traits else self.objects


@dataclass(slots=True)
class Maker:
    """Makes subjects of sample documents; every choice follows from the seed."""

    documents: Sequence[tuple[Resource, Document]]
    chance: random.Random
    made: int = 0
    places: dict[str, str] = field(default_factory=dict)  # plural → the only namespace in which the operator looks for it

    def make(self, number: int, namespace: str) -> Subject:
        """A new subject: the sample with every name its own. Every other one has a long name, and every other pair goes in reverse."""
        token = new_token(self.chance)
        self.made += 1
        is_long = is_long_named(number)
        is_reversed = len(self.documents) > 1 and number // 2 % 2 == 1
        traits = {"a long name" if is_long else "a short name"}
        if len(self.documents) > 1:
            traits.add("deleted in reverse" if is_reversed else "deleted in order")
        name = token + (LONG_TAIL if is_long else "")
        renamed = {str(document["metadata"].get("name") or "sample"): name for _, document in self.documents}
        objects = []
        for resource, document in self.documents:
            new = _renamed(copy.deepcopy(document), renamed, {"{{name}}": name, "{{n}}": str(self.made)})
            new["metadata"]["name"] = name
            # finalizers stay: the user may be who puts one there, and the operator who cleans up and takes it away
            for fact in (
                "namespace",
                "uid",
                "resourceVersion",
                "generation",
                "creationTimestamp",
                "ownerReferences",
                "managedFields",
            ):
                new["metadata"].pop(fact, None)
            if resource.is_namespaced:
                new["metadata"]["namespace"] = self.places.get(resource.plural, namespace)
            objects.append(Made(resource, new))
        return Subject(token, number, objects, traits=frozenset(traits))


def is_long_named(number: int) -> bool:
    """Whether the subject of this number in a plan has a long name: every other one."""
    return number % 2 == 1


def _renamed(value: Any, names: dict[str, str], marks: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(inner, names, marks) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, names, marks) for inner in value]
    if isinstance(value, str):
        if value in names:
            return names[value]
        for mark, text in marks.items():
            value = value.replace(mark, text)
    return value


def sample_of(resource: Resource) -> Document:
    """The least object of a kind."""
    group = f"{resource.group}/{resource.version}" if resource.group else resource.version
    return {"apiVersion": group, "kind": resource.kind, "metadata": {"name": "sample"}, "spec": {}}


def as_json(document: Document) -> bytes:
    """The document as a request's body."""
    return json.dumps(document).encode()
