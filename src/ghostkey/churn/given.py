"""A cluster that is given: subjects in a namespace of our own, an operator that runs there already or that we start, and no faults.

Nothing is written outside of that namespace. It is noted in a file before it is made, so that a run that was killed can be cleaned up;
it goes only when it bears the mark of that note, at the version that was looked at.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ghostkey.churn import judge as judging
from ghostkey.churn.campaign import Outcome, Wanted
from ghostkey.churn.given_operator import REFUSED_TOLD, GivenOperator, Started
from ghostkey.churn.judge import Kind, Verdict
from ghostkey.churn.lane import MERGE_PATCH
from ghostkey.churn.metrics import Metrics
from ghostkey.churn.metrics import traces_of as metric_traces
from ghostkey.churn.subjects import Document, Maker, Resource, Subject, as_json
from ghostkey.churn.tokens import ALPHABET, Named, Spellings
from ghostkey.churn.traces import EXEMPT, ApiTraces, Found
from ghostkey.kube.client import ApiClient
from ghostkey.kube.discovery import discover
from ghostkey.kube.fields import field_owners
from ghostkey.model.errors import AccessDenied, ApiFailed, GhostkeyError, UsageError
from ghostkey.store.state import create_private, private_directory

MARK = "ghostkey.dev/churn"
NAMESPACES = "/api/v1/namespaces"
CALM_SECONDS, CALM_LIMIT = 1.0, 30.0  # nothing that names a subject changes for so long; waited for at most
GONE_SECONDS = 60.0
DELETE_TRIES = 50  # of an object that its operator writes all the time
_PREFIX = re.compile(r"[a-z0-9][-a-z0-9]{0,29}")
Progress = Callable[[str], None]


def check_prefix(prefix: str) -> None:
    """Raises UsageError unless names of namespaces may begin so."""
    if not _PREFIX.fullmatch(prefix):
        raise UsageError(f"--namespace-prefix {prefix!r} begins no namespace", "up to 30 of a-z, 0-9 and -, such as gk-")


@dataclass(frozen=True, slots=True)
class Note:
    """What a run is about to make: written before it does."""

    path: Path
    server: str
    namespace: str
    mark: str

    def write(self) -> None:
        """Onto the disk, for its owner alone."""
        record = {"server": self.server, "namespace": self.namespace, "mark": self.mark}
        create_private(private_directory(self.path.parent) / self.path.name, json.dumps(record).encode())


def notes_in(folder: Path, server: str) -> list[Note]:
    """Notes that runs against this server have left. Raises GhostkeyError for a file that is none."""
    found = []
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        try:
            record = json.loads(path.read_text())
            note = Note(path, str(record["server"]), str(record["namespace"]), str(record["mark"]))
        except (OSError, ValueError, TypeError, KeyError):
            raise GhostkeyError(f"{path} is no note of a run", "look at it, and remove it") from None
        found += [note] if note.server == server else []
    return found


def clean_up(client: ApiClient, note: Note, patience: float = GONE_SECONDS) -> str:
    """Removes what a run has made, waits until it is gone, and drops the note; "" or why the namespace still stands.

    A namespace without the mark is somebody else's by now, and is left alone.
    """
    path, uid, deadline = f"{NAMESPACES}/{note.namespace}", "", time.monotonic() + patience
    while (live := client.get_object(path)) is not None:
        metadata = live["metadata"]
        if (metadata.get("annotations") or {}).get(MARK) != note.mark or uid not in {"", metadata["uid"]}:
            if uid:
                break  # ours has gone, and another one of its name has come
            return f"namespace {note.namespace} does not bear the mark of {note.path}: it is left alone"
        uid = metadata["uid"]
        if not metadata.get("deletionTimestamp"):
            try:
                client.delete(path, uid, metadata["resourceVersion"])
            except ApiFailed as error:
                if error.status not in {404, 409}:
                    raise
        if time.monotonic() > deadline:
            return (
                f"namespace {note.namespace} is deleted, and still there after {patience:.0f} s: something in it has a finalizer, "
                "which whoever put it there has to take away"
            )
        time.sleep(0.1)
    note.path.unlink(missing_ok=True)
    return ""


@dataclass(slots=True)
class Listing:
    """Every object that the API lists, as etcd would have it."""

    client: ApiClient
    resources: Mapping[tuple[str, str], Resource]
    gaps: dict[str, str] = field(default_factory=dict)

    def stored(self) -> Iterator[tuple[bytes, bytes]]:
        """Key and JSON of each object, kind by kind. A kind that may not be listed is a gap."""
        for resource in self.resources.values():
            if resource.plural in EXEMPT:
                continue
            path = Resource(resource.group, resource.version, resource.plural, resource.kind, is_namespaced=False).path("")
            try:
                for page in self.client.list_pages(path):
                    for item in json.loads(page).get("items") or ():
                        yield _key(resource, item["metadata"]), as_json(item)
            except ApiFailed as error:
                if error.status not in {404, 405}:  # a kind that has just gone, or that is no list
                    self.gaps[resource.plural] = str(error)
            except AccessDenied as error:
                self.gaps[resource.plural] = str(error)

    def get(self, path: str) -> dict[str, Any] | None:
        """An object as JSON."""
        return self.client.get_object(path)


def _is_put_by(managers: frozenset[str], metadata: Mapping[str, Any], finalizer: str) -> bool:
    """Whether managedFields say that one of these has put a finalizer there, and nobody else."""
    entries = field_owners(json.dumps(metadata.get("managedFields") or []).encode(), "metadata.finalizers")
    owners = {entry.manager for entry in entries if entry.keys and finalizer in entry.keys}
    return bool(owners) and owners <= managers


def _key(resource: Resource, metadata: Mapping[str, Any]) -> bytes:
    parts = [resource.group, resource.plural, metadata.get("namespace") or "", metadata["name"]]
    return ("/registry/" + "/".join(part for part in parts if part)).encode()


@dataclass(slots=True)
class Given:
    """One run against a given cluster. `folder`: where notes are kept."""

    client: ApiClient
    prefix: str
    wanted: Wanted
    folder: Path
    metrics_url: str = ""
    seed: int = 0
    progress: Progress = lambda _: None
    started: Started | None = None
    outcome: Outcome = field(default_factory=Outcome)

    def run(self, samples: Sequence[Document]) -> Outcome:
        """Rounds of subjects made of these samples, judged. Raises UsageError, AccessDenied, ApiFailed."""
        began = time.monotonic()
        listing = Listing(self.client, resources_of(self.client))
        made_of = [(_resource(listing.resources, document), document) for document in samples]
        note = self._note()
        note.write()
        try:
            body = {"metadata": {"name": note.namespace, "annotations": {MARK: note.mark}}}
            self.client.write("POST", NAMESPACES, as_json(body))
            maker = Maker(made_of, random.Random(f"{self.seed}/{note.mark}"))
            subjects: list[Subject] = []
            with contextlib.ExitStack() as stack:
                operator = None
                if self.started is not None:
                    self.progress("starting the operator")
                    plurals = frozenset(resource.plural for resource, _ in made_of)
                    operator = stack.enter_context(GivenOperator(self.client, self.started, note.namespace, plurals))
                    stack.callback(self._let_go, subjects, operator)
                self._rounds(listing, maker, note.namespace, operator, subjects)
        finally:
            self.progress("removing the namespace")
            try:
                left = clean_up(self.client, note)
            except GhostkeyError as error:
                left = f"namespace {note.namespace} could not be removed: {error}"
            if left:
                self.outcome.notes.append(f"{left}; ghostkey churn --clean-up tries again")
        unseen = "" if self.started is not None else ", and memory is not looked at"
        self.outcome.notes.append(f"a given cluster: no faults{unseen}; what the operator left is still there")
        self.outcome.seconds = time.monotonic() - began
        return self.outcome

    def _note(self) -> Note:
        suffix = "".join(secrets.choice(ALPHABET) for _ in range(8))
        namespace = f"{self.prefix.removesuffix('gk-')}gk-lane-1-{suffix}"
        return Note(self.folder / f"{namespace}.json", self.client.config.server, namespace, secrets.token_hex(16))

    def _rounds(
        self, listing: Listing, maker: Maker, namespace: str, operator: GivenOperator | None, subjects: list[Subject]
    ) -> None:
        history: list[Found] = []
        metrics = Metrics(self.metrics_url)

        last: Found = {}

        def read() -> Found:
            nonlocal last
            last = self._traces(listing, metrics, subjects, operator)
            return last

        if operator is not None:
            operator.memory.sample(operator.process.pid)
        for number in range(1, self.wanted.rounds + 1):
            self.progress(f"round {number} of {self.wanted.rounds}")
            fresh = [maker.make(index, namespace) for index in range(self.wanted.subjects)]
            subjects += fresh
            self._live(listing, fresh, number)
            if operator is not None:
                if why := operator.settle():
                    self.outcome.inconclusive.append(f"round {number}: {why}")
                operator.memory.sample(operator.process.pid)
            self.outcome.trials += 1
            self.outcome.subjects += len(fresh)
            history.append(read())
        curves = judging.wait_out(read, history[-1], self.wanted.patience, self.progress) if history[-1] else {}
        refused = self._say_refused(operator) if operator is not None else ""
        for verdict in judging.judge(curves, history, subjects, self.wanted.patience):
            checked = self._checked(verdict, last)
            # what it was not let do may be the very cleanup
            self.outcome.verdicts.append(
                replace(checked, kind=Kind.INCONCLUSIVE, because=refused) if refused and checked.is_finding else checked
            )
        self.outcome.inconclusive += [f"{plural} could not be read: {why}" for plural, why in sorted(listing.gaps.items())]

    def _say_refused(self, operator: GivenOperator) -> str:
        """What it was not let do, "" for nothing; and notes what could not be seen of it."""
        refused, told = operator.refused(), ""
        if refused:
            more = f" and {len(refused) - REFUSED_TOLD} more" if len(refused) > REFUSED_TOLD else ""
            told = f"the operator was refused {', '.join(refused[:REFUSED_TOLD])}{more}: --writes-in NS lets it write there"
            self.outcome.inconclusive.append(told)
        if operator.memory.gap:
            self.outcome.inconclusive.append(operator.memory.gap)
        if operator.memory.note:
            self.outcome.notes.append(operator.memory.note)
        return told

    def _let_go(self, subjects: Sequence[Subject], operator: GivenOperator) -> None:
        """Takes from our own subjects the finalizers that the operator has put there: it goes, and nobody else would.

        Those of others stay: who put them there runs in this cluster, and may not be done yet. What fails is told, and no more.
        """
        held, left = 0, ""
        try:
            managers = operator.managers()
            for made in (made for subject in subjects for made in subject.objects if made.uid):
                live = self.client.get_object(made.path)
                metadata = (live or {}).get("metadata") or {}
                if metadata.get("uid") != made.uid or not metadata.get("deletionTimestamp") or not metadata.get("finalizers"):
                    continue
                foreign = [name for name in metadata["finalizers"] if not _is_put_by(managers, metadata, name)]
                left = f"{made.path} is held by the finalizer {foreign[0]}, which is not the operator's" if foreign else left
                if len(foreign) == len(metadata["finalizers"]):
                    continue
                changed = {"uid": made.uid, "resourceVersion": metadata["resourceVersion"], "finalizers": foreign or None}
                try:
                    self.client.write("PATCH", made.path, as_json({"metadata": changed}), MERGE_PATCH)
                    held += 1
                except ApiFailed as error:
                    if error.status not in {404, 409}:  # gone, or written in this moment: then the namespace tells
                        raise
        except (GhostkeyError, OSError) as error:
            left = f"finalizers of subjects could not be taken away: {error}"
        if left:
            self.outcome.notes.append(left)
        if held:
            self.outcome.notes.append(f"{held} subjects were held by finalizers, which were taken away at the end")

    def _checked(self, verdict: Verdict, last: Found) -> Verdict:
        if not verdict.is_finding:
            return verdict
        if reason := judging.allowed(verdict, self.wanted.allow):
            return replace(verdict, kind=Kind.ALLOWED, because=reason)
        for path in sorted(last[verdict.signature].paths)[:1]:
            document = self.client.get_object(path) if verdict.kind is not Kind.STUCK else None
            if ((document or {}).get("metadata") or {}).get("ownerReferences"):
                because = "it has ownerReferences, and the garbage collector has not taken it yet"
                self.outcome.inconclusive.append(f"{verdict.signature}: {because}")
                return replace(verdict, kind=Kind.INCONCLUSIVE, because=because)
        return verdict

    def _live(self, listing: Listing, subjects: Sequence[Subject], number: int) -> None:
        """Subjects come, the operator does its work, and they go."""
        for subject in subjects:
            subject.round = number
            for made in subject.objects:
                answer = self.client.write("POST", made.resource.path(made.namespace), as_json(made.document))
                made.uid, made.document["metadata"]["resourceVersion"] = (
                    answer["metadata"]["uid"], answer["metadata"]["resourceVersion"],
                )  # fmt: skip
        idle = len(subjects) - len(self._calm(listing, subjects))
        if idle > 0.1 * len(subjects):
            self.outcome.inconclusive.append(f"round {number}: the operator did nothing for {idle} of {len(subjects)} subjects")
        for subject in subjects:
            for made in subject.in_order_of_deletion():
                self._delete(made.path, made.uid)
            subject.is_deleted = True
        self._calm(listing, subjects)

    def _delete(self, path: str, uid: str) -> None:
        """Deletes our object, and nobody else's of its name."""
        for _ in range(DELETE_TRIES):
            live = self.client.get_object(path)
            if live is None or live["metadata"]["uid"] != uid or live["metadata"].get("deletionTimestamp"):
                return
            try:
                self.client.delete(path, uid, live["metadata"]["resourceVersion"])
            except ApiFailed as error:
                if error.status not in {404, 409}:  # the operator has written it in between
                    raise
        self.outcome.inconclusive.append(f"{path} changes all the time: it could not be deleted at a version that was looked at")

    def _calm(self, listing: Listing, subjects: Sequence[Subject]) -> set[str]:
        """Waits until what names these subjects no longer changes; gives the tokens that the operator has done something about."""
        spellings = Spellings([named for subject in subjects for named in subject.named()])
        own = {
            _key(made.resource, made.document["metadata"]): (subject.token, made.document["metadata"]["resourceVersion"])
            for subject in subjects
            for made in subject.objects
        }
        seen: set[tuple[bytes, str]] = set()
        touched: set[str] = set()
        since = began = time.monotonic()
        while time.monotonic() - since < CALM_SECONDS and time.monotonic() - began < CALM_LIMIT:
            now: set[tuple[bytes, str]] = set()
            for key, value in listing.stored():
                tokens = {*spellings.find(key), *spellings.find(value)}
                if not tokens:
                    continue
                version = str(json.loads(value)["metadata"].get("resourceVersion"))
                now.add((key, version))
                touched |= tokens if key not in own else {own[key][0]} if own[key][1] != version else set()
            if now != seen:
                seen, since = now, time.monotonic()
            time.sleep(0.05)
        return touched

    def _traces(self, listing: Listing, metrics: Metrics, subjects: Sequence[Subject], operator: GivenOperator | None) -> Found:
        names = [named for subject in subjects if subject.is_deleted for named in subject.named()]
        own = [made.path for subject in subjects if subject.is_deleted for made in subject.objects]
        found = ApiTraces(listing, listing.resources).read(names, own)
        pid = operator.process.pid if operator is not None else 0
        if self.metrics_url or pid:
            try:
                found |= metric_traces(metrics.read(pid) or b"", names)
            except OSError as error:
                listing.gaps["metrics"] = str(error)
        if operator is not None:
            found |= self._in_memory(operator, listing, subjects, names, has_metrics=metrics.is_served)
        return found

    def _in_memory(
        self, operator: GivenOperator, listing: Listing, subjects: Sequence[Subject], names: list[Named], *, has_metrics: bool
    ) -> Found:
        dead = {subject.token: subject.round for subject in subjects if subject.is_deleted}
        try:
            found = operator.memory.traces(self.wanted.subjects, names) | operator.memory.names(dead)
        except (GhostkeyError, OSError) as error:
            listing.gaps["the operator's memory"] = str(error)
            return {}
        # where /metrics is read, it tells of each series what the registry's map in memory tells of none
        return {s: t for s, t in found.items() if not (has_metrics and "prometheus.metric" in s.place)}


def resources_of(client: ApiClient) -> dict[tuple[str, str], Resource]:
    """Every kind that can be listed, by group and plural."""
    kinds = discover(client).kinds
    return {(k.group, k.resource): Resource(k.group, k.version, k.resource, k.kind, k.namespaced) for k in kinds}


def _resource(resources: Mapping[tuple[str, str], Resource], document: Document) -> Resource:
    group = str(document["apiVersion"]).rpartition("/")[0]
    found: Iterable[Resource] = (r for r in resources.values() if (r.group, r.kind) == (group, document["kind"]))
    for resource in found:
        if not resource.is_namespaced:
            raise UsageError(
                f"a {resource.kind} is in no namespace", "in a given cluster nothing outside of a namespace of our own is made"
            )
        return resource
    raise UsageError(
        f"the cluster has no kind {document['kind']} of {document['apiVersion']}", "kubectl api-resources lists them"
    )
