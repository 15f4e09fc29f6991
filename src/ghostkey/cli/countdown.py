"""The time that is left of a watch, on a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ghostkey.cli.options import ProgressLine

TICK_SECONDS = 1.0


class Countdown:
    """A `with` block that shows, once a second and on a terminal alone, what `words` says and how long it goes on."""

    def __init__(self, seconds: float, words: Callable[[], str], progress: ProgressLine) -> None:
        self._end = time.monotonic() + seconds
        self._words, self._progress = words, progress
        self._over = threading.Event()

    def __enter__(self) -> None:
        if self._progress.is_on:
            threading.Thread(target=self._tick, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._progress.done()

    def _tick(self) -> None:
        while not self._over.is_set():
            left = max(0, round(self._end - time.monotonic()))
            hours, minutes, seconds = left // 3600, left // 60 % 60, left % 60
            clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
            self._progress(f"{self._words()}, {clock} left")
            self._over.wait(TICK_SECONDS)
