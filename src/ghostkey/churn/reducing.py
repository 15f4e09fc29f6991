"""Makes what was found small, on lanes side by side, and confirms the least steps k times of k."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ghostkey.churn.faults import all_faults
from ghostkey.churn.judge import Verdict, wait_out
from ghostkey.churn.lane import Lane, Trial
from ghostkey.churn.metrics import Metrics
from ghostkey.churn.plan import FaultPoint, Plan, Step
from ghostkey.churn.proxy.calls import NOISE
from ghostkey.churn.shrink import shrink
from ghostkey.churn.subjects import Subject
from ghostkey.churn.traces import Found

if TYPE_CHECKING:
    from ghostkey.churn.bed import Bed

SHRINK_PATIENCE = 3.0  # seconds; the least steps are confirmed with ten times that
CONFIRMATIONS = 3
ENDS = frozenset({"stop", "restart", "kill", "change-leader"})  # steps after which another process works


@dataclass(frozen=True, slots=True)
class Reduced:
    """The least plan, the trials it took, and how often it showed the signature when it was tried again.

    `only_time`: its steps and faults that change no request of the operator, and without which it did not show each time.
    """

    plan: Plan
    trials: int
    shown: int
    tried: int
    seconds: float
    only_time: tuple[str, ...] = ()

    @property
    def is_confirmed(self) -> bool:
        """Whether it showed it each time."""
        return self.shown == self.tried > 0


@dataclass(slots=True)
class Reducer:
    """Shrinks plans for one signature at a time. `patience` bounds how long each candidate is waited for."""

    bed: Bed
    lanes: Sequence[Lane]
    account: Callable[[Trial, str], None]
    patience: float = SHRINK_PATIENCE

    def reduce(self, verdict: Verdict, plan: Plan) -> Reduced:
        """The least steps that show the verdict's signature."""
        began = time.monotonic()
        tests = [self._test(lane, verdict) for lane in self.lanes]
        least, trials = shrink(plan, tests)
        least, only_time = self.without_time(verdict, least)
        shown = self._again(verdict, least)
        return Reduced(least, trials, shown, CONFIRMATIONS, round(time.monotonic() - began, 1), only_time)

    def without_time(self, verdict: Verdict, least: Plan) -> tuple[Plan, tuple[str, ...]]:
        """The plan without what only shifts time, and what only does so and yet is needed.

        Such a step or fault leaves the operator's requests as they are: one trial that did not show it without was chance. It goes
        when the rest shows the signature each time.
        """
        needed: list[str] = []
        parts: list[Step | FaultPoint] = [step for step in least.steps if step.do != "create"]
        parts += least.faults
        # what goes leaves the requests as they are, so that those of the whole plan stand for the least one all along
        asked = self._requests(least) if parts else None
        for part in parts:
            rest = least.without_part(part)
            if self._requests(rest) != asked:
                continue
            if self._again(verdict, rest) == CONFIRMATIONS:
                least = rest
            else:
                needed.append(str(part))
        return least, tuple(needed)

    def _requests(self, plan: Plan) -> Counter[tuple[str, str, tuple[int, ...], int]]:
        """How often the operator asked what about which subjects of the plan (by number), with which status."""
        lane = self.lanes[0]
        lane.restart()
        lane.proxy.ask("log")
        trial = lane.run(plan)
        self.account(trial, "comparing requests")
        numbers = {subject.token: subject.number for subject in trial.subjects}
        return Counter(
            (verb, place, tuple(sorted(numbers[token] for token in tokens if token in numbers)), status)
            for verb, place, tokens, status, _ in lane.proxy.ask("log")["log"]
            if verb != "other" and place.partition("/")[0] not in NOISE
        )

    def _again(self, verdict: Verdict, least: Plan) -> int:
        """How often of CONFIRMATIONS the least plan shows it, all of them waited out together, ten times as long."""
        lane, metrics = self.lanes[0], Metrics(self.bed.metrics_url)
        runs: list[list[Subject]] = []
        # an operator that ends takes its metrics with it: one process shows all runs, or each run is looked at by itself
        is_of_process = verdict.signature.source == "metrics"
        is_alone = is_of_process and (
            any(step.do in ENDS for step in least.steps) or any(all_faults()[point.fault].ends_operator for point in least.faults)
        )
        shown = 0
        for number in range(CONFIRMATIONS):
            if number == 0 or is_alone or not is_of_process:
                lane.restart()
            trial = lane.run(least)
            self.account(trial, "confirming")
            runs.append([] if trial.is_vacuous else trial.subjects)
            if is_alone:
                shown += self._left(verdict, [runs.pop()], metrics)
        return shown + (self._left(verdict, runs, metrics) if runs else 0)

    def _left(self, verdict: Verdict, runs: Sequence[Sequence[Subject]], metrics: Metrics) -> int:
        """How many of these runs have left it behind."""
        lane = self.lanes[0]
        subjects = [subject for run in runs for subject in run]

        def left() -> Found:
            found = self.bed.traces(lane, subjects, metrics)
            return {s: t for s, t in found.items() if s == verdict.signature}

        curve = wait_out(left, left(), self.patience * 10).get(verdict.signature)
        tokens = curve.tokens if curve is not None else set()
        return sum(any(subject.token in tokens for subject in run) for run in runs)

    def _test(self, lane: Lane, verdict: Verdict) -> Callable[[Plan], bool]:
        metrics = Metrics(self.bed.metrics_url)
        bed = self.bed.beside()

        def shows(plan: Plan) -> bool:
            lane.restart()
            trial = lane.run(plan)
            self.account(trial, "shrinking")
            if trial.is_vacuous:
                # an operator that did nothing before the deletion leaves nothing behind either: that would be another story
                return False

            def left() -> Found:
                found = bed.traces(lane, trial.subjects, metrics)
                return {s: t for s, t in found.items() if s == verdict.signature}

            curves = wait_out(left, left(), self.patience)
            return verdict.signature in curves and bool(curves[verdict.signature].tokens)

        return shows
