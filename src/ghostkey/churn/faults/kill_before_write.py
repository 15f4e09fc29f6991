"""The operator ends by SIGKILL as it is about to write, and starts again.

What it finds
    What is only kept in memory: deletions that wait for a batch, work that is forgotten.
Source
    A node that loses its power; the OOM killer.
"""

from __future__ import annotations

from ghostkey.churn.fault import Answer, Exchange, Fault, HangUpError


async def _kill(exchange: Exchange) -> Answer:
    exchange.kill()
    raise HangUpError


FAULT = Fault(on_request=_kill, ends_operator=True)
