"""A watch ends after an event: the operator opens it again where it was.

What it finds
    Operators whose own watches are not resumed.
Source
    Kubernetes documentation, "Efficient detection of changes": servers end watches at any time.
"""

from __future__ import annotations

from ghostkey.churn.fault import Fault, HangUpError, Stream


async def _cut(stream: Stream, event: bytes) -> None:
    await stream.send(event)
    raise HangUpError


FAULT = Fault(on_watch_event=_cut, verbs=frozenset({"event"}))
