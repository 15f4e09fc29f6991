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
    keys = frozenset(trimmed)
    seen = seen or Watched()
    began = clock()
    path = holder.kind.path(holder.namespace)
    initial: frozenset[str] | None = None
    version = ""
    odd = 0
    blind: ApiFailed | None = None  # why the watch is down

    def look(live: dict[str, Any], *, is_write: bool) -> None:
        nonlocal initial
        present = frozenset(keys_of(live))
        if initial is None:
            initial, seen.first_count = present, len(present)
        seen.last_count = len(present)
        seen.added |= present - initial - keys
        owners = _owners(live)
        if is_write:
            seen.writes += 1
            if newest := max(owners, key=lambda owner: owner.time, default=None):
                seen.writers[newest.manager] = seen.writers.get(newest.manager, 0) + 1
        for key in sorted((present & keys) - seen.readded.keys()):
            writer = writer_of(owners, key)
            found = Readded(key, *((writer.manager, writer.operation, writer.time) if writer else ("", "", "")))
            seen.readded[key] = found
            listener.on_readded(found)

    while (left := seconds - (clock() - began)) > 0 or initial is None:
        if listener.stop_at_first and seen.readded:
            break
        try:
            if not version:
                live = client.get_object(holder.kind.path(holder.namespace, holder.name))
                if live is None:
                    if initial is None:
                        raise NotFound(f"{holder} not found")
                    seen.is_gone = True
                    break
                is_first = initial is None
                look(live, is_write=not is_first)
                if is_first:
                    listener.on_watching()
                version = live["metadata"]["resourceVersion"]
            params = {"fieldSelector": f"metadata.name={holder.name}", "resourceVersion": version}
            for event in client.watch(path, params, max(left, 0.1)):
                odd, live = 0, event["object"]
                if event["type"] == "ERROR":
                    version = ""  # expired: read again and go on from there
                    break
                version = live["metadata"]["resourceVersion"]
                if event["type"] == "DELETED":
                    seen.is_gone = True
                elif event["type"] in {"ADDED", "MODIFIED"}:
                    seen.is_gone = False
                    look(live, is_write=True)
                if listener.stop_at_first and seen.readded:
                    break
        except KeyboardInterrupt:
            if initial is None:
                raise
            seen.is_interrupted = True
            break
        except ApiFailed as error:
            odd = odd + 1 if isinstance(error, NotAsked) else 0
            if initial is None or odd >= ODD_ANSWERS:
                raise
            blind = error
            seen.reconnects += 1
            version = "" if error.status == GONE else version
            time.sleep(min(RECONNECT_SECONDS, max(0.0, seconds - (clock() - began))))
        else:
            blind = None
    if blind is not None:
        # the watch was down at the end: what is there now is what can be said, and if it cannot be read, nothing
        live = client.get_object(holder.kind.path(holder.namespace, holder.name))
        seen.is_gone = live is None
        if live is not None:
            look(live, is_write=live["metadata"]["resourceVersion"] != version)
    seen.seconds = clock() - began
    return seen


def keys_of(live: dict[str, Any]) -> list[str]:
    """The keys of a decoded map."""
    fields = (live.get("data"), live.get("binaryData"))
    return [key for content in fields if isinstance(content, dict) for key in content]


def _owners(live: dict[str, Any]) -> tuple[FieldOwner, ...]:
    managed = live["metadata"].get("managedFields")
    return field_owners(msgspec.json.encode(managed)) if managed else ()
