"""An event is not delivered; the watch answers 410 Gone, and the operator lists again: a deletion in this window is never an event.

What it finds
    Cleanups that depend on seeing DELETED, or on the last state of an object that an informer gives only then.
Source
    Kubernetes documentation, "410 Gone responses"; client-go DeletedFinalStateUnknown.
"""

from __future__ import annotations

from ghostkey.churn.fault import Fault, Stream


async def _expire(stream: Stream, event: bytes) -> None:
    await stream.expire()


FAULT = Fault(on_watch_event=_expire, verbs=frozenset({"event"}))
