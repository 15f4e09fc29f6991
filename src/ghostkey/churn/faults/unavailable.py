"""A write is answered 503 with Retry-After, and not carried out: the API server is going down, or has just come up.

What it finds
    The same as server-error, in code that treats the two apart.
Source
    k8s.io/apimachinery/pkg/api/errors, NewServiceUnavailable.
"""

from __future__ import annotations

from ghostkey.churn.fault import Answer, Exchange, Fault, refusal


async def _refuse(exchange: Exchange) -> Answer:
    return refusal(503, "ServiceUnavailable", "apiserver is shutting down", retry_after=1)


FAULT = Fault(on_request=_refuse, asks_again=True)
