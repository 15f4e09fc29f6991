"""Tells what is new: when it has been there for a while, is there still, and was never told by whoever had the Lease before."""

from __future__ import annotations

from collections.abc import Sequence

from ghostkey import api
from ghostkey.kube.client import ApiClient
from ghostkey.model.errors import AccessDenied, ApiFailed
from ghostkey.model.findings import Finding
from ghostkey.sources.live_cluster import LiveCluster, Scope
from ghostkey.watch.events import note, write_event
from ghostkey.watch.gaps import KnownGaps
from ghostkey.watch.lease import Lease
from ghostkey.watch.look import Look, MapFindings
from ghostkey.watch.notify import Notifier, escaped
from ghostkey.watch.told import Told

MAPS_AT_ONCE = 50  # told of in one round; the others are in the next
MORE_SECONDS = 1.0
NOTIFY_BYTES = 2500
NEVER = 3600.0


class Announcer:
    """Writes Events and notifies, while this watcher has the Lease. `events` counts what it wrote."""

    def __init__(
        self, client: ApiClient, lease: Lease, notifier: Notifier | None, *, writes_events: bool, patience: float
    ) -> None:
        self._client, self._lease, self._notifier = client, lease, notifier
        self._writes_events, self._patience = writes_events, patience
        self._told: Told | None = None
        self._first_seen: dict[str, float] = {}
        self._gaps = KnownGaps(patience)
        self._tried: dict[str, int] = {}  # spot → the round in which it was not told
        self._round = 0
        self._refused: AccessDenied | ApiFailed | None = None
        self.events = 0

    def announce(self, look: Look) -> float:
        """Tells what is new of this look; after how many seconds the next look would tell more.

        Raises AccessDenied or ApiFailed when Events cannot be written; what was not told is told later.
        """
        seen = self._first_seen
        self._first_seen = {
            fingerprint: seen.get(fingerprint, look.began) for found in look.maps.values() for fingerprint in found.told
        }
        are_hidden = self._gaps.hide(look)
        if not self._lease.is_leader:
            self._told = None
            return self._patience
        if self._told is None:
            self._told = Told(self._lease.told)
        # what is gone is forgotten, so that it is new when it is back; not what may be hidden
        changed = not are_hidden and self._told.forget({spot: found.all_ids for spot, found in look.maps.items()})
        ripe: list[tuple[str, MapFindings, dict[str, Finding]]] = []
        waits = NEVER
        for spot, found in look.maps.items():
            new = self._told.new(spot, found.told)
            old_enough = {one for one in new if look.began - self._first_seen[one] >= self._patience}
            if len(old_enough) < len(new):
                waits = min(waits, self._patience)
            if old_enough:
                ripe.append((spot, found, {one: found.told[one] for one in sorted(old_enough)}))
        self._refused = None
        # those that could not be told of come after those that were not tried: they must not keep them waiting for ever
        ripe.sort(key=lambda one: self._tried.get(one[0], 0))
        self._round += 1
        self._tried = {spot: self._tried[spot] for spot, _, _ in ripe if spot in self._tried}
        self._tried |= dict.fromkeys([spot for spot, _, _ in ripe[:MAPS_AT_ONCE]], self._round)
        for spot, found, new_of in self._confirmed(ripe[:MAPS_AT_ONCE]):
            if not self._lease.is_leader:
                break
            if self._tell(found, new_of):
                self._told.tell(spot, new_of)
                changed = True
        if changed and not self._lease.note(self._told.text):
            self._told = None
        if self._refused is not None:
            raise self._refused
        return MORE_SECONDS if len(ripe) > MAPS_AT_ONCE else waits

    def _confirmed(
        self, ripe: Sequence[tuple[str, MapFindings, dict[str, Finding]]]
    ) -> list[tuple[str, MapFindings, dict[str, Finding]]]:
        """Those that hold when their maps are read again, as a scan does before it tells."""
        wanted = [finding for _, _, new in ripe for finding in new.values()]
        still = {finding.fingerprint for finding in api.confirm(LiveCluster(self._client, Scope()), wanted)} if wanted else set()
        kept = [(spot, found, {one: finding for one, finding in new.items() if one in still}) for spot, found, new in ripe]
        return [(spot, found, new) for spot, found, new in kept if new]

    def _tell(self, found: MapFindings, new: dict[str, Finding]) -> bool:
        is_first = True
        if self._writes_events:
            try:
                is_first = write_event(self._client, found.holder, new, self._lease.identity)
            except (AccessDenied, ApiFailed) as error:
                self._refused = error
                return False
            self.events += is_first
        if self._notifier is not None and is_first:
            where = f"{found.holder.namespace}/{found.holder.kind.qualified}/{found.holder.name}"
            self._notifier.send(escaped(f"ghostkey: {where}: {note(found.holder, new, NOTIFY_BYTES)}"))
        return True
