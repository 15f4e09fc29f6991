"""When it is time to look again: after changes have settled, and never so often that looking is all that is done."""

from __future__ import annotations

import threading
import time

SETTLE_SECONDS = 0.5  # without another change: whoever wrote a key may be about to write the next
REST = 4.0  # times the computing that a look took lie between two of them: a fifth of a core at most
LONGEST_SECONDS = 5.0  # changes that never settle are looked at all the same


class Changes:
    """Notes of the threads that follow the cluster, and the patience of the one that looks."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._first = self._last = 0.0
        self._stopped = False

    def note(self) -> None:
        """Something is not as it was at the last look."""
        with self._condition:
            self._last = time.monotonic()
            self._first = self._first or self._last
            self._condition.notify_all()

    def stop(self) -> None:
        """Ends every wait."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    @property
    def is_stopped(self) -> bool:
        """Whether it is over."""
        return self._stopped

    def wait(self, took: float, at_most: float) -> bool:
        """Returns when it is time for a look after one that took so many seconds of computing; whether there is anything to look at.

        After `at_most` seconds without any change it returns all the same, with False.
        """
        began = time.monotonic()
        with self._condition:
            while not self._stopped:
                now = time.monotonic()
                if not self._first:
                    if now - began >= at_most:
                        return False
                    self._condition.wait(at_most - (now - began))
                    continue
                settled = min(self._last + SETTLE_SECONDS, self._first + LONGEST_SECONDS)
                due = max(settled, began + REST * took)
                if now >= due:
                    self._first = 0.0
                    return True
                self._condition.wait(due - now)
        return False
