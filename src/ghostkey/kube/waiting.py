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

    def _look(self) -> None:
        assert self._say is not None
        is_said = False
        while True:
            time.sleep(LOOK_SECONDS)
            with self._lock:
                oldest = min(self._since.values(), default=None)
            is_long = oldest is not None and time.monotonic() - oldest >= SILENT_SECONDS
            if is_long != is_said:
                self._say(self._name if is_long else "")
                is_said = is_long
