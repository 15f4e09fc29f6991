"""An object is created without the ownerReferences that the operator gave it, as a mutating webhook or a backup's restore does.

What it finds
    Children that only the garbage collector would have removed, and cleanups that look for the owner's uid.
When it is wrong
    An operator may rely on the garbage collector: what this fault alone finds says that it has no second line of defence.
Source
    Kubernetes documentation, "Dynamic Admission Control".
"""

from __future__ import annotations

from ghostkey.churn.fault import Answer, Exchange, Fault
from ghostkey.churn.proxy.wire import strip_owner_references


async def _strip(exchange: Exchange) -> Answer:
    exchange.body = strip_owner_references(exchange.body)
    return await exchange.forward()


FAULT = Fault(on_request=_strip, verbs=frozenset({"create", "update", "patch"}))
