"""A watch event comes twice, as after a relist or a resync.

What it finds
    Handlers that count events instead of looking at the state, and inserts after the cleanup.
Source
    client-go, tools/cache/shared_informer.go: a resync delivers what is known again.
"""

from __future__ import annotations

from ghostkey.churn.fault import Fault, Stream


async def _twice(stream: Stream, event: bytes) -> None:
    await stream.send(event)
    # a DELETED that comes twice is no server's doing
    if not event.startswith(b'{"type":"DELETED"'):
        await stream.send(event)


FAULT = Fault(on_watch_event=_twice, verbs=frozenset({"event"}))
