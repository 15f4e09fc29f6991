"""A write is carried out, and the connection ends before the answer: the operator cannot know.

What it finds
    Creates with generated names that are done twice, and bookkeeping that is only kept after a success.
Source
    RFC 9110, section 9.2.2: a client cannot tell whether a request that has no answer was carried out.
"""

from __future__ import annotations

from ghostkey.churn.fault import Answer, Exchange, Fault, HangUpError


async def _lose(exchange: Exchange) -> Answer:
    await exchange.forward()
    raise HangUpError


FAULT = Fault(on_request=_lose, asks_again=True)
