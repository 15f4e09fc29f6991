"""A lane: one proxy, one operator, one namespace. Lanes share a control plane and do not see each other's subjects."""

from __future__ import annotations

import http.client
import itertools
import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ghostkey.churn.api import Api
from ghostkey.churn.faults import all_faults
from ghostkey.churn.plan import OF_SUBJECTS, Plan, Step
from ghostkey.churn.refused import Refusals
from ghostkey.churn.replica import Replica, Replicas
from ghostkey.churn.settle import Settled, settle
from ghostkey.churn.subjects import Document, Made, Maker, Resource, Subject, as_json
from ghostkey.churn.tokens import ALPHABET
from ghostkey.model.errors import GhostkeyError

if TYPE_CHECKING:
    from ghostkey.churn.operator import Operator
    from ghostkey.churn.proxy.client import ProxyProcess
    from ghostkey.testing import ControlPlane

MERGE_PATCH = "application/merge-patch+json"
START_SECONDS = 60.0
ALL_WATCHED_SECONDS = 3.0  # between its first watch and its last one
LEADS_SECONDS = 30.0  # twice as long as a Lease is kept by default
EFFECT_SECONDS = 3.0  # an operator that has written nothing by then writes nothing for a subject
IN_ROUNDS = 5  # times that: they are few, and what rests between events comes late to those of the next round


@dataclass(frozen=True, slots=True)
class Setting:
    """What all lanes of a run have in common. `life`: seconds for which subjects live at least, before they change or go.

    `pod_namespace`: that of the Pod whose files the operator is given in place of a kubeconfig; "" for a kubeconfig.
    """

    argv: Sequence[str]
    samples: Sequence[tuple[Resource, Document]]
    environment: Mapping[str, str] = field(default_factory=dict)
    user_kubeconfig: Path | None = None
    seed: int = 0
    life: float = 0.0
    pod_namespace: str = ""


@dataclass(slots=True)
class Trial:
    """One plan that was carried out. `reacted`: subjects whose creation made the operator ask or write about them."""

    plan: Plan
    subjects: list[Subject]
    reacted: int = 0
    fired: list[int] = field(default_factory=list)
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)
    restarts: int = 0
    log: list[tuple[str, str, tuple[str, ...], int]] = field(default_factory=list)

    @property
    def is_vacuous(self) -> bool:
        """Whether the operator did nothing for a tenth of the subjects or more: then nothing can be said of its cleanups."""
        return self.reacted < 0.9 * len(self.subjects)

    @property
    def is_calm(self) -> bool:
        """Whether the operator was done each time that we went on."""
        return all(one.is_calm for one in self.settled)


