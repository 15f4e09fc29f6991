"""The connection ends before the API server has seen the write.

What it finds
    Error branches for errors that are no Status.
Source
    RFC 9110, section 9.2.2.
"""

from __future__ import annotations

from ghostkey.churn.fault import Answer, Exchange, Fault, HangUpError


async def _cut(exchange: Exchange) -> Answer:
    raise HangUpError


FAULT = Fault(on_request=_cut, asks_again=True)
