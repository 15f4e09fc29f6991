"""ddmin finds the least steps, asks each plan once, and keeps what the closing sweep adds out of it."""

from __future__ import annotations

import itertools

from ghostkey.churn.plan import FaultPoint, Plan, Step
from ghostkey.churn.shrink import shrink

LIVES = [step for n in range(6) for step in (Step("create", n), Step("patch", n), Step("delete", n))]
LONG = Plan(
    (
        *LIVES,
        *map(Step, ("restart", "cut-watches", "expire-watches")),
        Step("create", 6),
        Step("create", 7),
        Step("create", 8),
        Step("kill"),
    ),
    (FaultPoint("delay", "patch", "configmaps", 1, 2), FaultPoint("conflict", "patch", "configmaps", 1, 3)),
)


def test_one_subject_is_enough_where_one_is() -> None:
    least, trials = shrink(LONG, [lambda plan: 4 in plan.subjects])
    assert least.steps == (Step("create", 4),)
    assert not least.faults
    assert trials <= 40


def test_order_and_fault_stay_where_both_are_needed() -> None:
    def shows(plan: Plan) -> bool:
        words = [str(step) for step in plan.steps]
        return "create 3" in words and "restart" in words[words.index("create 3") :] and any(f.subject == 3 for f in plan.faults)

    least, trials = shrink(LONG, [shows])
    assert least.steps == (Step("create", 3), Step("restart"))
    assert [str(fault) for fault in least.faults] == ["conflict at patch configmaps #1 of subject 3"]
    assert trials <= 40


def test_lanes_agree_with_one_alone() -> None:
    alone, _ = shrink(LONG, [lambda plan: {1, 5} <= set(plan.subjects)])
    lanes = [lambda plan: {1, 5} <= set(plan.subjects)] * 4
    together, _ = shrink(LONG, lanes)
    assert alone == together
    assert alone.subjects == [1, 5]


def test_no_plan_is_tried_twice() -> None:
    asked: list[Plan] = []

    def shows(plan: Plan) -> bool:
        asked.append(plan)
        return 2 in plan.subjects and 7 in plan.subjects

    shrink(LONG, [shows])
    assert len(asked) == len(set(asked))
    assert all(a != b for a, b in itertools.pairwise(asked))
