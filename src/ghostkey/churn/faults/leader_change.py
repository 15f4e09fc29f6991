"""A second replica runs beside the operator, and takes over when that is killed after subjects have gone.

What it finds
    Maps that every replica fills and only the leader empties; and cleanups that wait in the leader's memory.
Source
    A Deployment with two replicas and leader election, when a node drains: the Lease goes to the other one. The Lease of the killed
    one is deleted for it, as ReleaseOnCancel or 15 seconds of waiting would do.
"""

from __future__ import annotations

from dataclasses import replace

from ghostkey.churn.fault import Fault
from ghostkey.churn.plan import Plan, Step


def _weave(plan: Plan) -> Plan:
    return replace(plan, steps=(Step("add-replica"), *plan.steps, Step("change-leader")))


FAULT = Fault(weave=_weave, verbs=frozenset(), ends_operator=True, elects=True)
