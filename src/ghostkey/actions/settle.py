"""What became of a write: its answer against the plan, and the map read again where the answer was lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ghostkey.actions.patch import documents_around
from ghostkey.actions.plan import FIELDS, value_of
from ghostkey.kube.client import ApiClient
from ghostkey.kube.settle import CALM_SECONDS, PAUSE_SECONDS, Sleep, read_after, uid_of
from ghostkey.model.errors import AnswerLost, OutcomeUnknown
from ghostkey.model.plans import Plan
from ghostkey.model.refs import ObjectRef


@dataclass(frozen=True, slots=True)
class Differences:
    """How the stored map differs from the planned one, by key: planned ones that are there, others that the server changed, and
    what somebody, the server or another writer, has taken out meanwhile."""

    there: Mapping[str, str]
    others: Mapping[str, str]
    meanwhile: Mapping[str, str]


def compared(plan: Plan, answer: Mapping[str, Any], before: Mapping[str, Any], bound: str) -> Differences:
    """The stored map against the planned one; `before` is the map that the patch was made of.

    `bound` says what the write was bound to: the "version" of the whole map (then every difference is the server's), the "text"
    of the documents that lose entries, or "nothing" where the map was read again later. Others' writes meanwhile are no fault.
    """
    there = {str(change): "is there again" for change in plan.changes if value_of(answer, change) is not None}
    others: dict[str, str] = {}
    meanwhile: dict[str, str] = {}
    planned = {(field, key): after for field, key, _, after in documents_around(plan, before)}
    for (field, key), after in planned.items():
        stored = (answer.get(field) or {}).get(key)
        if stored != after and not any(change.path[:1] == (key,) and str(change) in there for change in plan.changes):
            found = others if bound != "nothing" else meanwhile
            found[key] = "is gone" if stored is None else "holds another text than planned"
    touched = planned.keys() | {(change.field, change.key) for change in plan.changes if not change.path}
    for field in FIELDS:
        old, new = before.get(field) or {}, answer.get(field) or {}
        for key in sorted(old.keys() | new.keys()):
            if (field, key) in touched or old.get(key) == new.get(key):
                continue
            said = "was taken out" if key not in new else "was changed" if key in old else "was put in"
            if bound == "version":
                others[key] = said
            elif key not in new:
                meanwhile[key] = said
    return Differences(there, others, meanwhile)


def read_again(client: ApiClient, holder: ObjectRef, lost: AnswerLost, sleep: Sleep = time.sleep) -> dict[str, Any]:
    """The map after a write whose answer was lost. Raises OutcomeUnknown when it cannot be read, or is gone and so tells nothing."""
    path = holder.kind.path(holder.namespace, holder.name)
    live = read_after(lambda: client.get_object(path), str(holder), lost, sleep)
    if live is None or uid_of(live) != holder.uid:
        fate = "is gone" if live is None else "was deleted and made again"
        raise OutcomeUnknown(f"{lost}; and {holder} {fate} since")
    return live


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
