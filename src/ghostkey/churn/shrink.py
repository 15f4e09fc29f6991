"""The least steps that still show a signature: ddmin, first over whole subjects, then over steps and faults.

Source: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28(2), 2002.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ghostkey.churn.plan import FaultPoint, Plan, Step

T = TypeVar("T")
TRIALS_MOST = 200
Fails = Callable[[Plan], bool]


@dataclass(slots=True)
class Shrinking:
    """Which plans were tried. `tests`: one for each lane; each answers whether a plan shows the signature."""

    tests: Sequence[Fails]
    seen: dict[Plan, bool] = field(default_factory=dict)
    trials: int = 0

    def first_failing(self, plans: Sequence[Plan]) -> int | None:
        """The first plan, in order, that shows it; as many at once as there are lanes."""
        for start in range(0, len(plans), len(self.tests)):
            batch = plans[start : start + len(self.tests)]
            with ThreadPoolExecutor(len(self.tests)) as pool:
                answers = list(pool.map(self._ask, batch, self.tests))
            if True in answers:
                return start + answers.index(True)
        return None

    def _ask(self, plan: Plan, test: Fails) -> bool:
        if plan not in self.seen:
            if self.trials >= TRIALS_MOST:
                return False
            self.trials += 1
            self.seen[plan] = test(plan)
        return self.seen[plan]


def shrink(plan: Plan, tests: Sequence[Fails]) -> tuple[Plan, int]:
    """The least plan, and how many trials it took. The plan given has to show the signature."""
    shrinking = Shrinking(tests)
    subjects = minimum(plan.subjects, lambda kept: plan.without_subjects(set(kept)), shrinking)
    plan = plan.without_subjects(set(subjects))
    parts: list[Step | FaultPoint] = [*plan.steps, *plan.faults]
    kept = minimum(parts, lambda some: _of(plan, some), shrinking)
    return _of(plan, kept), shrinking.trials


def _of(plan: Plan, parts: Sequence[Step | FaultPoint]) -> Plan:
    steps = [part for part in parts if isinstance(part, Step)]
    created = {step.subject for step in steps if step.do == "create"}
    # a step about a subject that never came says nothing
    steps = [step for step in steps if step.subject < 0 or step.subject in created]
    faults = tuple(part for part in parts if isinstance(part, FaultPoint) and (part.subject < 0 or part.subject in created))
    return replace(plan, steps=tuple(steps), faults=faults)


def minimum(items: Sequence[T], build: Callable[[list[T]], Plan], shrinking: Shrinking) -> list[T]:
    """Items of which none of the parts tried can go; `build` makes the plan of some of them."""
    left, parts = list(items), 2
    while len(left) >= 2:
        size = max(1, len(left) // parts)
        pieces = [left[start : start + size] for start in range(0, len(left), size)]
        rests = [[item for other, piece in enumerate(pieces) if other != index for item in piece] for index in range(len(pieces))]
        rests = [rest for rest in rests if build(rest).subjects]
        failing = shrinking.first_failing([build(rest) for rest in rests])
        if failing is not None:
            left, parts = rests[failing], max(parts - 1, 2)
        elif parts >= len(left):
            break
        else:
            parts = min(len(left), parts * 2)
    return left
