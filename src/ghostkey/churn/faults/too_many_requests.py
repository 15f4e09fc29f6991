"""A write is answered 429 with Retry-After, and not carried out: priority and fairness has no room.

What it finds
    Code that takes any error for "gone", and cleanups that are not tried again.
Source
    Kubernetes documentation, "API Priority and Fairness".
"""

from __future__ import annotations

from ghostkey.churn.fault import Answer, Exchange, Fault, refusal


async def _refuse(exchange: Exchange) -> Answer:
    return refusal(429, "TooManyRequests", "too many requests, please try again later", retry_after=1)


FAULT = Fault(on_request=_refuse, asks_again=True)
