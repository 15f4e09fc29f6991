"""An end to waiting: a connection on which a request takes too long is cut, from one thread for all of them."""

from __future__ import annotations

import contextlib
import heapq
import http.client
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

TIMEOUT_SECONDS = 60  # without a byte of an answer, unless --request-timeout says otherwise


@dataclass(order=True, slots=True)
class _Alarm:
    at: float
    number: int
    ring: Callable[[], None] = field(compare=False)
    is_off: bool = field(default=False, compare=False)


class _Alarms:
    """Rings at given times of the monotonic clock. A thread for each request would cost a quarter of a millisecond of each."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pending: list[_Alarm] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    def set(self, at: float, ring: Callable[[], None]) -> _Alarm:
        """An alarm that rings then, unless it is turned off before."""
        alarm = _Alarm(at, next(self._numbers), ring)
        with self._changed:
            heapq.heappush(self._pending, alarm)
            if self._thread is None or not self._thread.is_alive():  # a child of fork has no threads
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            elif self._pending[0] is alarm:
                self._changed.notify()
        return alarm

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._pending and self._pending[0].is_off:
                    heapq.heappop(self._pending)
                left = self._pending[0].at - time.monotonic() if self._pending else None
                if left is None or left > 0:
                    self._changed.wait(left)
                    continue
                alarm = heapq.heappop(self._pending)
            if not alarm.is_off:
                alarm.ring()


_alarms = _Alarms()


@contextlib.contextmanager
def limited(sock: Any, began: float, limit: float | None) -> Iterator[Callable[[], None]]:
    """Ends what is waited for on a connection when a request that began then has taken `limit` seconds. Raises TimeoutError.

    Without a limit it is status and headers that have TIMEOUT_SECONDS, in all and not from byte to byte; what is given is to
    be called when they are there. A long body may take its time. With 0 nothing ends.
    """
    sock.settimeout(TIMEOUT_SECONDS if limit is None else None)
    is_late = threading.Event()

    def cut() -> None:
        is_late.set()
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    alarm = _alarms.set(began + (limit or TIMEOUT_SECONDS), cut) if limit != 0 else None

    def done() -> None:
        if alarm is not None:
            alarm.is_off = True

    whole = f"no whole answer within {limit:g} s (--request-timeout)" if limit else f"no answer within {TIMEOUT_SECONDS} s"
    late = TimeoutError(whole)
    try:
        yield (lambda: None) if limit else done
    except (OSError, http.client.HTTPException) as error:
        if is_late.is_set():
            raise late from None
        if isinstance(error, TimeoutError):
            raise TimeoutError(f"no answer within {TIMEOUT_SECONDS} s") from None
        raise
    else:
        if is_late.is_set():
            raise late
    finally:
        done()
