"""An update or patch is answered 409 Conflict, and not carried out: somebody else has written the object in between.

What it finds
    Cleanups that give up on a conflict, or report success although nothing was written.
Source
    Kubernetes API conventions, "Concurrency Control and Consistency".
"""

from __future__ import annotations

from ghostkey.churn.fault import Answer, Exchange, Fault, refusal


async def _refuse(exchange: Exchange) -> Answer:
    call = exchange.call
    return refusal(
        409, "Conflict", f'Operation cannot be fulfilled on {call.resource} "{call.name}": the object has been modified'
    )


# a create or delete without preconditions never conflicts in this way
FAULT = Fault(on_request=_refuse, verbs=frozenset({"update", "patch"}), asks_again=True)
