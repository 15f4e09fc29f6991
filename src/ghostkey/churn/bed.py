"""The test bed of a run: a control plane of its own with the CRDs, the setup, and what everything is read from."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ghostkey.churn.api import Api
from ghostkey.churn.given_authors import stuck_by_others
from ghostkey.churn.judge import Verdict
from ghostkey.churn.memory import Memory
from ghostkey.churn.metrics import Metrics
from ghostkey.churn.metrics import traces_of as metric_traces
from ghostkey.churn.proxy.client import finalizers_put
from ghostkey.churn.runner import Runner
from ghostkey.churn.subjects import Document, Resource, Subject, crd_of, crd_resources, sample_of
from ghostkey.churn.tokens import Named
from ghostkey.churn.traces import ApiTraces, Found, Signature
from ghostkey.model.errors import ApiFailed, GhostkeyError, UsageError
from ghostkey.model.events import Gap

if TYPE_CHECKING:
    from ghostkey.testing import ControlPlane

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SERVED_SECONDS = 60.0
COLLECTED_SECONDS = 90.0


@dataclass(slots=True)
class Reader:
    """Everything that a control plane of ours has stored."""

    control_plane: ControlPlane
    api: Api

    def stored(self) -> Iterable[tuple[bytes, bytes]]:
        """Straight from etcd."""
        return self.control_plane.etcd.stored()

    def get(self, path: str) -> dict[str, Any] | None:
        """An object as JSON."""
        return self.api.get(path)


@dataclass(slots=True)
class Bed:
    """Control plane, kinds, and the sources of traces."""

    control_plane: ControlPlane
    api: Api
    resources: dict[tuple[str, str], Resource]
    metrics_url: str = ""
    gaps: list[Gap] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)  # sources of signatures, by the last look

    def beside(self) -> Bed:
        """The same bed for another thread."""
        return Bed(self.control_plane, Api(self.control_plane), self.resources, self.metrics_url, self.gaps)

    def resource_of(self, document: Document) -> Resource:
        """Where objects of a document's kind are. Raises UsageError when the API server has no such kind."""
        group, _, version = str(document["apiVersion"]).rpartition("/")
        for resource in self.resources.values():
            if (resource.group, resource.kind) == (group, document["kind"]):
                return replace(resource, version=version)
        known = sorted(resource.kind for resource in self.resources.values() if resource.group == group)
        hint = f"{group or 'the core group'} has {', '.join(known)}; " if known else ""
        raise UsageError(
            f"the API server has no kind {document['kind']} of {document['apiVersion']}", f"{hint}give its CRD with --crds"
        )

    def samples(self, documents: Sequence[Document], crds: Sequence[Document]) -> list[tuple[Resource, Document]]:
        """What subjects are made of: the samples given, else the least object of the first CRD."""
        if documents:
            return [(self.resource_of(document), document) for document in documents]
        kinds = crd_resources(crds)
        if not kinds:
            raise UsageError("there is neither a sample nor a CRD to make subjects of", "give --crds DIR or --sample FILE")
        from ghostkey.churn.generator import generated

        crd = crd_of(crds, kinds[0])
        made = generated(crd, kinds[0], self.api) if crd is not None else None
        return [(kinds[0], made or sample_of(kinds[0]))]

    def traces(self, lane: Runner, subjects: Sequence[Subject], metrics: Metrics) -> Found:
        """What is found of the dead in the API and in metrics; what cannot be read becomes a gap."""
        dead = [subject for subject in subjects if subject.is_deleted]
        names = _names(dead)
        own = [made.path for subject in dead for made in subject.objects]
        found: Found = {}
        self.unread.clear()
        try:
            found |= ApiTraces(Reader(self.control_plane, self.api), self.resources).read(names, own)
        except (OSError, GhostkeyError) as error:
            self._gap("objects", str(error), "api")
        return found | self.metric_traces(lane, subjects, metrics)

    def metric_traces(self, lane: Runner, subjects: Sequence[Subject], metrics: Metrics) -> Found:
        """What is found of the dead in the metrics of a lane's operator; metrics that cannot be read become a gap."""
        try:
            text = metrics.read(lane.operator.pid) if lane.operator.pid else None
        except OSError as error:
            self._gap("metrics", str(error), "metrics")
            return {}
        return metric_traces(text, _names([subject for subject in subjects if subject.is_deleted])) if text is not None else {}

    def is_unread(self, signature: Signature) -> bool:
        """Whether the last look could not read what a signature is in."""
        return signature.source in self.unread

    def _gap(self, what: str, why: str, source: str) -> None:
        self.unread.add(source)
        if all(gap.what != what for gap in self.gaps):
            self.gaps.append(Gap(what, why))

    def memory_traces(self, memory: Memory, per_round: int, subjects: Sequence[Subject]) -> Found:
        """What is found in the maps of the process, or in its memory where it has none that we know."""
        dead = [subject for subject in subjects if subject.is_deleted]
        try:
            found = memory.traces(per_round, _names(dead))
            return found | memory.names({subject.token: subject.round for subject in dead})
        except (GhostkeyError, OSError) as error:
            self._gap("the operator's memory", str(error), "memory")
            return {}

    def wait_for_collector(self, lane: Runner) -> bool:
        """Whether the garbage collector has passed since now: a fresh object with an owner that goes is collected."""
        subject = lane.maker.make(0, lane.namespace)
        for made in subject.objects[:1]:
            answer = self.api.must("POST", made.resource.path(made.namespace), made.document)
            owner = {
                "apiVersion": made.document["apiVersion"],
                "kind": made.resource.kind,
                "name": made.name,
                "uid": answer["metadata"]["uid"],
            }
            name, where = f"gk-collected-{subject.token}", f"/api/v1/namespaces/{lane.namespace}/configmaps"
            self.api.must("POST", where, {"metadata": {"name": name, "ownerReferences": [owner]}})
            self.api.must("DELETE", made.path, allowed=(404,))
            deadline = time.monotonic() + COLLECTED_SECONDS
            while time.monotonic() < deadline:
                if self.api.get(f"{where}/{name}") is None:
                    return True
                time.sleep(0.05)
        return False

    def held_by_operator(self, verdict: Verdict) -> Verdict:
        """That subjects are held up, where a finalizer that an operator's requests have put there holds them."""
        return stuck_by_others(verdict, self.api.get, finalizers_put(self.control_plane.directory))

    def has_owner(self, path: str) -> bool:
        """Whether an object has ownerReferences: then removing it is the garbage collector's part."""
        document = self.api.get(path)
        return bool(((document or {}).get("metadata") or {}).get("ownerReferences"))


