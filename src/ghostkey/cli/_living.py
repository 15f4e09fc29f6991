"""Whether what somebody wants to remove is still needed: keys that are named, and whose subject lives."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from ghostkey.model.counts import counted
from ghostkey.model.errors import GhostkeyError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from ghostkey import api
    from ghostkey.kube.client import ApiClient
    from ghostkey.model.findings import Subject
    from ghostkey.model.plans import Change, Plan

    Alive = dict[tuple[str, tuple[str, ...], str], tuple[Subject, bool]]

SHOWN = 5  # keys that are named with their subject


def told_of_living(client: ApiClient, plan: Plan, progress: Callable[[str], None]) -> tuple[Plan, list[str]]:
    """The plan, and lines for stderr: which of its keys have a subject that lives, or may; the plan says so too.

    Only keys that a person chose are looked at, by name, expression or plan: ghosts have been judged, and are again before the
    write. It is that person's business to remove them all the same, but never without having been told. What could not be looked
    at is said too.
    """
    chosen = [change for change in plan.changes if not change.subjects]
    if not chosen:
        return plan, []
    try:
        snapshot, alive = _alive(client, plan, progress)
    except GhostkeyError as error:
        return plan, [f"note: whether the subjects of these keys live is not known: {error}"]
    lines = []
    said = {change: _words(*alive[_spot(change)]) for change in chosen if _spot(change) in alive}
    if said:
        verb = "lives, or may" if any("may be" in words for words in said.values()) else "lives"
        keys = ", ".join(f"{change} ({_name(alive[_spot(change)][0])})" for change in list(said)[:SHOWN])
        more = f" and {len(said) - SHOWN:,} more" if len(said) > SHOWN else ""
        lines.append(f"warning: the subject of {len(said):,} of {counted(len(plan.changes), 'key')} {verb}: {keys}{more}")
    if snapshot.gaps and len(said) < len(chosen):
        gap = snapshot.gaps[0]
        more = f" and {len(snapshot.gaps) - 1} more" if len(snapshot.gaps) > 1 else ""
        lines.append(f"note: whether all subjects of these keys are gone is not known: not seen: {gap.what}{more}")
    changes = tuple(
        dataclasses.replace(change, reason=f"{change.reason}; {said[change]}")
        if change in said and said[change] not in change.reason
        else change
        for change in plan.changes
    )
    return dataclasses.replace(plan, changes=changes), lines


def _alive(client: ApiClient, plan: Plan, progress: Callable[[str], None]) -> tuple[api.Snapshot, Alive]:
    """What was seen of the map and of the cluster's objects; the living subject of each key, by where the key is."""
    from ghostkey import api

    holder = plan.holder
    scope = api.Scope(namespace=holder.namespace, names=((holder.kind, holder.name),), holders=(holder.kind,))
    snapshot = api.collect(api.cluster(client, scope, progress), client.config.server)
    progress("looking whose keys they are")
    links = [link for link in api.declared_links((), snapshot, [holder]) if isinstance(link, api.Link)]
    found: Alive = {}
    maps = [seen for seen in snapshot.maps if seen.holder.uid == holder.uid]
    if not maps and not snapshot.gaps:
        raise NotFound(f"{holder} is another one by now")
    for seen in maps:
        found |= {(seen.field, seen.path, key): told for key, told in api.living(snapshot, seen, links).items()}
    return snapshot, found


def _spot(change: Change) -> tuple[str, tuple[str, ...], str]:
    return change.field, change.path, change.key


def _name(subject: Subject) -> str:
    return f"{subject.kind.kind} {f'{subject.namespace}/' if subject.namespace else ''}{subject.name}"


def _words(subject: Subject, is_believed: bool) -> str:
    who = _name(subject)
    return f"its subject lives, {who}" if is_believed else f"it may be for {who}, which lives"
