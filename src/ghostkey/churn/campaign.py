"""The order of a whole run: rounds, then faults, then what was found is waited out, confirmed and made small."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from ghostkey.churn import judge as judging
from ghostkey.churn.bed import Bed
from ghostkey.churn.judge import Kind, Verdict
from ghostkey.churn.lane import Lane, Setting, Trial
from ghostkey.churn.memory import Memory
from ghostkey.churn.metrics import Metrics
from ghostkey.churn.plan import Plan, round_of
from ghostkey.churn.probing import Probe
from ghostkey.churn.reducing import SHRINK_PATIENCE, Reduced, Reducer
from ghostkey.churn.refused import Refusals, is_work
from ghostkey.churn.subjects import Subject
from ghostkey.churn.traces import Found, Signature
from ghostkey.model.errors import GhostkeyError

if TYPE_CHECKING:
    from ghostkey.churn.inserts import Inserts
    from ghostkey.churn.past import Life
    from ghostkey.lint.about import About

LANES = 3
FAULT_LANES = 4  # on which the operator mostly waits for what was refused
Progress = Callable[[str], None]
IN_WANT = "does something have to be there first (--setup)?"


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much is done. `patience`: seconds that a positive is waited out; `allow`: (part of a signature, reason)."""

    rounds: int = 3
    subjects: int = 20
    patience: float = 90.0
    allow: tuple[tuple[str, str], ...] = ()
    faults: tuple[str, ...] | None = None  # None: none; empty: all
    seconds: float = 600.0  # no new trial is begun after that


@dataclass(slots=True)
class Outcome:
    """What a run found, and what it could not know."""

    verdicts: list[Verdict] = field(default_factory=list)
    inconclusive: list[str] = field(default_factory=list)  # why silence is no acquittal
    notes: list[str] = field(default_factory=list)
    trials: int = 0
    subjects: int = 0
    seconds: float = 0.0
    points: tuple[int, int] = (0, 0)  # fault points that were tried, and that struck
    reduced: dict[Signature, Reduced] = field(default_factory=dict)
    plans: dict[Signature, Plan] = field(default_factory=dict)  # the least plan known to show it
    lives: dict[Signature, Life] = field(default_factory=dict)  # of a key: who wrote it, and who tried to remove it
    inserts: dict[Signature, Inserts] = field(default_factory=dict)  # of a map in memory: stacks of the code that inserts
    code: dict[Signature, About] = field(default_factory=dict)  # the lines that write it and forget it, where the source is given

    @property
    def findings(self) -> list[Verdict]:
        """Verdicts that fail the test."""
        return [verdict for verdict in self.verdicts if verdict.is_finding]

    @property
    def decided(self) -> set[Signature]:
        """Of which faults say nothing more: what fails the test without them, and what is allowed."""
        return {one.signature for one in self.verdicts if one.is_finding or one.kind is Kind.ALLOWED}

    @property
    def result(self) -> str:
        """`leaks`, `inconclusive` or `clean`."""
        return "leaks" if self.findings else "inconclusive" if self.inconclusive else "clean"

    def doubt(self, why: str) -> None:
        """Says why silence is no acquittal; once."""
        if why not in self.inconclusive:
            self.inconclusive.append(why)

    def account(self, trial: Trial, what: str) -> None:
        """Counts a trial, and notes what makes its silence worth nothing."""
        self.trials += 1
        self.subjects += len(trial.subjects)
        self.notes += [note for note in trial.notes if note not in self.notes]
        if trial.is_vacuous:
            self.doubt(
                f"{what}: the operator did nothing for {len(trial.subjects) - trial.reacted} of {len(trial.subjects)} subjects"
            )
        if not trial.is_calm:
            why = next(one.why for one in trial.settled if not one.is_calm)
            self.doubt(f"{what}: the operator was never done ({why})")

    @property
    def exit_code(self) -> int:
        """1 findings, 3 not everything could be seen, 0 clean."""
        return {"leaks": 1, "inconclusive": 3, "clean": 0}[self.result]


def _close(lanes: Sequence[Lane]) -> None:
    for lane in lanes:
        lane.close()


