"""Which lines of the running operator insert into the maps that leak, and into those that hold the series of a metric that does.

The stacks are those of `ghostkey stacks`, while two more subjects come and go.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ghostkey.census import watchpoints
from ghostkey.census.census import Process, open_process
from ghostkey.census.errors import CannotWatch
from ghostkey.census.functions import Frame
from ghostkey.census.gomap import GoMap
from ghostkey.census.vectors import family_names, is_vector
from ghostkey.census.writers import DELETE, INSERT, Changes, Watched, watch
from ghostkey.churn.lane import Lane, Trial
from ghostkey.churn.memory import Memory, signature_of
from ghostkey.churn.plan import round_of
from ghostkey.churn.traces import Signature
from ghostkey.model.errors import GhostkeyError

SUBJECTS = 2
WATCH_SECONDS = 120.0  # at most, while two subjects come and go
WATCHED_MOST = 3 * watchpoints.MAPS_MOST  # maps, as many at once as a processor has breakpoints
WAYS = ("perf", "ptrace")  # the second where the kernel forbids the first


@dataclass(frozen=True, slots=True)
class Inserts:
    """Stacks of calls, innermost first, that inserted into a map, with how often; how many deletions were seen meanwhile.

    `never`: what is known of the side that does not delete; "" where something did, or not all of it was seen.
    """

    stacks: Counter[tuple[Frame, ...]] = field(default_factory=Counter)
    deletes: int = 0
    unknown: str = ""
    never: str = ""


def inserts_of(
    wanted: Iterable[Signature], lane: Lane, memory: Memory, per_round: int, account: Callable[[Trial], None]
) -> dict[Signature, Inserts]:
    """The inserts into each map of these signatures, and into the map that holds the series of each metric of them.

    Where the kernel forbids to watch, the process cannot be read, or no map is known to hold it, they are `unknown`, with the reason.
    """
    asked = sorted(set(wanted))
    try:
        process = open_process(lane.operator.pid)
    except GhostkeyError as error:
        return {signature: Inserts(unknown=str(error)) for signature in asked}
    found: dict[Signature, Inserts] = {}
    try:
        maps = _maps_of(asked, process, memory, per_round)
        distinct = list({one.address: one for one in maps.values()}.values())[:WATCHED_MOST]
        for first in range(0, len(distinct), watchpoints.MAPS_MOST):
            seen = _watched(process, distinct[first : first + watchpoints.MAPS_MOST], lane, account)
            told = {changes.map.address: changes for changes in seen.changes}
            found |= {s: _inserts(told[one.address], seen) for s, one in maps.items() if one.address in told}
    except GhostkeyError as error:
        return found | {signature: Inserts(unknown=str(error)) for signature in asked if signature not in found}
    finally:
        process.close()
    for signature in (signature for signature in asked if signature not in found):
        is_known = signature in maps
        why = f"only {WATCHED_MOST} maps are watched" if is_known else "which map in memory holds it is not known"
        found[signature] = Inserts(unknown=why)
    return found


def _maps_of(asked: Iterable[Signature], process: Process, memory: Memory, per_round: int) -> dict[Signature, GoMap]:
    """The map of each signature, of those that grew with every round: by what holds it, or by the family of the metric."""
    grown = memory.maps(process, per_round)
    by_place = {signature_of(one): one for one in grown}
    names = family_names(process, vectors) if (vectors := [one for one in grown if is_vector(one)]) else {}
    by_family = {names[one.address]: one for one in grown if one.address in names}
    found = {}
    for signature in asked:
        family = signature.place.partition("{")[0] if signature.source == "metrics" else ""
        if (one := by_family.get(family) if family else by_place.get(signature)) is not None:
            found[signature] = one
    return found


def _inserts(changes: Changes, seen: Watched) -> Inserts:
    stacks = Counter({stack: times for (done, stack), times in changes.stacks.items() if done == INSERT})
    deletes = changes.count(DELETE)
    why = "" if stacks else seen.ended or f"nothing was inserted while {SUBJECTS} more subjects came"
    never = ""
    if stacks and not deletes and changes.is_exact and not seen.ended:
        # the length is what is watched, and such a delete does not change it
        never = f"nothing was taken out of it while {SUBJECTS} subjects came and went; a delete of a key that is not there would not show"
    return Inserts(stacks, deletes, why, never)


def _watched(process: Process, maps: list[GoMap], lane: Lane, account: Callable[[Trial], None]) -> Watched:
    """Watches until subjects have come and gone. Raises CannotWatch with the words for the last way."""
    refused: CannotWatch | None = None
    for way in WAYS:
        watcher = _Watcher(process, maps, way)
        watcher.start()
        watcher.is_armed.wait()
        try:
            if watcher.is_alive():
                account(lane.run(round_of(SUBJECTS)))
        finally:
            watcher.has_seen_enough.set()
            watcher.join()
        if watcher.seen is not None:
            if watcher.seen.seconds >= WATCH_SECONDS:
                watcher.seen.ended = watcher.seen.ended or "the subjects went after the last look"
            return watcher.seen
        refused = watcher.refused
    raise refused or CannotWatch("the maps could not be watched")


class _Watcher(threading.Thread):
    """Watches in a thread of its own, since a lane is for the thread that made it."""

    def __init__(self, process: Process, maps: list[GoMap], way: str) -> None:
        super().__init__(daemon=True)
        self._process, self._maps, self._way = process, maps, way
        self.is_armed, self.has_seen_enough = threading.Event(), threading.Event()
        self.seen: Watched | None = None
        self.refused: CannotWatch | None = None

    def run(self) -> None:
        def tell(_: float) -> None:
            self.is_armed.set()

        try:
            self.seen = watch(self._process, self._maps, WATCH_SECONDS, tell, self._way, self.has_seen_enough.is_set)
        except CannotWatch as error:
            self.refused = error
        except GhostkeyError as error:
            self.refused = CannotWatch(str(error))
        finally:
            self.is_armed.set()
