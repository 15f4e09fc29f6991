"""Credentials that the API server no longer takes are asked for anew, in the middle of whatever goes on.

The proxy has no configuration: a byte on a pipe asks whoever started it, and the answer comes as a request like any other.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

RENEWED_SECONDS = 75.0  # longer than an exec plug-in is waited for
BACKOFF_SECONDS = (30.0, 600.0)  # between two asks of which the first was in vain, at first and at most


class Renewal:
    """Who asks for fresh credentials, once for all requests that wait for them. `pipe`: -1 where nobody could give others.

    After an ask that brought nothing that the API server takes there is none for a while: an exec plug-in is not run for each call.
    """

    def __init__(self, pipe: int = -1, clock: Callable[[], float] = time.monotonic) -> None:
        self._pipe, self._clock = pipe, clock
        self.number = 0  # of the credentials at hand
        self._waiting: asyncio.Future[bool] | None = None
        self._backoff = self._not_before = 0.0
        self._is_other = False  # whether the last answer brought others

    async def other_than(self, number: int) -> bool:
        """Whether there are other credentials by now than those of this number."""
        if number != self.number:
            return True
        if self._pipe < 0:
            return False
        if self._waiting is None:
            if self._clock() < self._not_before:
                return False
            self._waiting = asyncio.get_running_loop().create_future()
            os.write(self._pipe, b"?")
        waiting = self._waiting
        try:
            return await asyncio.wait_for(asyncio.shield(waiting), RENEWED_SECONDS)
        except TimeoutError:
            if self._waiting is waiting:  # nobody has answered: the next call asks again, after a while
                self._waiting = None
                self._answered(is_other=False)
            return False

    def given(self, *, are_others: bool, is_answer: bool) -> None:
        """Credentials have come; `are_others` than those at hand. Only the answer to an ask says that there are none."""
        self.number += are_others
        if is_answer:
            self._answered(is_other=are_others)
        if not (is_answer or are_others):
            return
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(are_others)
        self._waiting = None

    def are_taken(self) -> None:
        """The API server takes the credentials at hand: once they run out, others are asked for at once."""
        if self._is_other:
            self._backoff = self._not_before = 0.0

    def _answered(self, *, is_other: bool) -> None:
        self._is_other = is_other
        self._backoff = min(max(BACKOFF_SECONDS[0], self._backoff * 2), BACKOFF_SECONDS[1])
        self._not_before = self._clock() + self._backoff
