"""Whether an operator is done with what it was given: all signals together, for silence alone is no sign.

No request in flight; our last write and our deletions delivered on its watches; no thread of it running; no answer owed that it
has to ask for again; and all of that for a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ghostkey.churn.operator import Operator
    from ghostkey.churn.proxy.client import ProxyProcess

POLL_SECONDS = 0.008
CALM_SECONDS = 0.1
DEBT_SECONDS = 5.0  # a client that has not come back by then has given up, or waits longer than anybody will
STUCK_SECONDS = 3.0  # of calm, after which a deletion that nobody sees is held up by a finalizer
LATE_SECONDS = 10.0  # after which a watch does not deliver what we wrote: it is of something else
LIMIT_SECONDS = 40.0  # without a step on
LONGEST_SECONDS = 120.0  # with steps on


@dataclass(frozen=True, slots=True)
class Settled:
    """How it went: `is_calm` is False when the operator went on until the limit; `why` names the last signal that spoke against it."""

    seconds: float
    is_calm: bool
    why: str = ""
    is_stuck: bool = False


def settle(
    proxy: ProxyProcess, operator: Operator, done: Callable[[], bool] | None = None, limit: float = LIMIT_SECONDS,
    patience: float = STUCK_SECONDS,
) -> Settled:  # fmt: skip
    """Waits until the operator is done; `done` is one more condition, waited for `patience` seconds of calm at most.

    Those count from its last step on, a write that names a subject or a deletion that it has seen: by client-go's own limit an
    operator asks five times a second, and rests in between.
    """
    began = moved = time.monotonic()
    calm_since = late_since = None
    why, held, before = "", 0.0, began
    named = gone = 0
    while (now := time.monotonic()) - moved < limit and now - began < LONGEST_SECONDS:
        passed, before = now - before, now
        if operator.has_ended():
            return Settled(now - began, is_calm=True, why="the operator has ended")
        state = proxy.ask("state")
        if state["named"] > named or state["gone"] < gone:
            held, moved = 0.0, now
        named, gone = state["named"], state["gone"]
        late_since = (late_since or now) if state["late"] and state["calm"] > CALM_SECONDS else None
        if late_since is not None and now - late_since > LATE_SECONDS:
            return Settled(now - began, is_calm=False, why=f"a write of {', '.join(state['late'])} is never delivered to it")
        if reason := _reason(state, operator):
            why, calm_since = reason, None
        else:
            waits = "a deletion is not seen" if gone else "no effect is seen" if done is not None and not done() else ""
            if waits:
                # calm in all: an operator that looks around every second is never calm for long
                why, calm_since, held = waits, None, held + passed
                if held > (STUCK_SECONDS if gone else patience):
                    return Settled(now - began, is_calm=True, why=waits, is_stuck=bool(gone))
            else:
                calm_since = calm_since or now
                if min(now - calm_since, state["calm"]) >= CALM_SECONDS:
                    return Settled(now - began, is_calm=True)
        time.sleep(POLL_SECONDS)
    operator.check()
    return Settled(time.monotonic() - began, is_calm=False, why=why)


def wait_for_answers(proxy: ProxyProcess, limit: float = DEBT_SECONDS) -> None:
    """Waits until the API server has answered all that an operator asked for, which has ended by now. Raises GhostkeyError."""
    began = time.monotonic()
    while proxy.ask("state")["in_flight"] and time.monotonic() - began < limit:
        time.sleep(POLL_SECONDS)


def _reason(state: dict[str, object], operator: Operator) -> str:
    if state["in_flight"]:
        return "a request is in flight"
    if state["late"]:
        return "a write is not delivered yet"
    if 0 <= float(str(state["debt"])) < DEBT_SECONDS:
        return "an answer is owed"
    if operator.is_busy():
        return "a thread runs"
    return ""
