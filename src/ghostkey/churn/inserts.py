"""Which lines of the running operator insert into the maps that leak: the stacks of `ghostkey stacks`, while two more subjects come and go."""

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
from ghostkey.census.writers import DELETE, INSERT, Watched, watch
from ghostkey.churn.lane import Lane, Trial
from ghostkey.churn.memory import Memory, signature_of
from ghostkey.churn.plan import round_of
from ghostkey.churn.traces import Signature
from ghostkey.model.errors import GhostkeyError

SUBJECTS = 2
# in which two subjects come and go; a slower operator is seen in part, which `is_exact` tells of the map alone
WATCH_SECONDS = 3.0
WAYS = ("perf", "ptrace")  # the second where the kernel forbids the first


@dataclass(frozen=True, slots=True)
class Inserts:
    """Stacks of calls, innermost first, that inserted into a map, with how often; how many deletions were seen meanwhile."""

    stacks: Counter[tuple[Frame, ...]] = field(default_factory=Counter)
    deletes: int = 0
    unknown: str = ""


def inserts_of(
    wanted: Iterable[Signature], lane: Lane, memory: Memory, per_round: int, account: Callable[[Trial], None]
) -> dict[Signature, Inserts]:
    """The inserts into each map of these signatures; at most four maps, as a processor has breakpoints.

    Where the kernel forbids to watch, or the process cannot be read, they are `unknown`, with the reason.
    """
    asked = set(wanted)
    try:
        process = open_process(lane.operator.pid)
    except GhostkeyError as error:
        return {signature: Inserts(unknown=str(error)) for signature in asked}
    try:
        maps = {s: one for one in memory.maps(process, per_round) if (s := signature_of(one)) in asked}
        chosen = dict(list(maps.items())[: watchpoints.MAPS_MOST])
        seen = _watched(process, list(chosen.values()), lane, account) if chosen else Watched([])
    except GhostkeyError as error:
        return {signature: Inserts(unknown=str(error)) for signature in asked}
    finally:
        process.close()
    told = dict(zip(chosen, seen.changes, strict=True))
    found = {signature: Inserts(unknown=f"only {watchpoints.MAPS_MOST} maps are watched") for signature in asked - told.keys()}
    for signature, changes in told.items():
        stacks = Counter({stack: times for (done, stack), times in changes.stacks.items() if done == INSERT})
        why = "" if stacks else seen.ended or f"nothing was inserted while {SUBJECTS} more subjects came"
        found[signature] = Inserts(stacks, changes.count(DELETE), why)
    return found


def _watched(process: Process, maps: list[GoMap], lane: Lane, account: Callable[[Trial], None]) -> Watched:
    """Watches while subjects come and go. Raises CannotWatch with the words for the last way."""
    refused: CannotWatch | None = None
    for way in WAYS:
        watcher = _Watcher(process, maps, way)
        watcher.start()
        watcher.is_armed.wait()
        if watcher.is_alive():
            account(lane.run(round_of(SUBJECTS)))
        watcher.join()
        if watcher.seen is not None:
            return watcher.seen
        refused = watcher.refused
    raise refused or CannotWatch("the maps could not be watched")


class _Watcher(threading.Thread):
    """Watches in a thread of its own, since a lane is for the thread that made it."""

    def __init__(self, process: Process, maps: list[GoMap], way: str) -> None:
        super().__init__(daemon=True)
        self._process, self._maps, self._way = process, maps, way
        self.is_armed = threading.Event()
        self.seen: Watched | None = None
        self.refused: CannotWatch | None = None

    def run(self) -> None:
        try:
            self.seen = watch(self._process, self._maps, WATCH_SECONDS, lambda _: self.is_armed.set(), self._way)
        except CannotWatch as error:
            self.refused = error
        except GhostkeyError as error:
            self.refused = CannotWatch(str(error))
        finally:
            self.is_armed.set()
