"""The operator is killed right after subjects were deleted, and starts again.

What it finds
    Cleanups that wait in memory.
Source
    Any rollout of a Deployment.
"""

from __future__ import annotations

from dataclasses import replace

from ghostkey.churn.fault import Fault
from ghostkey.churn.plan import Plan, Step


def _weave(plan: Plan) -> Plan:
    return replace(plan, steps=(*plan.steps, Step("kill"), Step("start")))


FAULT = Fault(weave=_weave, verbs=frozenset(), ends_operator=True)