def _names(subjects: Sequence[Subject]) -> list[Named]:
    return [named for subject in subjects for named in subject.named()]


@contextlib.contextmanager
def made(crds: Sequence[Document], setup: Sequence[Document]) -> Iterator[Bed]:
    """A control plane with these CRDs and objects, until the block ends."""
    from ghostkey.testing import ControlPlane

    with ControlPlane(controller_manager=True) as control_plane:
        yield prepare(control_plane, crds, setup)


def prepare(control_plane: ControlPlane, crds: Sequence[Document], setup: Sequence[Document]) -> Bed:
    """Makes what operator and subjects need, and has the garbage collector know the new kinds at once."""
    api = Api(control_plane)
    are_new = False
    for crd in crds:
        if crd.get("kind") != "CustomResourceDefinition":
            setup = [*setup, crd]
            continue
        answer = api.must("POST", CRDS, crd, allowed=(409,))
        are_new = are_new or answer.get("kind") != "Status"
    kinds = crd_resources([crd for crd in crds if crd.get("kind") == "CustomResourceDefinition"])
    for resource in kinds:
        path = resource.path("default") if resource.is_namespaced else resource.path("")
        control_plane.wait_until(lambda path=path: api.ask("GET", path)[0] == 200, f"{resource.kind} is served", SERVED_SECONDS)  # type: ignore[misc]
    if are_new and "kube-controller-manager" in control_plane.processes:
        # it looks for new kinds every 30 s, and collects nothing of theirs before
        control_plane.restart("kube-controller-manager")
    wanted = {(resource.group, resource.plural) for resource in kinds}
    control_plane.wait_until(
        lambda: wanted <= set(_discovered(api)), "the new kinds are in the API server's list", SERVED_SECONDS
    )
    bed = Bed(control_plane, api, _discovered(api))
    for document in setup:
        resource = bed.resource_of(document)
        namespace = str(document["metadata"].get("namespace") or "default")
        api.must("POST", resource.path(namespace), document, allowed=(409,))
    return bed


def _discovered(api: Api) -> dict[tuple[str, str], Resource]:
    """Every kind that the API server has, by group and plural, in the version that it prefers where there are several."""
    found: dict[tuple[str, str], Resource] = {}
    versions = [("", "v1", "/api/v1")]
    for group in api.must("GET", "/apis").get("groups", []):
        preferred = group["preferredVersion"]
        ordered = [preferred, *(version for version in group["versions"] if version != preferred)]
        versions += [(group["name"], version["version"], f"/apis/{version['groupVersion']}") for version in ordered]
    for name, version, path in versions:
        try:
            listed = api.must("GET", path).get("resources", [])
        except ApiFailed:
            continue
        for entry in listed:
            if "/" not in entry["name"]:
                found.setdefault(
                    (name, entry["name"]), Resource(name, version, entry["name"], entry["kind"], bool(entry["namespaced"]))
                )
    return found
