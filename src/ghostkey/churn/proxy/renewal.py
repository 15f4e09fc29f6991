"""Credentials that the API server no longer takes are asked for anew, in the middle of whatever goes on.

The proxy has no configuration: a byte on a pipe asks whoever started it, and the answer comes as a request like any other.
"""

from __future__ import annotations

import asyncio
import os

RENEWED_SECONDS = 75.0  # longer than an exec plug-in is waited for


class Renewal:
    """Who asks for fresh credentials, once for all requests that wait for them. `pipe`: -1 where nobody could give others."""

    def __init__(self, pipe: int = -1) -> None:
        self._pipe = pipe
        self.number = 0  # of the credentials at hand
        self._waiting: asyncio.Future[bool] | None = None

    async def other_than(self, number: int) -> bool:
        """Whether there are other credentials by now than those of this number."""
        if number != self.number:
            return True
        if self._pipe < 0:
            return False
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_future()
            os.write(self._pipe, b"?")
        try:
            return await asyncio.wait_for(asyncio.shield(self._waiting), RENEWED_SECONDS)
        except TimeoutError:
            return False

    def given(self, *, are_others: bool) -> None:
        """Credentials have come; `are_others` than those at hand."""
        self.number += are_others
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(are_others)
        self._waiting = None
