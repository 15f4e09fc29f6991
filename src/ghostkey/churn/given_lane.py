"""The subjects of a run in a given cluster, and plans with the operator that is ours there: what `lane` is to a control plane of our own."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ghostkey.churn.given_listing import Listing, key_of
from ghostkey.churn.given_operator import GivenOperator
from ghostkey.churn.given_receipt import MARK, Receipt
from ghostkey.churn.lane import EFFECT_SECONDS, LEADS_SECONDS, MERGE_PATCH, Trial
from ghostkey.churn.metrics import Metrics
from ghostkey.churn.metrics import traces_of as metric_traces
from ghostkey.churn.operator import Operator
from ghostkey.churn.plan import OF_SUBJECTS, Plan
from ghostkey.churn.proxy.client import ProxyProcess
from ghostkey.churn.runner import Runner
from ghostkey.churn.subjects import Maker, Subject, as_json
from ghostkey.churn.tokens import Spellings
from ghostkey.churn.traces import ApiTraces, Found, Signature
from ghostkey.model.errors import ApiFailed, GhostkeyError

CALM_SECONDS, CALM_LIMIT = 1.0, 30.0  # nothing that names a subject changes for so long; waited for at most
DELETE_TRIES = 50  # of an object that its operator writes all the time


@dataclass(slots=True)
class GivenLane:
    """One namespace of ours. `doubts`: what makes silence worth nothing. `given`: the operator, where we have started it."""

    listing: Listing
    maker: Maker
    receipt: Receipt
    given: GivenOperator | None = None
    doubts: list[str] = field(default_factory=list)

    @property
    def namespace(self) -> str:
        """Where all subjects are."""
        return self.receipt.namespace

    @property
    def ours(self) -> GivenOperator:
        """The operator, of which we have started it."""
        if self.given is None:
            raise GhostkeyError("an operator that runs in a given cluster already is not ours")
        return self.given

    @property
    def operator(self) -> Operator:
        """The replica that leads."""
        return self.ours.process

    @property
    def proxy(self) -> ProxyProcess:
        """Its proxy."""
        return self.ours.proxy

    # subjects

    def create(self, subjects: Sequence[Subject]) -> None:
        """They come, and are noted before and after: a run that is killed meanwhile has a receipt of each."""
        objects = [made for subject in subjects for made in subject.objects]
        self.receipt.note_subjects({made.path: "" for made in objects})
        try:
            for made in objects:
                answer = self.listing.client.write("POST", made.resource.path(made.namespace), as_json(made.document))
                made.uid = answer["metadata"]["uid"]
                made.document["metadata"]["resourceVersion"] = answer["metadata"]["resourceVersion"]
        finally:
            self.receipt.note_subjects({made.path: made.uid for made in objects if made.uid})

    def delete(self, subjects: Sequence[Subject]) -> None:
        """They go: ours, and nobody else's of their names."""
        if self.given is not None and self.operator.pid:
            gone = [(made.resource.plural, made.name) for subject in subjects for made in subject.objects]
            self.proxy.ask("expect", gone=gone)
        for subject in subjects:
            for made in subject.in_order_of_deletion():
                self._delete(made.path, made.uid)
            subject.is_deleted = True

    def _delete(self, path: str, uid: str) -> None:
        client = self.listing.client
        for _ in range(DELETE_TRIES):
            live = client.get_object(path)
            if live is None or live["metadata"]["uid"] != uid or live["metadata"].get("deletionTimestamp"):
                return
            try:
                client.delete(path, uid, live["metadata"]["resourceVersion"])
            except ApiFailed as error:
                if error.status not in {404, 409}:  # the operator has written it in between
                    raise
        self.doubts.append(f"{path} changes all the time: it could not be deleted at a version that was looked at")

    def _patch(self, subjects: Sequence[Subject]) -> None:
        for subject in subjects:
            made = subject.objects[0]
            metadata = {"uid": made.uid, "annotations": {MARK: str(time.monotonic_ns())}}
            self.listing.client.write("PATCH", made.path, as_json({"metadata": metadata}), MERGE_PATCH)

    def live(self, subjects: Sequence[Subject], number: int) -> None:
        """A round: subjects come, the operator, whoever has started it, does its work, and they go."""
        for subject in subjects:
            subject.round = number
        self.create(subjects)
        idle = len(subjects) - len(self._calm(subjects))
        if idle > 0.1 * len(subjects):
            self.doubts.append(f"round {number}: the operator did nothing for {idle} of {len(subjects)} subjects")
        self.delete(subjects)
        self._calm(subjects)
        if self.given is not None:
            settled = self.given.settle()
            self.operator.check()
            if not settled.is_calm:
                self.doubts.append(f"round {number}: the operator was never done ({settled.why})")

    def _calm(self, subjects: Sequence[Subject]) -> set[str]:
        """Waits until what names these subjects no longer changes; gives the tokens that the operator has done something about."""
        spellings = Spellings([named for subject in subjects for named in subject.named()])
        own = {
            key_of(made.resource, made.document["metadata"]): (subject.token, made.document["metadata"]["resourceVersion"])
            for subject in subjects
            for made in subject.objects
        }
        seen: set[tuple[bytes, str]] = set()
        touched: set[str] = set()
        since = began = time.monotonic()
        while time.monotonic() - since < CALM_SECONDS and time.monotonic() - began < CALM_LIMIT:
            now: set[tuple[bytes, str]] = set()
            for key, value in self.listing.stored():
                tokens = {*spellings.find(key), *spellings.find(value)}
                if not tokens:
                    continue
                version = str(json.loads(value)["metadata"].get("resourceVersion"))
                now.add((key, version))
                touched |= tokens if key not in own else {own[key][0]} if own[key][1] != version else set()
            if now != seen:
                seen, since = now, time.monotonic()
            time.sleep(0.1)
        return touched

    # plans, with an operator of ours

    def run(self, plan: Plan) -> Trial:
        """Carries out a plan without fault points, and the closing sweep after it."""
        began = time.monotonic()
        subjects = {number: self.maker.make(number, self.namespace) for number in plan.subjects}
        trial = Trial(plan, list(subjects.values()))
        for do, group in itertools.groupby(plan.steps, key=lambda step: step.do):
            self._do(
                do, [subjects[step.subject] for step in group if step.subject in subjects] if do in OF_SUBJECTS else [], trial
            )
        self.delete([subject for subject in trial.subjects if not subject.is_deleted])
        if not self.operator.pid:
            self._again(trial, self.ours.restart)
        self._settle(trial)
        self.ours.end_standby()
        trial.seconds = time.monotonic() - began
        return trial

    def _do(self, do: str, subjects: Sequence[Subject], trial: Trial) -> None:
        if do == "create":
            self.create(subjects)
            self._settle(trial, lambda: self._touched(subjects) == len(subjects))
            trial.reacted += self._touched(subjects)
        elif do == "patch":
            self._patch(subjects)
            self._settle(trial)
        elif do == "delete":
            self.delete(subjects)
            self._settle(trial)
        elif do == "stop":
            self.operator.stop()
        elif do == "kill":
            self.operator.kill()
        elif do in {"start", "restart"}:
            self._again(trial, self.ours.restart)
        elif do == "add-replica":
            trial.notes += filter(None, [self.ours.add_replica()])
        elif do == "change-leader":
            self._again(trial, self.ours.change_leader)
        else:
            raise GhostkeyError(f"{do} is done by the proxy, which does nothing of the kind in a given cluster")

    def _touched(self, subjects: Sequence[Subject]) -> int:
        return sum(times > 0 for times in self.ours.touches([subject.token for subject in subjects]).values())

    def _again(self, trial: Trial, how: Callable[[], None]) -> None:
        """Another process works from here on: a first subject comes, is seen, and goes again."""
        trial.restarts += 1
        how()
        deadline = time.monotonic() + LEADS_SECONDS
        while True:
            canary = self.maker.make(0, self.namespace)
            self.create([canary])
            self.ours.settle(lambda: self._touched([canary]) > 0, EFFECT_SECONDS * 3)  # noqa: B023 (asked before it is another)
            is_seen = self._touched([canary]) > 0
            self.delete([canary])
            self.ours.settle()
            if is_seen:
                return
            if time.monotonic() > deadline:
                trial.notes.append(
                    f"what was started did nothing for a subject within {LEADS_SECONDS:.0f} s: it may never have led"
                )
                return

    def _settle(self, trial: Trial, done: Callable[[], bool] | None = None) -> None:
        if not self.operator.pid:
            return
        trial.settled.append(self.ours.settle(done))
        if self.operator.has_ended():
            trial.notes.append(f"the operator ended by itself: {self.operator.tail().strip().splitlines()[-1:]}")
            self._again(trial, self.ours.restart)


