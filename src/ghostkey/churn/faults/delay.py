"""A write's answer comes half a second late.

What it finds
    Reconciles of one subject that run side by side, and deletes that overtake a create.
Source
    Any loaded API server.
"""

from __future__ import annotations

import asyncio

from ghostkey.churn.fault import Answer, Exchange, Fault

SECONDS = 0.5


async def _delay(exchange: Exchange) -> Answer:
    answer = await exchange.forward()
    await asyncio.sleep(SECONDS)
    return answer


FAULT = Fault(on_request=_delay)
