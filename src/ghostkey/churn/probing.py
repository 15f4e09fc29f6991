"""Faults: which points there are, all of them but the kills in one trial, the kills one by one, and what they found once more."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from ghostkey.churn.faults import all_faults
from ghostkey.churn.judge import UNREAD, Curve, Kind, Verdict, wait_out
from ghostkey.churn.lane import Trial
from ghostkey.churn.metrics import Metrics
from ghostkey.churn.plan import OF_SUBJECTS, FaultPoint, Plan, Step, round_of
from ghostkey.churn.runner import Runner, Sources
from ghostkey.churn.subjects import Subject
from ghostkey.churn.traces import Found, Signature
from ghostkey.model.counts import counted

EVENTS_MOST = 3  # of one subject that are spoiled: it comes, it changes, it goes
POINTS_MOST = 200
CONFIRMATIONS = 3
WAYS_MOST = 4  # faults that are tried again for one signature
# convicts every operator that leaves its children to the garbage collector: only when it is asked for
ONLY_WHEN_ASKED = frozenset({"owner-references-stripped"})


@dataclass(frozen=True, slots=True)
class Learnt:
    """The calls that one subject makes an operator do: (verb, place, how often)."""

    writes: tuple[tuple[str, str, int], ...]
    resource: str
    shared: frozenset[tuple[str, str]] = frozenset()  # calls that name several subjects at once


def learn(lane: Runner, run: Callable[[Plan], Trial]) -> Learnt:
    """Lets one subject come and go, then two side by side, and looks at what was written about them."""
    lane.proxy.ask("log")
    token = run(round_of(1)).subjects[0].token
    calls: Counter[tuple[str, str]] = Counter()
    for verb, place, tokens, status, _ in lane.proxy.ask("log")["log"]:
        if token in tokens and verb in {"create", "update", "patch", "delete", "deletecollection"} and status:
            calls[verb, place] += 1
    pair = {subject.token for subject in run(round_of(2)).subjects}
    shared = {(verb, place) for verb, place, tokens, *_ in lane.proxy.ask("log")["log"] if pair <= set(tokens)}
    resource = lane.maker.documents[0][0].plural
    return Learnt(tuple((verb, place, count) for (verb, place), count in calls.items()), resource, frozenset(shared))


def points(learnt: Learnt, chosen: Sequence[str], *, kills: bool) -> list[FaultPoint]:
    """Every fault at every call it may meet; those that end the operator, or all others."""
    known = all_faults()
    found = []
    for name in chosen:
        fault = known[name]
        if fault.ends_operator is not kills:
            continue
        for verb, place, count in learnt.writes if fault.on_request else ():
            if verb in fault.verbs:
                found += [FaultPoint(name, verb, place, occurrence) for occurrence in range(1, count + 1)]
        if fault.on_watch_event:
            found += [FaultPoint(name, "event", learnt.resource, occurrence) for occurrence in range(1, EVENTS_MOST + 1)]
    return found[:POINTS_MOST]


def chosen_faults(asked: Sequence[str]) -> list[str]:
    """Names of faults that are tried: those asked for, else all that convict nobody who is right."""
    return list(asked) if asked else [name for name in all_faults() if name not in ONLY_WHEN_ASKED]


def many(found: Sequence[FaultPoint], *, one_by_one: bool = False) -> Plan:
    """A plan with a subject for each point: all side by side, or one after the other where a call names all who are there."""
    faults = tuple(replace(point, subject=index) for index, point in enumerate(found))
    if one_by_one:
        steps = [Step(do, number) for number in range(len(faults)) for do in OF_SUBJECTS]
    else:
        steps = [Step(do, number) for do in OF_SUBJECTS for number in range(len(faults))]
    return Plan(tuple(steps), faults)


def _strike(lane: Runner, alone: Sequence[FaultPoint], others: Sequence[FaultPoint]) -> list[tuple[list[FaultPoint], Trial]]:
    """The trials of one lane, with the points of each; those that met nothing among many subjects are tried once more, one by one."""
    done, missed = [], []
    for some, one_by_one in ((alone, True), (others, False)):
        if some:
            trial = lane.run(many(some, one_by_one=one_by_one))
            done.append((list(some), trial))
            missed += [point for index, point in enumerate(some) if index not in trial.fired]
    return [*done, (missed, lane.run(many(missed, one_by_one=True)))] if missed else done


class Probe:
    """All faults against one operator, after its rounds. `known`: signatures that need no fault."""

    def __init__(
        self, bed: Sources, lane: Runner, metrics: Metrics, account: Callable[[Trial, str], None], tell: Callable[[str], None]
    ) -> None:
        self.bed, self.lane, self.metrics, self.account, self.tell = bed, lane, metrics, account, tell
        self._beside: list[tuple[Runner, Metrics]] = []  # other lanes whose operators still hold what they were made to leave
        self.subjects: list[Subject] = []
        self.how: dict[str, Plan] = {}  # token → the least plan that met it with its fault
        self.fired = self.tried = 0
        self.names: list[str] = []
        self.learnt = Learnt((), "")
        self._is_blind = False  # whether what was tried once more could not be looked at

    def trial(self, plan: Plan, what: str) -> Trial:
        """Carries out a plan, and remembers whom which fault met."""
        trial = self.lane.run(plan)
        self.account(trial, what)
        return trial

    def learn(self, asked: Sequence[str]) -> None:
        """Has to come first: which calls there are to meet."""
        has_lease = bool(self.lane.proxy.ask("leases")["leases"])
        self.names = [name for name in chosen_faults(asked) if asked or has_lease or not all_faults()[name].elects]
        self.learnt = learn(self.lane, lambda plan: self.trial(plan, "learning"))

    def points_at_once(self, beside: Sequence[Runner] = ()) -> None:
        """Every fault that leaves the operator running, at every call of a subject; on all lanes side by side.

        A refused call is waited out by the operator itself, often with nothing else done meanwhile: that is what lanes are for.
        """
        self.subjects.clear()
        self._beside = [(lane, Metrics(self.bed.metrics_url)) for lane in beside]
        harmless = points(self.learnt, self.names, kills=False)
        alone = [point for point in harmless if (point.verb, point.resource) in self.learnt.shared]
        others = [point for point in harmless if point not in alone]
        lanes = [self.lane, *beside]
        self.tell(f"{counted(len(harmless), 'fault point')} on {counted(len(lanes), 'lane')}")
        with ThreadPoolExecutor(len(lanes)) as pool:
            done = [pool.submit(_strike, lane, alone[n :: len(lanes)], others[n :: len(lanes)]) for n, lane in enumerate(lanes)]
        self.tried += len(harmless)
        # what the other lanes have found counts also when the operator of one has ended
        failed = [error for one in done if (error := one.exception()) is not None]
        for some, trial in (pair for one in done if one.exception() is None for pair in one.result()):
            self.account(trial, "faults")
            self.fired += len(trial.fired)
            for index, (subject, point) in enumerate(zip(trial.subjects, some, strict=True)):
                if index in trial.fired:
                    self._remember(subject, str(point), many([point]))
        if failed:
            raise failed[0]

    def kills(self, deadline: float) -> None:
        """Every fault that ends it. Deletions that still wait in its memory are lost, whatever trial they are of."""
        self.subjects.clear()
        self._beside.clear()
        kills = points(self.learnt, self.names, kills=True)
        for number, point in enumerate(kills):
            if time.monotonic() > deadline:
                return
            self.tell(f"kill point {number + 1} of {len(kills)}")
            plan = many([point])
            trial = self.trial(plan, str(point))
            self.tried += 1
            self.fired += bool(trial.fired)
            if trial.fired:
                self._remember(trial.subjects[0], str(point), plan)
        for name in self.names:
            weave = all_faults()[name].weave
            if weave is not None and time.monotonic() < deadline:
                self.tell(name)
                plan = weave(round_of(CONFIRMATIONS))
                self.tried, self.fired = self.tried + 1, self.fired + 1
                for subject in self.trial(plan, name).subjects:
                    self._remember(subject, name, plan)

    def _remember(self, subject: Subject, fault: str, plan: Plan) -> None:
        subject.fault = fault
        self.subjects.append(subject)
        self.how[subject.token] = plan

    def read(self, subjects: Sequence[Subject]) -> Found:
        """What is left of these."""
        found = self.bed.traces(self.lane, subjects, self.metrics)
        for lane, metrics in self._beside:
            for signature, trace in self.bed.metric_traces(lane, subjects, metrics).items():
                found.setdefault(signature, trace).add(trace)
        return found

    def verdicts(self, known: set[Signature], patience: float) -> list[tuple[Verdict, Plan]]:
        """Verdicts on what faults alone bring about, each with the plan that shows it; what does not show twice is inconclusive."""
        first = {signature: trace for signature, trace in self.read(self.subjects).items() if signature not in known}
        if not first:
            return []
        self.bed.wait_for_collector(self.lane)

        def fresh() -> Found:
            return {s: t for s, t in self.read(self.subjects).items() if s not in known}

        curves = wait_out(fresh, fresh(), patience, self.tell, unread=self.bed.is_unread, before=first)
        # what the first look showed, and no later one: it has gone
        return [self._confirmed(s, curve, patience) for s, curve in sorted(curves.items()) if curve.tokens or curve.is_unread]

    def _confirmed(self, signature: Signature, curve: Curve, patience: float) -> tuple[Verdict, Plan]:
        if curve.is_unread:
            return _unknown(signature, curve), Plan(())
        culprits = [subject for subject in self.subjects if subject.token in curve.tokens]
        faults = sorted({subject.fault for subject in culprits})
        # plans that need no exact moment first, then the last calls of a subject's life: a kill also takes what waited of the subject
        # before, so that earlier calls are blamed for what a later kill did
        culprits.reverse()
        ways = {subject.fault: self.how[subject.token] for subject in sorted(culprits, key=lambda s: " at " in s.fault)}
        hit = total = missed = 0
        fault, plan = next(iter(ways.items()))
        for fault, plan in list(ways.items())[:WAYS_MOST]:
            hit, total, missed = self._once_more(signature, fault, plan, patience)
            if hit == total:
                break
        if self._is_blind:
            return _unknown(signature, curve), plan
        faults = [fault, *(other for other in faults if other != fault)]
        if curve.is_stuck and hit:
            kind = Kind.STUCK
        elif hit == total and not missed:
            kind = Kind.LEAK
        else:
            kind = Kind.PARTIAL if hit else Kind.INCONCLUSIVE
        said = f"{hit} of {total} subjects that {fault} met again, {missed} of {CONFIRMATIONS} that nothing met, after {patience:g} s"
        verdict = Verdict(
            signature, kind, (), (len(curve.tokens),), tuple(curve.points), curve.example, curve.series, because=said,
            fault="; ".join(faults[:8]) + (f" and {len(faults) - 8} more" if len(faults) > 8 else ""), found_by="faults", one=min(curve.tokens, default=""),
            tokens=frozenset(curve.tokens), paths=frozenset(curve.paths),
        )  # fmt: skip
        return verdict, plan

    def _once_more(self, signature: Signature, fault: str, plan: Plan, patience: float) -> tuple[int, int, int]:
        """Of fresh subjects that the fault meets: how many show the signature, how many there were; and how many do that it does not."""
        self.tell(f"once more: {fault}")
        self._is_blind = False
        control = self.trial(round_of(CONFIRMATIONS), "control").subjects

        def shown(subjects: Sequence[Subject]) -> int:
            def left() -> Found:
                return {s: t for s, t in self.read(subjects).items() if s == signature}

            curve = wait_out(left, left(), patience, self.tell, unread=self.bed.is_unread, before=[signature])[signature]
            self._is_blind = self._is_blind or curve.is_unread
            return sum(subject.token in curve.tokens for subject in subjects)

        # each is waited out before the next kill, which would take its delayed cleanups too
        missed, hit = shown(control), 0
        met: list[Subject] = []
        ends = any(all_faults()[point.fault].ends_operator for point in plan.faults)
        for _ in range(CONFIRMATIONS):
            subjects = self.trial(plan, f"once more: {fault}").subjects
            met += subjects
            hit += shown(subjects) if ends else 0
        return hit if ends else shown(met), len(met), missed


def _unknown(signature: Signature, curve: Curve) -> Verdict:
    return Verdict(
        signature, Kind.INCONCLUSIVE, (), (len(curve.ever),), tuple(curve.points), curve.example, because=UNREAD, found_by="faults",
    )  # fmt: skip
