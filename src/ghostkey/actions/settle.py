"""What became of a write: its answer against the plan, and the map read again where the answer was lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ghostkey.actions.plan import FIELDS, value_of
from ghostkey.kube.client import ApiClient
from ghostkey.model.errors import AccessDenied, AnswerLost, OutcomeUnknown
from ghostkey.model.plans import Plan
from ghostkey.model.refs import ObjectRef

PATIENCE_SECONDS = 20.0  # for an API server that is being restarted to answer again
CALM_SECONDS = 2.0  # a map that is untouched is looked at again for so long: the request may still be on its way
PAUSE_SECONDS = 0.25

Sleep = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Differences:
    """How the stored map differs from the planned one, by key: planned ones that are there, and others that went or changed."""

    there: Mapping[str, str]
    others: Mapping[str, str]


def compared(plan: Plan, answer: Mapping[str, Any], before: Mapping[str, Any] | None) -> Differences:
    """The answer of a write against the plan; `before` is the map that the write was bound to by its version, if it was."""
    there = {str(change): "is there again" for change in plan.changes if value_of(answer, change) is not None}
    others: dict[str, str] = {}
    touched = {(change.field, change.path[0] if change.path else change.key) for change in plan.changes}
    for field in FIELDS if before is not None else ():
        old, new = (before or {}).get(field) or {}, answer.get(field) or {}
        for key in sorted(old.keys() | new.keys()):
            if (field, key) not in touched and old.get(key) != new.get(key):
                others[key] = "was taken out" if key not in new else "was changed" if key in old else "was put in"
    return Differences(there, others)


def read_again(client: ApiClient, holder: ObjectRef, lost: AnswerLost, sleep: Sleep = time.sleep) -> dict[str, Any]:
    """The object after a write whose answer was lost; asks for PATIENCE_SECONDS.

    Raises OutcomeUnknown when it cannot be read, or is gone and so tells nothing.
    """
    path = holder.kind.path(holder.namespace, holder.name)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            live = client.get_object(path)
        except Exception as error:  # noqa: BLE001 (whatever goes wrong here, what became of the write is not known)
            if isinstance(error, AccessDenied) or time.monotonic() > deadline:
                raise OutcomeUnknown(f"{lost}; and {holder} could not be read again: {error}") from None
        else:
            uid = _uid(live)
            if uid == holder.uid:
                return live  # type: ignore[return-value]
            if live is None or uid:
                fate = "is gone" if live is None else "was deleted and made again"
                raise OutcomeUnknown(f"{lost}; and {holder} {fate} since")
            if time.monotonic() > deadline:
                raise OutcomeUnknown(f"{lost}; and {holder} could not be read again: the answer is not that object")
        sleep(PAUSE_SECONDS)


def _uid(live: object) -> str:
    metadata = live.get("metadata") if isinstance(live, dict) else None
    return str(metadata.get("uid") or "") if isinstance(metadata, dict) else ""


def settled(
    client: ApiClient,
    holder: ObjectRef,
    lost: AnswerLost,
    is_untouched: Callable[[Mapping[str, Any]], bool],
    sleep: Sleep = time.sleep,
) -> dict[str, Any]:
    """The object once it shows what became of a write; for CALM_SECONDS it is looked at again while it is untouched."""
    live = read_again(client, holder, lost, sleep)
    calm = time.monotonic() + CALM_SECONDS
    while is_untouched(live) and time.monotonic() < calm:
        sleep(PAUSE_SECONDS)
        live = read_again(client, holder, lost, sleep)
    return live