class Campaign:
    """One run on one bed."""

    def __init__(self, bed: Bed, setting: Setting, wanted: Wanted, progress: Progress = lambda _: None) -> None:
        self.bed, self.setting, self.wanted, self.progress = bed, setting, wanted, progress
        self.outcome = Outcome()
        self.metrics, self.memory = Metrics(bed.metrics_url), Memory()
        self.began = time.monotonic()
        self._lanes: list[Lane] = []
        self._is_in_want = False  # whether it was tested without what it needs to be there, other than its subjects
        # subjects of a cluster, or of the one namespace that an operator looks at, are seen by every lane
        self._can_be_narrowed = setting.samples[0][0].is_namespaced

    def lane(self) -> Lane:
        """A new lane, its operator not started yet."""
        made = Lane(self.bed.control_plane, self.setting, len(self._lanes) + 1)
        self._lanes.append(made)
        return made

    def rounds(self, lane: Lane) -> list[Subject]:
        """Rounds without faults, judged: subjects that came and went."""
        self._can_be_narrowed = self._can_be_narrowed and not lane.maker.places
        subjects: list[Subject] = []
        history: list[Found] = []
        per_round = self.wanted.subjects
        self.memory.sample(lane.operator.pid)
        for number in range(1, self.wanted.rounds + 1):
            self.tell(f"round {number} of {self.wanted.rounds}")
            trial = lane.run(round_of(per_round), number, self._shown_in_metrics(lane))
            subjects += trial.subjects
            self.account(trial, f"round {number}")
            self.memory.sample(lane.operator.pid)
            if not trial.is_calm:
                break  # what is never done is not judged, and another round would only take time
            history.append(self.bed.traces(lane, subjects, self.metrics) | self._in_memory(subjects, per_round))
        missing = self._missing(lane)
        for why in missing.values():
            self.outcome.doubt(why)
        self._is_in_want = self._is_in_want or any(place not in self._plurals() for place in missing)
        if history:
            self.judge(lane, subjects, history, per_round)
            self._look_who_inserts(lane, per_round)
        return subjects

    def _plurals(self) -> set[str]:
        return {resource.plural for resource, _ in self.setting.samples}

    def _missing(self, lane: Lane) -> dict[str, str]:
        """Resource → why an operator whose every write of it finds nothing is tested without what it needs to be there.

        Where a kind's writes are let in elsewhere, nothing follows of an object that is not there: a cleanup under a wrong name
        is answered with 404, too. It has to be the namespace or the kind then, or an object of one name whatever the subject, which
        is not there while subjects live.
        """
        found = {
            place.partition("/")[0]: f"{verb} {place} of {name} was answered 404 each of {times} times: {IN_WANT}"
            for verb, place, _, name, times in lane.proxy.ask("wants")["wants"]
            if times >= self.wanted.rounds
        }
        # verb and resource → status, and whether it lacks one of these
        answered: dict[tuple[str, str], list[tuple[int, bool]]] = {}
        for verb, place, tokens, status, lacks in lane.proxy.ask("log")["log"]:
            if tokens and verb in {"create", "update", "patch"}:
                answered.setdefault((verb, place), []).append((status, lacks))
        are_there = {place for (_, place), seen in answered.items() if any(200 <= status < 300 for status, _ in seen)}
        return found | {
            place.partition("/")[0]: f"{verb} {place} was answered 404 each of {len(seen)} times: {IN_WANT}"
            for (verb, place), seen in sorted(answered.items())
            if all(status == HTTPStatus.NOT_FOUND for status, _ in seen)
            and (place not in are_there or (verb == "create" and all(lacks for _, lacks in seen)))
        }

    def _look_who_inserts(self, lane: Lane, per_round: int) -> None:
        """Of the maps and the metrics that leak, while the operator that leaks is still there."""
        maps = [verdict.signature for verdict in self.outcome.findings if verdict.signature.source in {"memory", "metrics"}]
        from ghostkey.churn.inserts import Inserts, inserts_of

        if self.memory.note:
            self.outcome.inserts = {
                signature: Inserts(unknown=self.memory.note) for signature in maps if signature.source == "metrics"
            }
        elif maps:
            self.tell("watching who inserts into the maps that leak")
            self.outcome.inserts = inserts_of(maps, lane, self.memory, per_round, lambda trial: self._count(trial, "watching"))

    def judge(self, lane: Lane, subjects: Sequence[Subject], history: Sequence[Found], per_round: int) -> None:
        """Waits positives out, and adds verdicts."""
        first = history[-1]

        def read() -> Found:
            return self.bed.traces(lane, subjects, self.metrics) | self._in_memory(subjects, per_round)

        unsure: set[Signature] = set()
        if collected := {
            s for s, trace in first.items() if s.source == "api" and any(map(self.bed.has_owner, sorted(trace.paths)[:1]))
        }:
            self.tell("waiting for the garbage collector")
            if not self.bed.wait_for_collector(lane):
                unsure = collected
            first = read()
        curves = judging.wait_out(read, first, self.wanted.patience, self.tell) if first else {}
        for verdict in judging.judge(curves, history, subjects, self.wanted.patience):
            self.outcome.verdicts.append(self._checked(verdict, unsure))
        self._say_gaps()

    def faults(self, lane: Lane) -> None:
        """Every fault at every point, judged."""
        if self._is_in_want:
            self.outcome.notes.append(f"no faults: of an operator that could not do its work nothing would be learnt; {IN_WANT}")
            return
        probe = Probe(self.bed, lane, self.metrics, self.account, self.tell)
        deadline = self.began + self.wanted.seconds
        probe.learn(self.wanted.faults or ())
        beside = self.lanes_beside(lane)
        try:
            probe.points_at_once(beside)
            self._add_verdicts(probe)
        finally:
            _close(beside)
        probe.kills(deadline)
        self._add_verdicts(probe)
        self.outcome.points = probe.tried, probe.fired
        self._say_gaps()

    def _add_verdicts(self, probe: Probe) -> None:
        known = self.outcome.decided
        for verdict, plan in probe.verdicts(known, self.wanted.patience):
            self.outcome.verdicts.append(self._checked(verdict, set()))
            self.outcome.plans[verdict.signature] = plan

    def lanes_beside(self, lane: Lane, count: int = FAULT_LANES) -> list[Lane]:
        """More lanes beside one, so many in all, each blind for the others' subjects, and all started anew; none where that cannot be.

        An operator with a port of its own does not start twice, or has no metrics: then there is one lane, and it takes longer.
        """
        if not self._can_be_narrowed or self.bed.metrics_url:
            return []
        self.tell("starting more lanes")
        lane.narrow()
        lane.restart()
        beside = [self.lane() for _ in range(count - 1)]
        for one in beside:
            one.narrow()
            one.effect = lane.effect
        with ThreadPoolExecutor(len(beside)) as pool:
            started = [pool.submit(one.start) for one in beside]
        refused = [error for one in started if (error := one.exception()) is not None]
        if any(not isinstance(error, GhostkeyError) for error in refused):
            _close(beside)
            raise refused[0]
        if not refused and not (self.metrics.is_served and any(map(self._is_without_metrics, beside))):
            return beside
        _close(beside)
        last = str(refused[0]).strip().splitlines()[-1] if refused else "it serves no metrics the second time"
        told = f"the operator does not run twice side by side ({last}), so that one lane does it all; a port of its own (:0) may be all it needs"
        self.outcome.notes.append(told)
        self._can_be_narrowed = False
        return []

    def _is_without_metrics(self, lane: Lane) -> bool:
        try:
            return Metrics().read(lane.operator.pid) is None
        except OSError:
            return True

    def plan(self, lane: Lane, plan: Plan) -> None:
        """One plan, carried out and judged."""
        trial = lane.run(plan, 1, self._shown_in_metrics(lane))
        self.account(trial, plan.name or "the plan")
        self.judge(lane, trial.subjects, [self.bed.traces(lane, trial.subjects, self.metrics)], len(trial.subjects))
        for verdict in self.outcome.findings:
            self.outcome.plans[verdict.signature] = plan

    def reduce(self) -> None:
        """Makes every finding small; memory is left as it is, for it needs rounds to show."""
        found = [verdict for verdict in self.outcome.findings if verdict.signature.source != "memory"]
        if not found or time.monotonic() > self.began + self.wanted.seconds:
            return
        lanes = [self.lane()]
        try:
            lanes += self.lanes_beside(lanes[0], LANES)
            reducer = Reducer(self.bed, lanes, self._count, min(self.wanted.patience, SHRINK_PATIENCE))
            for verdict in found:
                if time.monotonic() > self.began + self.wanted.seconds:
                    return
                self.tell(f"making {verdict.signature} small")
                plan = self.outcome.plans.get(verdict.signature) or round_of(4)
                reduced = reducer.reduce(verdict, plan)
                self.outcome.reduced[verdict.signature] = reduced
                if reduced.only_time:
                    told = (
                        f"{', '.join(reduced.only_time)} changes no request of the operator, and does not show each time without"
                    )
                    self.outcome.notes.append(f"{verdict.signature}: {told}")
                if reduced.is_confirmed:
                    self.outcome.plans[verdict.signature] = reduced.plan
        finally:
            _close(lanes)

    def _count(self, trial: Trial, what: str) -> None:
        """Counts a trial of which nobody is acquitted."""
        self.outcome.trials += 1
        self.outcome.subjects += len(trial.subjects)

    def _checked(self, verdict: Verdict, unsure: set[Signature]) -> Verdict:
        if (allowed := judging.allowed(verdict, self.wanted.allow)) is not None:
            return allowed
        if self._is_in_want and verdict.is_finding:
            because = f"the operator could not do its work, which may be why it is there: {IN_WANT}"
            verdict = replace(verdict, kind=Kind.INCONCLUSIVE, because=because)
        if verdict.kind is Kind.STUCK:
            verdict = self.bed.held_by_operator(verdict)
        if verdict.kind is Kind.INCONCLUSIVE:
            self.outcome.doubt(f"{verdict.signature}: {verdict.because}")
        if verdict.signature in unsure and verdict.is_finding:
            because = "the garbage collector has not passed, so its dependents say nothing"
            self.outcome.inconclusive.append(f"{verdict.signature}: {because}")
            return replace(verdict, kind=Kind.INCONCLUSIVE, because=because)
        return verdict

    def _say_gaps(self) -> None:
        for gap in self.bed.gaps:
            self.outcome.doubt(f"{gap.what} could not be read: {gap.why}")
        for why in self.memory.gaps:
            self.outcome.doubt(why)
        if self.memory.note and self.memory.note not in self.outcome.notes:
            self.outcome.notes.append(self.memory.note)

    def account(self, trial: Trial, what: str) -> None:
        """Counts a trial, and notes what makes its silence worth nothing."""
        self.outcome.account(trial, what)

    def _in_memory(self, subjects: Sequence[Subject], per_round: int) -> Found:
        found = self.bed.memory_traces(self.memory, per_round, subjects)
        # where /metrics is read, it tells of each series what the registry's map in memory tells of none
        return {s: t for s, t in found.items() if not (self.metrics.is_served and "prometheus.metric" in s.place)}

    def _shown_in_metrics(self, lane: Lane) -> Callable[[list[Subject]], int]:
        from ghostkey.churn.metrics import traces_of

        def shown(subjects: list[Subject]) -> int:
            try:
                text = self.metrics.read(lane.operator.pid)
            except OSError:
                return 0
            found = traces_of(text or b"", [named for subject in subjects for named in subject.named()])
            return len(set().union(*(trace.tokens for trace in found.values()))) if found else 0

        return shown

    def tell(self, what: str) -> None:
        """Progress, with trials a minute."""
        minutes = (time.monotonic() - self.began) / 60
        pace = f", {self.outcome.trials / minutes:.0f} trials a minute" if self.outcome.trials > 3 else ""
        self.progress(f"{what}{pace}")

    def finish(self) -> Outcome:
        """The outcome, complete. What an operator was not let do may be the very cleanup, or what there would be to clean up."""
        refusals = Refusals()
        for lane in self._lanes:
            refusals.add(lane.refusals())
        if refused := refusals.chosen(is_work).told():
            self.outcome.doubt(refused)
        self.outcome.seconds = time.monotonic() - self.began
        return self.outcome


def run_rounds(bed: Bed, setting: Setting, wanted: Wanted, progress: Progress = lambda _: None) -> Outcome:
    """Rounds alone, on one lane."""
    campaign = Campaign(bed, setting, wanted, progress)
    lane = campaign.lane()
    try:
        campaign.tell("starting the operator")
        lane.start()
        campaign.rounds(lane)
        if wanted.faults is not None:
            campaign.faults(lane)
    finally:
        lane.close()
    return campaign.finish()


__all__ = ["Campaign", "Outcome", "Plan", "Wanted", "run_rounds"]
