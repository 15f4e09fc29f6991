"""A second look at what was found: whether it still holds, and who wrote it."""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Callable, Iterable, Sequence

from ghostkey.kube.fields import writer_of
from ghostkey.model.events import KeysSeen
from ghostkey.model.findings import Finding
from ghostkey.model.refs import GO_MAPS, ObjectRef
from ghostkey.sources.live_cluster import LiveCluster
from ghostkey.store.snapshot import Snapshot

CONFIRM_HOLDERS = 200  # maps read again to see that their ghosts are still there; beyond this a scan takes no second look
BUSY_SECONDS = 3.0  # a map written this recently may be in the middle of its operator's clean-up
SETTLE_SECONDS = 2.0  # the stale-cache window of controller-runtime clients: 100 ms to 2 s


def confirm(source: LiveCluster, findings: Sequence[Finding], wait: Callable[[float], None] = time.sleep) -> list[Finding]:
    """The findings that still hold when their maps are read again, with the writer of each key.

    A map that was written within BUSY_SECONDS gets SETTLE_SECONDS before the second look: its operator may be at work.
    Only keys of maps are looked at; findings about whole objects pass through.
    """
    holders = list(dict.fromkeys(f.key.holder for f in findings if _is_of_map(f)))[:CONFIRM_HOLDERS]
    if not holders:
        return list(findings)
    again = _by_place(source.reread(holders))
    if any(_is_busy(seen) for seen in again.values()):
        wait(SETTLE_SECONDS)
        again = _by_place(source.reread(holders))
    asked = set(holders)
    return [confirmed for finding in findings if (confirmed := _confirmed(finding, asked, again)) is not None]


def _is_of_map(finding: Finding) -> bool:
    """Whether it is about a key of a map in the cluster: not of a whole object, nor of a process."""
    return finding.key.field != "children" and finding.key.holder.kind != GO_MAPS


def _by_place(batches: Iterable[KeysSeen]) -> dict[tuple[object, ...], KeysSeen]:
    return {_place(seen.holder, seen.field, seen.path): seen for seen in batches}


def _place(holder: ObjectRef, field: str, path: tuple[str, ...]) -> tuple[object, ...]:
    return holder.kind, holder.namespace, holder.name, field, path


def _confirmed(finding: Finding, asked: set[ObjectRef], again: dict[tuple[object, ...], KeysSeen]) -> Finding | None:
    ref = finding.key
    if ref.holder not in asked or not ref.key:
        return finding
    seen = again.get(_place(ref.holder, ref.field, ref.path))
    if seen is None or ref.key not in seen.key_set:
        return None
    top = ref.path[0] if ref.path else ref.key
    writer = writer_of(seen.meta.field_owners, top) if seen.meta else None
    if writer is None:
        said = "managedFields name no owner of the key"
        return dataclasses.replace(finding, evidence=(*finding.evidence, said))
    said = f"written by {writer.manager} ({writer.operation}), whose last write of this map was at {writer.time}"
    named = f"{writer.manager} {writer.time}"
    return dataclasses.replace(finding, writer=named, evidence=(*finding.evidence, said))


def _is_busy(seen: KeysSeen) -> bool:
    newest = max((owner.time for owner in seen.meta.field_owners), default="") if seen.meta else ""
    if not newest:
        return False
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(newest)
    return age.total_seconds() < BUSY_SECONDS


def with_writers(snapshot: Snapshot, findings: Sequence[Finding]) -> list[Finding]:
    """The findings with the writer of each key, for sources that keep managedFields."""
    named: list[Finding] = []
    parts = {
        part.origin: {_place(seen.holder, seen.field, seen.path): seen for seen in part.maps}
        for part in [snapshot, *snapshot.parts]
    }
    for finding in findings:
        holder = finding.key.holder
        places = parts.get("" if holder.cluster else finding.origin, parts[""])
        is_key = _is_of_map(finding)
        confirmed = _confirmed(finding, {holder}, places) if is_key else finding
        if confirmed is not None:
            named.append(confirmed)
    return named
