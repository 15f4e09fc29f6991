"""Tells a person for whom the program waits, once that takes long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

SILENT_SECONDS = 2.0
LOOK_SECONDS = 0.25


class Waiting:
    """A `with` block around each request; `say` gets the server's name when one takes long, and "" when it is over.

    One thread looks after all requests, and only while `say` is given: where nobody looks, nothing is spent.
    """

    def __init__(self, name: str, say: Callable[[str], None] | None) -> None:
        self._name, self._say = name, say
        self._since: dict[int, float] = {}
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._is_said = False

    def __enter__(self) -> None:
        if self._say is not None:
            with self._lock:
                self._since[threading.get_ident()] = time.monotonic()
                if self._thread is None:
                    self._thread = threading.Thread(target=self._look, daemon=True, name="ghostkey-waiting")
                    self._thread.start()

    def __exit__(self, *_: object) -> None:
        if self._say is not None:
            with self._lock:
                self._since.pop(threading.get_ident(), None)
                self._tell()

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            with self._lock:
                self._tell()

    def _tell(self) -> None:
        """Says what has changed: at once when it is over, so that the next line finds its place free."""
        is_long = time.monotonic() - min(self._since.values(), default=time.monotonic()) >= SILENT_SECONDS
        if self._say is not None and is_long != self._is_said:
            self._is_said = is_long
            self._say(self._name if is_long else "")