@dataclass(slots=True)
class GivenBed:
    """What traces are read from; what cannot be read becomes a gap of the listing."""

    listing: Listing
    metrics_url: str = ""

    def traces(self, lane: Runner, subjects: Sequence[Subject], metrics: Metrics) -> Found:
        """What is found of the dead in the API and in metrics."""
        dead = [subject for subject in subjects if subject.is_deleted]
        own = [made.path for subject in dead for made in subject.objects]
        self.listing.unread.clear()
        found = ApiTraces(self.listing, self.listing.resources).read([n for s in dead for n in s.named()], own)
        return found | self.metric_traces(lane, dead, metrics)

    def metric_traces(self, lane: Runner, subjects: Sequence[Subject], metrics: Metrics) -> Found:
        """What is found of the dead in metrics: of the operator where it is ours, else of a URL."""
        pid = lane.operator.pid if isinstance(lane, GivenLane) and lane.given is not None else 0
        if not (self.metrics_url or pid):
            return {}
        try:
            return metric_traces(metrics.read(pid) or b"", [n for s in subjects if s.is_deleted for n in s.named()])
        except OSError as error:
            self.listing.gap("metrics", str(error))
            return {}

    def is_unread(self, signature: Signature) -> bool:
        """Whether the last look could not read what a signature is in."""
        return self.listing.is_unread(signature)

    def wait_for_collector(self, lane: Runner) -> bool:
        """Never known: what has an owner is not judged there."""
        return False