class Lane:
    """One lane; use it in one thread."""

    def __init__(self, control_plane: ControlPlane, setting: Setting, number: int) -> None:
        self.number, self._setting = number, setting
        # another run may have left subjects of the same seed
        suffix = "".join(secrets.choice(ALPHABET) for _ in range(5))
        self.chance = random.Random(f"{setting.seed}/{number}/{suffix}")
        self.namespace = f"gk-lane-{number}-{suffix}"
        self.api = Api(control_plane)
        self.api.must("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        self._replicas = Replicas(
            control_plane, setting.argv, setting.environment, setting.user_kubeconfig, number, setting.pod_namespace
        )
        self._made = itertools.count()
        self._leads = self._replica()
        self._stands_by: Replica | None = None
        self.maker = Maker(setting.samples, self.chance)
        self.effect = -1  # writes for one subject, as the first one showed; -1: not learnt yet
        self._is_ready = self._is_narrow = False
        self._refusals = Refusals()  # of replicas that have ended

    @property
    def proxy(self) -> ProxyProcess:
        """The proxy of the replica that leads."""
        return self._leads.proxy

    @property
    def operator(self) -> Operator:
        """The replica that leads."""
        return self._leads.operator

    def close(self) -> None:
        """Ends every operator and proxy."""
        self._end(self._leads)
        self._end_standby()

    def _end(self, replica: Replica) -> None:
        self._refusals.add(replica.proxy)
        replica.close()

    def refusals(self) -> Refusals:
        """What the API server has not let the operators do until now."""
        return Refusals().add(self._refusals).add(self.proxy)

    def narrow(self) -> None:
        """From now on the operator sees the subjects of this lane alone."""
        if self._setting.samples[0][0].is_namespaced:
            self._is_narrow = True
            self._narrow(self._leads)

    def _narrow(self, replica: Replica) -> None:
        if self._is_narrow:
            replica.proxy.ask("narrow", resources=[self._setting.samples[0][0].plural], namespace=self.namespace)

    # replicas

    def _replica(self) -> Replica:
        # the first lane's operator has its Lease by the name that it asks for
        return self._replicas.make(next(self._made), f"-{self.namespace}" if self.number > 1 else "")

    def _add_replica(self, trial: Trial) -> None:
        """Starts a second one; harmless when there is one."""
        if self._stands_by is not None:
            return
        self._stands_by = self._replica()
        self._narrow(self._stands_by)
        self._stands_by.start()
        if self._stands_by.operator.has_ended():
            last = self._stands_by.operator.tail().strip().splitlines()[-1:]
            trial.notes.append(
                f"a second replica does not run beside the first: {last}; a port of its own (:0) may be all it needs"
            )
            self._end_standby()

    def _change_leader(self, trial: Trial) -> None:
        """Kills the one that leads; the other takes over. Without another it is a restart."""
        leases = self.proxy.ask("leases")["leases"]
        if self._stands_by is None:
            self.operator.kill()
        else:
            self._end(self._leads)
            self._leads, self._stands_by = self._stands_by, None
        for lease in leases:
            self.api.must("DELETE", lease, allowed=(404,))
        self._again(trial)
        deadline = time.monotonic() + LEADS_SECONDS
        while self.effect and not self._canary():
            if time.monotonic() > deadline:
                trial.notes.append(
                    f"the other replica did nothing for a subject within {LEADS_SECONDS:.0f} s: it may never have led"
                )
                break

    def _end_standby(self) -> None:
        if self._stands_by is not None:
            self._end(self._stands_by)
            self._stands_by = None

    # the operator

    def start(self) -> None:
        """Starts the operator, and waits until it works: a first subject comes, is seen, and goes again."""
        self.proxy.ask("forget")
        self.proxy.ask("rules", rules=[])
        self._start()
        is_first = self.effect < 0
        self._canary()
        if is_first:
            # the first one also makes what all share: the second tells what one subject costs
            self._canary(is_learning=True)

    def restart(self) -> None:
        """The same, after an end by SIGKILL."""
        self.operator.kill()
        self.start()

    def _start(self) -> None:
        self.operator.start()
        self.proxy.ask("pid", pid=self.operator.pid)
        deadline = time.monotonic() + START_SECONDS
        wanted = {resource.plural for resource, _ in self._setting.samples}
        some_since = None
        while True:
            watched = wanted & set(self.proxy.ask("state")["watched"])
            some_since = (some_since or time.monotonic()) if watched else None
            # an operator opens its watches one after the other, and need not watch every kind of the sample
            if watched == wanted or (some_since is not None and time.monotonic() - some_since > ALL_WATCHED_SECONDS):
                break
            self.operator.check()
            if time.monotonic() > deadline:
                kinds = ", ".join(sorted(wanted))
                raise GhostkeyError(
                    f"within {START_SECONDS:.0f} s the operator did not watch {kinds}",
                    "does it use KUBECONFIG, or need --kubeconfig={kubeconfig}, or a Pod's files (--in-cluster)?",
                )
            time.sleep(0.01)
        self._look_where()

    def _look_where(self) -> None:
        """An operator that watches one namespace is given its subjects there."""
        if self._is_narrow:
            return
        for plural, namespaces in self.proxy.ask("state")["namespaces"].items():
            if namespaces and "" not in namespaces:
                self.maker.places[plural] = namespaces[0]

    def _canary(self, *, is_learning: bool = False) -> int:
        """How many writes of the operator named a subject that came for this alone, and goes again."""
        # controllers begin to work up to 100 ms after their first events: what has no effect until then is not judged
        subject = self.maker.make(0, self.namespace)
        self._create([subject])

        def is_seen() -> bool:
            return self.touches([subject])[subject.token] >= (1 if is_learning else max(1, self.effect))

        patience = EFFECT_SECONDS * 3 if self.effect < 0 else EFFECT_SECONDS if self.effect else 0.0
        first = settle(self.proxy, self.operator, is_seen if self.effect else None, patience=patience)
        touched = self.touches([subject])[subject.token]
        self.effect = touched if self.effect < 0 else min(self.effect, touched or self.effect)
        self._delete([subject])
        if first.is_calm:
            settle(self.proxy, self.operator)
        return touched

    def touches(self, subjects: Sequence[Subject]) -> dict[str, int]:
        """Token → how many of the operator's writes named it."""
        touched: dict[str, int] = self.proxy.ask("touched", tokens=[subject.token for subject in subjects])["touched"]
        return touched

    def reacted(self, subjects: Sequence[Subject]) -> int:
        """How many of the subjects the operator has asked or written about."""
        answer = self.proxy.ask("touched", tokens=[subject.token for subject in subjects])
        return sum(bool(answer["touched"][s.token] or answer["asked"][s.token]) for s in subjects)

    # trials

    def run(self, plan: Plan, round_number: int = 0, live: Callable[[list[Subject]], int] | None = None) -> Trial:
        """Carries a plan out, and the closing sweep after it. `live` counts subjects that show otherwise, while all of them live."""
        began = time.monotonic()
        subjects = {number: self.maker.make(number, self.namespace) for number in plan.subjects}
        for subject in subjects.values():
            subject.round = round_number
        trial = Trial(plan, list(subjects.values()))
        self._set_rules(plan, subjects)
        self._is_ready = True
        for do, group in itertools.groupby(plan.steps, key=lambda step: step.do):
            self._do(do, [subjects[s.subject] for s in group if s.subject in subjects] if do in OF_SUBJECTS else [], trial, live)
        self._sweep(trial, subjects)
        self._end_standby()
        trial.fired = self.proxy.ask("fired")["fired"]
        trial.seconds = time.monotonic() - began
        return trial

    def _set_rules(self, plan: Plan, subjects: Mapping[int, Subject]) -> None:
        known = all_faults()
        rules = []
        for point in plan.faults:
            if point.fault not in known:
                raise GhostkeyError(f"no fault is named {point.fault!r}", f"known: {', '.join(known)}")
            token = subjects[point.subject].token if point.subject in subjects else ""
            if token or point.subject < 0:
                rules.append(
                    {
                        "fault": point.fault,
                        "verb": point.verb,
                        "place": point.resource,
                        "token": token,
                        "occurrence": point.occurrence,
                    }
                )
        self.proxy.ask("rules", rules=rules)

    def _do(self, do: str, subjects: list[Subject], trial: Trial, live: Callable[[list[Subject]], int] | None) -> None:
        if do == "create":
            self._create(subjects)
            least = min(max(0, self.effect), 1 if trial.plan.faults else self.effect)  # a fault makes them fewer, or more
            self._settle(
                trial, (lambda: all(n >= least for n in self.touches(subjects).values())) if least and self._is_ready else None
            )
            if least and trial.settled and trial.settled[-1].why == "no effect is seen":
                # what was learnt was too much; waiting for it again would only take time
                self.effect = min([least, *(n for n in self.touches(subjects).values() if n)])
            if self._setting.life and subjects:  # an operator that works by the clock has to come by while they live
                time.sleep(self._setting.life)
                self._settle(trial)
            trial.reacted += max(self.reacted(subjects), live(subjects) if live is not None else 0)
        elif do == "delete":
            self._delete([subject for subject in subjects if not subject.is_deleted])
            self._settle(trial)
        elif do == "patch":
            self._patch(subjects)
            self._settle(trial)
        elif do in {"stop", "kill"}:
            self.operator.kill() if do == "kill" else self.operator.stop()
            self._is_ready = False
        elif do in {"start", "restart"}:
            if do == "restart":
                self.operator.kill()
            self._again(trial)
        elif do == "add-replica":
            self._add_replica(trial)
        elif do == "change-leader":
            self._change_leader(trial)
        else:
            self.proxy.ask(do)
            if do != "freeze":
                self._settle(trial)

    def _again(self, trial: Trial) -> None:
        trial.restarts += 1
        self.proxy.ask("forget")
        self._start()
        self._canary()
        self._is_ready = True
        self._settle(trial)

    def _settle(self, trial: Trial, done: Callable[[], bool] | None = None) -> None:
        if not self.operator.pid:
            return
        rests = IN_ROUNDS if any(subject.round for subject in trial.subjects) else 1
        trial.settled.append(settle(self.proxy, self.operator, done, patience=EFFECT_SECONDS * rests))
        if self.operator.has_ended():
            # killed by a fault, or ended by itself; kubelet would start it again
            if not any(all_faults()[p.fault].ends_operator for p in trial.plan.faults):
                trial.notes.append(f"the operator ended by itself: {self.operator.tail().strip().splitlines()[-1:]}")
            self.operator.kill()
            self._again(trial)

    def _sweep(self, trial: Trial, subjects: Mapping[int, Subject]) -> None:
        left = [subject for _, subject in sorted(subjects.items()) if not subject.is_deleted and subject.objects[0].uid]
        if left:
            self._delete(left)
        if not self.operator.pid:
            self._again(trial)
        self._settle(trial)

    # subjects

    def _create(self, subjects: Sequence[Subject]) -> None:
        versions: dict[str, int] = {}
        for subject in subjects:
            for made in subject.objects:
                answer = self.api.must("POST", made.resource.path(made.namespace), made.document)
                made.uid = answer["metadata"]["uid"]
                versions[made.resource.plural] = int(answer["metadata"]["resourceVersion"])
        if self.operator.pid:
            self.proxy.ask("expect", versions=versions)

    def _patch(self, subjects: Sequence[Subject]) -> None:
        """Changes a text of the spec where the API server takes the change, and an annotation in any case."""
        for subject in subjects:
            made = subject.objects[0]
            body: Document = {"metadata": {"annotations": {"ghostkey.dev/churn": str(time.monotonic_ns())}}}
            spec = made.document.get("spec")
            texts = (
                {k: v for k, v in spec.items() if isinstance(v, str) and subject.token not in v} if isinstance(spec, dict) else {}
            )
            for name, value in list(texts.items())[:1]:
                changed = {**body, "spec": {name: f"{value}-2"}}
                if self.api.ask("PATCH", f"{made.path}?dryRun=All", as_json(changed), MERGE_PATCH)[0] == http.HTTPStatus.OK:
                    body = changed
            status, answer = self.api.ask("PATCH", made.path, as_json(body), MERGE_PATCH)
            if status == http.HTTPStatus.OK and self.operator.pid:
                self.proxy.ask("expect", versions={made.resource.plural: int(answer["metadata"]["resourceVersion"])})

    def _delete(self, subjects: Sequence[Subject]) -> None:
        gone: list[tuple[str, str]] = []
        objects: list[Made] = [made for subject in subjects for made in subject.in_order_of_deletion()]
        if self.operator.pid:
            gone = [(made.resource.plural, made.name) for made in objects]
            self.proxy.ask("expect", gone=gone)
        for made in objects:
            self.api.must("DELETE", made.path, allowed=(404,))
        for subject in subjects:
            subject.is_deleted = True


def steps_of(plan: Plan) -> list[Step]:
    """The steps, the closing sweep written out."""
    deleted = {step.subject for step in plan.steps if step.do == "delete"}
    return [*plan.steps, *(Step("delete", number) for number in plan.subjects if number not in deleted)]
