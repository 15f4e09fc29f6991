"""What a fault is: something done to one exchange, to one stream of watch events, or to the order of a plan."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from ghostkey.churn.plan import Plan
from ghostkey.churn.proxy.calls import WRITES, Call


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, whole."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class HangUpError(ConnectionError):
    """The connection to the operator ends here."""


class Exchange(Protocol):
    """One request and its answer, as a fault meets it."""

    call: Call
    body: bytes

    async def forward(self) -> Answer:
        """Has the API server carry the request out, with `body` as it is by now."""
        ...

    def kill(self) -> None:
        """Ends the operator by SIGKILL, at once."""
        ...


class Stream(Protocol):
    """One watch, as a fault meets it."""

    async def send(self, event: bytes) -> None:
        """Gives an event, a line of JSON, to the operator."""
        ...

    async def expire(self) -> None:
        """Tells the operator that its resourceVersion is too old (410), and hangs up: it lists again. Raises HangUpError."""
        ...


@dataclass(frozen=True, slots=True)
class Fault:
    """`verbs` says which calls it may meet (`event`: those of a watch); `asks_again`: a client has to repeat the call.

    `ends_operator`: it needs a trial for itself, and the operator is started again after it. `weave` changes a plan instead.
    `elects`: it says something of operators that elect a leader alone; others meet it when it is asked for.
    """

    on_request: Callable[[Exchange], Awaitable[Answer]] | None = None
    on_watch_event: Callable[[Stream, bytes], Awaitable[None]] | None = None
    weave: Callable[[Plan], Plan] | None = None
    verbs: frozenset[str] = WRITES
    asks_again: bool = False
    ends_operator: bool = False
    elects: bool = False


def refusal(status: int, reason: str, message: str, retry_after: int = 0) -> Answer:
    """An answer as the API server refuses: a Status. Source: k8s.io/apimachinery/pkg/api/errors."""
    body = json.dumps({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": status,
    }).encode()  # fmt: skip
    headers = (("Content-Type", "application/json"), *((("Retry-After", str(retry_after)),) if retry_after else ()))
    return Answer(status, headers, body)


EXPIRED_EVENT = (
    json.dumps({
        "type": "ERROR",
        "object": {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Expired", "code": 410,
                   "message": "too old resource version"},
    }).encode() + b"\n"
)  # fmt: skip
