"""Follows one kind for as long as it is wanted: LIST where the objects are kept, then WATCH, and again when the server forgot.

Source: Kubernetes API concepts, "Efficient detection of changes", bookmarks, 410 Gone; a watch without a resourceVersion
begins with an event for every object there is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Protocol

from ghostkey.kube.answers import list_version
from ghostkey.kube.client import JSON, METADATA, ApiClient
from ghostkey.model.errors import AccessDenied, ApiFailed, GhostkeyError, place_of
from ghostkey.model.refs import Kind

WATCH_SECONDS = 240.0
PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # between tries while the server does not answer
SHORT_SECONDS = 0.5  # a watch that ends sooner is one that somebody in between cuts: it is not asked for as fast as that goes
DENIED_SECONDS = 60.0  # rights may be given later


class Sink(Protocol):
    """Who is told of the objects of a kind. All are called by the follower's own thread."""

    def listed(self, kind: Kind, pages: Iterator[bytes]) -> None:
        """All objects, at one moment."""

    def changed(self, kind: Kind, what: str, found: Mapping[str, Any]) -> None:
        """One was ADDED, MODIFIED or DELETED."""

    def forgotten(self, kind: Kind) -> None:
        """What has happened since the last event cannot be told any more."""

    def broke(self, kind: Kind, why: str) -> None:
        """Nothing is seen of the kind any more; "" when it is again."""


class Follower:
    """One thread for one kind. `is_kept`: its objects are listed first, and whole; else metadata alone, and only changes matter."""

    def __init__(self, client: ApiClient, kind: Kind, sink: Sink, stopped: Callable[[], bool], namespace: str = "") -> None:
        self._client, self._kind, self._sink, self._stopped = client, kind, sink, stopped
        self._path = kind.path(namespace)
        self._version = ""
        self._wake = threading.Event()

    def start(self, *, is_kept: bool) -> None:
        """Begins; ends with the program, or soon after `stopped` says so."""
        name = f"follow {self._kind.qualified}"
        threading.Thread(target=self._run, args=(is_kept,), name=name, daemon=True).start()

    def _run(self, is_kept: bool) -> None:
        failures = 0
        while not self._stopped():
            try:
                if is_kept and not self._version:
                    self._list()
                began = time.monotonic()
                self._watch(is_kept)
                failures = 0
                if time.monotonic() - began < SHORT_SECONDS:
                    self._wake.wait(SHORT_SECONDS)
            except AccessDenied as error:
                self._forget()
                self._sink.broke(self._kind, str(error))
                self._wake.wait(DENIED_SECONDS)
            except ApiFailed as error:
                if error.status == HTTPStatus.GONE:
                    self._forget()
                    continue
                # an API server that restarts; the watch goes on from where it was unless that is forgotten
                self._sink.broke(self._kind, str(error))
                # no such kind any more, or one that cannot be watched: asked for again as what is denied
                is_answer = error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
                self._wake.wait(DENIED_SECONDS if is_answer else PAUSES_SECONDS[min(failures, len(PAUSES_SECONDS) - 1)])
                failures += 1
            except Exception as error:  # noqa: BLE001 (a thread that dies in silence would look like a quiet cluster)
                self._forget()
                why = str(error) if isinstance(error, GhostkeyError) else f"this is a bug in ghostkey: {place_of(error)}"
                self._sink.broke(self._kind, why)
                self._wake.wait(PAUSES_SECONDS[-1])

    def _forget(self) -> None:
        if self._version:
            self._version = ""
            self._sink.forgotten(self._kind)

    def _list(self) -> None:
        version = ""

        def pages() -> Iterator[bytes]:
            nonlocal version
            for body in self._client.list_pages(self._path):
                version = version or list_version(self._path, body)
                yield body

        self._sink.listed(self._kind, pages())
        self._version = version
        self._client.close()  # the watch has a connection of its own

    def _watch(self, is_kept: bool) -> None:
        params = {"resourceVersion": self._version} if self._version else {}
        is_told = False
        for event in self._client.watch(self._path, params, WATCH_SECONDS, JSON if is_kept else METADATA):
            if self._stopped():
                return
            if event["type"] == "ERROR":
                self._forget()
                if event["object"].get("code") != HTTPStatus.GONE:
                    raise ApiFailed(f"the watch of {self._kind.qualified} ended: {event['object'].get('message')}")
                return
            if not is_told:
                is_told = True
                self._sink.broke(self._kind, "")
            self._version = event["object"]["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                self._sink.changed(self._kind, event["type"], event["object"])
