"""Watches that trimmed keys stay gone, and names who brings one back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ghostkey.kube.client import ApiClient
from ghostkey.kube.fields import field_owners, writer_of
from ghostkey.model.errors import ApiFailed, NotAsked, NotFound
from ghostkey.model.events import FieldOwner
from ghostkey.model.refs import ObjectRef

RECONNECT_SECONDS = 0.5
GONE = 410
ODD_ANSWERS = 3  # one after the other that are not what was asked: then it is not the API server who answers


@dataclass(frozen=True, slots=True)
class Readded:
    """A trimmed key that is back: who wrote it and when, as far as managedFields tell (empty otherwise)."""

    key: str
    manager: str
    operation: str
    time: str


@dataclass(slots=True)
class Watched:
    """What was seen of one map. `counts` are key counts at first and last sight; `writers` counts writes by manager."""

    seconds: float = 0.0
    writes: int = 0
    readded: dict[str, Readded] = field(default_factory=dict)
    added: set[str] = field(default_factory=set)
    first_count: int = 0
    last_count: int = 0
    writers: dict[str, int] = field(default_factory=dict)
    reconnects: int = 0
    is_interrupted: bool = False
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told while it goes on: once when the map has been read, so that every later write is seen, and of each key that is back.

    With `stop_at_first` the first of those ends it.
    """

    on_watching: Callable[[], None] = lambda: None
    on_readded: Callable[[Readded], None] = lambda _: None
    stop_at_first: bool = False


def watch_keys(
    client: ApiClient,
    holder: ObjectRef,
    trimmed: Iterable[str],
    seconds: float,
    *,
    listener: Listener = Listener(),
    clock: Callable[[], float] = time.monotonic,
    seen: Watched | None = None,
) -> Watched:
    """Watches one map for `seconds`; survives ended and expired watches, and an API server that restarts meanwhile.

    A key counts as re-added when it is there at any time. Raises what the first read raises; later failures are retried until the
    time is over. Ctrl-C ends it, and what was seen until then is told; `seen` is filled as it goes.
    """
    watch = _Watch(client, holder, frozenset(trimmed), seen or Watched(), listener)
    began = clock()
    while (left := seconds - (clock() - began)) > 0 or watch.initial is None:
        if watch.is_enough:
            break
        try:
            if not watch.version and not watch.read():
                break
            watch.follow(left)
        except KeyboardInterrupt:
            if watch.initial is None:
                raise
            watch.seen.is_interrupted = True
            break
        except ApiFailed as error:
            watch.failed(error)
            time.sleep(min(RECONNECT_SECONDS, max(0.0, seconds - (clock() - began))))
    if watch.is_blind:
        # the watch was down at the end: what is there now is what can be said, and if it cannot be read, nothing
        watch.read()
    watch.seen.seconds = clock() - began
    return watch.seen


class _Watch:
    """One map: what is there first, what every write makes of it, and where the watch stands."""

    def __init__(self, client: ApiClient, holder: ObjectRef, keys: frozenset[str], seen: Watched, listener: Listener) -> None:
        self._client, self._holder, self._keys, self._listener = client, holder, keys, listener
        self.seen = seen
        self.initial: frozenset[str] | None = None  # the keys at first sight
        self.version = ""  # from which the watch goes on; the object is read again where there is none
        self.is_blind = False  # the watch is down
        self._last = ""  # the version that was looked at last
        self._odd = 0

    @property
    def is_enough(self) -> bool:
        """Whether the first key that is back ends it, and one is."""
        return self._listener.stop_at_first and bool(self.seen.readded)

    def read(self) -> bool:
        """Looks at the map as it is now; False when it is gone. Raises NotFound when it never was there."""
        live = self._client.get_object(self._holder.kind.path(self._holder.namespace, self._holder.name))
        is_first = self.initial is None
        if live is None and is_first:
            raise NotFound(f"{self._holder} not found")
        self.seen.is_gone = live is None
        if live is None:
            return False
        self.version = live["metadata"]["resourceVersion"]
        self._look(live, is_write=not is_first and self.version != self._last)
        if is_first:
            self._listener.on_watching()
        return True

    def follow(self, seconds: float) -> None:
        """Looks at every write, until the watch ends."""
        path = self._holder.kind.path(self._holder.namespace)
        params = {"fieldSelector": f"metadata.name={self._holder.name}", "resourceVersion": self.version}
        for event in self._client.watch(path, params, max(seconds, 0.1)):
            self._odd, live = 0, event["object"]
            if event["type"] == "ERROR":
                self.version = ""  # expired: read again and go on from there
                break
            self.version = live["metadata"]["resourceVersion"]
            if event["type"] == "DELETED":
                self.seen.is_gone = True
            elif event["type"] in {"ADDED", "MODIFIED"}:
                self.seen.is_gone = False
                self._look(live, is_write=True)
            if self.is_enough:
                break
        self.is_blind = False

    def failed(self, error: ApiFailed) -> None:
        """Remembers that nothing is seen at present; raises it when nothing was yet, or who answers is not the API server."""
        self._odd = self._odd + 1 if isinstance(error, NotAsked) else 0
        if self.initial is None or self._odd >= ODD_ANSWERS:
            raise error
        self.is_blind = True
        self.seen.reconnects += 1
        if error.status == GONE:
            self.version = ""

    def _look(self, live: dict[str, Any], *, is_write: bool) -> None:
        present = frozenset(keys_of(live))
        if self.initial is None:
            self.initial, self.seen.first_count = present, len(present)
        self._last = live["metadata"]["resourceVersion"]
        self.seen.last_count = len(present)
        self.seen.added |= present - self.initial - self._keys
        owners = _owners(live)
        if is_write:
            self.seen.writes += 1
            if newest := max(owners, key=lambda owner: owner.time, default=None):
                self.seen.writers[newest.manager] = self.seen.writers.get(newest.manager, 0) + 1
        for key in sorted((present & self._keys) - self.seen.readded.keys()):
            writer = writer_of(owners, key)
            found = Readded(key, *((writer.manager, writer.operation, writer.time) if writer else ("", "", "")))
            self.seen.readded[key] = found
            self._listener.on_readded(found)


def keys_of(live: dict[str, Any]) -> list[str]:
    """The keys of a decoded map."""
    fields = (live.get("data"), live.get("binaryData"))
    return [key for content in fields if isinstance(content, dict) for key in content]


def _owners(live: dict[str, Any]) -> tuple[FieldOwner, ...]:
    managed = live["metadata"].get("managedFields")
    return field_owners(msgspec.json.encode(managed)) if managed else ()
