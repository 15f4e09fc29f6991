"""The operator ends by SIGKILL when its write was carried out, and starts again.

What it finds
    Two writes of which the second is not made up for when only the first was done.
Source
    A node that loses its power; the OOM killer.
"""

from __future__ import annotations

from ghostkey.churn.fault import Answer, Exchange, Fault, HangUpError


async def _kill(exchange: Exchange) -> Answer:
    await exchange.forward()
    exchange.kill()
    raise HangUpError


FAULT = Fault(on_request=_kill, ends_operator=True)
