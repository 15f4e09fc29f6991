"""What became of a write whose answer was lost: the object, read again until the API server answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ghostkey.model.errors import AccessDenied, AnswerLost, OutcomeUnknown

PATIENCE_SECONDS = 20.0  # for an API server that is being restarted to answer again
CALM_SECONDS = 2.0  # an object that is untouched is looked at again for so long: the request may still be on its way
PAUSE_SECONDS = 0.25

Sleep = Callable[[float], None]


def read_after(
    read: Callable[[], dict[str, Any] | None], what: str, lost: AnswerLost, sleep: Sleep = time.sleep
) -> dict[str, Any] | None:
    """What `read` gives after a write whose answer was lost, None where the object is not there; asks for PATIENCE_SECONDS.

    Raises OutcomeUnknown when it cannot be read.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            live = read()
        except Exception as error:  # noqa: BLE001 (whatever goes wrong here, what became of the write is not known)
            if isinstance(error, AccessDenied) or time.monotonic() > deadline:
                raise OutcomeUnknown(f"{lost}; and {what} could not be read again: {error}") from None
        else:
            if live is None or uid_of(live):
                return live
            if time.monotonic() > deadline:
                raise OutcomeUnknown(f"{lost}; and {what} could not be read again: the answer is not that object")
        sleep(PAUSE_SECONDS)


def uid_of(live: object) -> str:
    """The uid of a decoded object; empty where what was decoded is none."""
    metadata = live.get("metadata") if isinstance(live, dict) else None
    return str(metadata.get("uid") or "") if isinstance(metadata, dict) else ""
