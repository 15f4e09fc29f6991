"""Subjects are deleted while the operator does not run: it never hears of it.

What it finds
    Operators without a finalizer that do not compare what they wrote with what is there when they start.
Source
    Kubernetes documentation, "Controllers": level-triggered; a restart during an upgrade is enough.
"""

from __future__ import annotations

from dataclasses import replace

from ghostkey.churn.fault import Fault
from ghostkey.churn.plan import Plan, Step


def _weave(plan: Plan) -> Plan:
    deletions = [number for number, step in enumerate(plan.steps) if step.do == "delete"]
    if not deletions:
        return plan
    first, last = deletions[0], deletions[-1]
    steps = (*plan.steps[:first], Step("stop"), *plan.steps[first : last + 1], Step("start"), *plan.steps[last + 1 :])
    return replace(plan, steps=steps)


FAULT = Fault(weave=_weave, verbs=frozenset(), ends_operator=True)
