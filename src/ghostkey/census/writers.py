"""Which lines of code insert into a map and which delete from it, by watching the word that holds its length."""

from __future__ import annotations

import bisect
import contextlib
import functools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ghostkey.census.census import Process
from ghostkey.census.errors import MemoryFault, NoSuchProcess
from ghostkey.census.functions import Frame
from ghostkey.census.gomap import GoMap
from ghostkey.census.goroutines import goroutines
from ghostkey.census.traced import Traced
from ghostkey.census.watchpoints import Hit, Watchpoints, now

LOOK_SECONDS = 0.05  # between two looks for new threads and at the buffers
TRIAL_SECONDS = 0.2  # in which it is told how busy the maps are
BUSY_HITS = 2000  # a second, from which on maps are only watched in windows
WINDOW_SECONDS, REST_SECONDS = 0.1, 0.9
READS, READ_SECONDS = 40, 0.001  # of the length at the beginning and the end, of which the quietest is taken
STACKS_MOST = 20_000  # that are told apart
HITS_MOST = 4_000_000
_RUNTIME = (
    "internal/runtime/maps.",
    "runtime.map",
    "runtime.(*hmap)",
    "runtime.",
    "internal/abi.",
    "reflect.map",
    "reflect.Value.SetMapIndex",
    "maps.",
)
INSERT, DELETE, CLEAR = "insert", "delete", "clear"


@dataclass(slots=True)
class Changes:
    """What happened to one map: how often each stack of calls did what, and whether that accounts for its change of length.

    `stacks`: (operation, calls from the innermost of the program on) → times. Sampled in windows when `share` is below 1: then
    the numbers are shares, and length tells nothing of them.
    """

    map: GoMap
    len_before: int = 0
    len_after: int = 0
    stacks: Counter[tuple[str, tuple[Frame, ...]]] = field(default_factory=Counter)
    share: float = 1.0
    left_out: int = 0  # hits whose stacks were too many to be told apart

    def count(self, operation: str) -> int:
        """How often it was done."""
        return sum(times for (done, _), times in self.stacks.items() if done == operation)

    @property
    def seen(self) -> int:
        """By how much the hits change the length; clears apart, which change it by any number."""
        return self.count(INSERT) - self.count(DELETE)

    @property
    def is_exact(self) -> bool | None:
        """Whether every change of the length was seen; None where that cannot be told: samples, or clears."""
        if self.share < 1 or self.count(CLEAR):
            return None
        return self.seen == self.len_after - self.len_before


@dataclass(slots=True)
class Watched:
    """What was seen in this time. `ended`: why it was over before."""

    changes: list[Changes]
    seconds: float = 0.0
    threads: int = 0
    lost: int = 0
    throttled: int = 0
    ended: str = ""
    way: str = "perf"
    busy: Counter[tuple[str, tuple[Frame, ...]]] = field(
        default_factory=Counter
    )  # goroutines in Reconcile: (state, calls) → how many


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class _Limit:
    """How long it is watched: so many seconds, or until there was enough."""

    began: float
    seconds: float
    is_enough: Callable[[], bool]

    @property
    def left(self) -> float:
        """Seconds that are left; none or less when it is over."""
        return 0.0 if self.is_enough() else self.began + self.seconds - time.monotonic()


Points = Watchpoints | Traced
"""What tells of each write: the same can be asked of both."""


def watch(
    process: Process,
    maps: Sequence[GoMap],
    seconds: float,
    tell: Callable[[float], None] = lambda _: None,
    way: str = "perf",
    is_enough: Callable[[], bool] = _never,
) -> Watched:
    """Watches up to four maps for a time, or until there was enough: what was done before it said so was watched.

    Raises CannotWatch; Ctrl-C and the end of the process end it early.
    """
    seen = Watched([Changes(found, found.length, found.length) for found in maps], way=way)
    points = (Traced if way == "ptrace" else Watchpoints)(process.pid, [found.address for found in maps])
    with contextlib.closing(points):
        hits = _see(process, points, seen, _Limit(time.monotonic(), seconds, is_enough), tell)
    _add_up(process, seen, hits)
    seen.busy = reconciling(process)
    return seen


def _see(process: Process, points: Points, seen: Watched, limit: _Limit, tell: Callable[[float], None]) -> list[Hit]:
    began = limit.began
    hits: list[Hit] = []
    maps = [changes.map for changes in seen.changes]
    try:
        points.arm()
        firsts = [_reads(process, found) for found in maps]
        _collect(points, hits, began + TRIAL_SECONDS)
        if len(hits) > BUSY_HITS * TRIAL_SECONDS:
            _in_windows(process, points, seen, hits, limit, tell)
        else:
            _throughout(points, hits, limit, tell)
            lasts = [_reads(process, found) for found in maps]
            time.sleep(READ_SECONDS)
            hits += points.hits()
            points.disarm()
            _settle(seen, hits, firsts, lasts)
    except KeyboardInterrupt:
        seen.ended = "interrupted"
    except (NoSuchProcess, MemoryFault):
        seen.ended = "the process ended"
    if seen.ended:
        hits += points.hits()
    seen.threads, seen.lost, seen.throttled = points.threads, points.lost, points.throttled
    seen.seconds = time.monotonic() - began
    return hits


_Read = tuple[int, int, int]
"""(time before, time after, length)."""


def _reads(process: Process, found: GoMap) -> list[_Read]:
    reads = []
    for _ in range(READS):
        before = now()
        length = process.runtime.word(found.address)
        reads.append((before, now(), length))
        time.sleep(READ_SECONDS)
    return reads


def _collect(points: Points, hits: list[Hit], until: float) -> None:
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(LOOK_SECONDS, left))
        points.follow()
        hits += points.hits()


def _throughout(points: Points, hits: list[Hit], limit: _Limit, tell: Callable[[float], None]) -> None:
    while (left := limit.left) > 0 and len(hits) < HITS_MOST:
        _collect(points, hits, time.monotonic() + min(left, 4 * LOOK_SECONDS))
        tell(time.monotonic() - limit.began)


def _in_windows(
    process: Process,
    points: Points,
    seen: Watched,
    hits: list[Hit],
    limit: _Limit,
    tell: Callable[[float], None],
) -> None:
    """Watches a tenth of the time: a map that is written thousands of times a second would suffer."""
    watched = time.monotonic() - limit.began
    while (left := limit.left) > 0 and len(hits) < HITS_MOST:
        points.disarm()
        hits += points.hits()
        time.sleep(min(REST_SECONDS, left))
        points.follow()
        points.arm()
        start = time.monotonic()
        _collect(points, hits, start + min(WINDOW_SECONDS, max(0.0, limit.left)))
        watched += time.monotonic() - start
        tell(time.monotonic() - limit.began)
    points.disarm()
    hits += points.hits()
    for changes in seen.changes:
        changes.share = min(0.99, watched / max(time.monotonic() - limit.began, 1e-9))
        changes.len_after = process.runtime.word(changes.map.address)


def _settle(seen: Watched, hits: list[Hit], firsts: list[list[_Read]], lasts: list[list[_Read]]) -> None:
    """Takes the quietest look at each length, and leaves out the hits before the first and after the last."""
    kept: list[Hit] = []
    for changes, first, last in zip(seen.changes, firsts, lasts, strict=True):
        own = sorted((hit for hit in hits if hit.address == changes.map.address), key=lambda hit: hit.at)
        times = [hit.at for hit in own]
        start, end = _quietest(first, times), _quietest(last, times)
        changes.len_before, changes.len_after = start[2], end[2]
        kept += own[_seen_by(start, own, times) : _seen_by(end, own, times)]
    hits[:] = kept


def _seen_by(read: _Read, hits: Sequence[Hit], times: Sequence[int]) -> int:
    """How many of these writes a look at the length has seen.

    A busy machine tells of a write long after it was done; what the word held after it shows then which the look has seen.
    """
    told, length = bisect.bisect_right(times, read[1]), read[2]
    if not told and hits and hits[0].value is not None and abs(hits[0].value - length) == 1:
        return 0  # the first leads on from what was seen
    return next((place for place in range(max(told, 1), len(hits) + 1) if hits[place - 1].value == length), told)


def _quietest(reads: Sequence[_Read], times: Sequence[int]) -> _Read:
    """The look with no write while it was taken, and the longest quiet after it: a hit is told some microseconds after its write."""

    def quiet(read: _Read) -> tuple[bool, int]:
        place = bisect.bisect_left(times, read[0])
        following = times[place] if place < len(times) else read[1] + 10**9
        return following > read[1], following - read[1]

    return max(reads, key=quiet)


def _add_up(process: Process, seen: Watched, hits: Sequence[Hit]) -> None:
    by_address = {changes.map.address: changes for changes in seen.changes}
    known: dict[tuple[int, ...], tuple[str, tuple[Frame, ...]]] = {}
    for hit in hits:
        changes = by_address.get(hit.address)
        if changes is None:
            continue
        told = known.get(hit.stack)
        if told is None:
            if len(known) >= STACKS_MOST:
                changes.left_out += 1
                continue
            told = known[hit.stack] = operation_of(process, hit.stack)
        changes.stacks[told] += 1


def operation_of(process: Process, stack: Sequence[int]) -> tuple[str, tuple[Frame, ...]]:
    """What a stack does to a map, by the functions of the runtime that are innermost, and the calls of the program above these."""
    # a breakpoint is told when its instruction is over: like a return address, the one it stands behind is meant
    frames = [frame for pc in stack for frame in process.functions.frames(pc - 1)]
    place = 0
    while place < len(frames) and frames[place].function.startswith(_RUNTIME):
        place += 1
    inner = [frame.function.lower() for frame in frames[:place]]
    operation = INSERT
    if any("clear" in name for name in inner):
        operation = CLEAR
    elif any("delete" in name for name in inner):
        operation = DELETE
    own = [frame for frame in frames[place:] if frame.function != "runtime.goexit"]
    return operation, tuple(own or frames)


def reconciling(process: Process) -> Counter[tuple[str, tuple[Frame, ...]]]:
    """Goroutines that are in a Reconcile now, and do not run this moment: (state, calls) → how many."""
    found: Counter[tuple[str, tuple[Frame, ...]]] = Counter()
    try:
        process.refresh()
        for routine in goroutines(process.runtime):
            stack = [pc for pc, _, _ in process.functions.stack(routine)]
            frames = [frame for i, pc in enumerate(stack) for frame in process.functions.frames(pc - bool(i))]
            own = [
                i
                for i, frame in enumerate(frames)
                if frame.function.endswith(").Reconcile") and "controller-runtime" not in frame.function
            ]
            if own:
                found[routine.state, tuple(frames[: own[-1] + 1])] += 1
    except (MemoryFault, NoSuchProcess):
        pass
    return found


def poll(process: Process, maps: Sequence[GoMap], seconds: float, tell: Callable[[float], None] = lambda _: None) -> Watched:
    """The same without breakpoints: the length from time to time, and which goroutines stand in the program's own code.

    It cannot tell who inserts; what is written and taken away between two looks is not seen.
    """
    seen = Watched([Changes(found, found.length, found.length, share=0.0) for found in maps], way="poll")
    began = time.monotonic()
    try:
        for changes in seen.changes:
            changes.len_before = process.runtime.word(changes.map.address)
        while (left := began + seconds - time.monotonic()) > 0:
            time.sleep(min(4 * LOOK_SECONDS, left))
            seen.busy.update(reconciling(process))
            for changes in seen.changes:
                changes.len_after = process.runtime.word(changes.map.address)
            tell(time.monotonic() - began)
    except KeyboardInterrupt:
        seen.ended = "interrupted"
    except (NoSuchProcess, MemoryFault):
        seen.ended = "the process ended"
    seen.seconds = time.monotonic() - began
    return seen


WAYS: dict[str, Callable[..., Watched]] = {"perf": watch, "ptrace": functools.partial(watch, way="ptrace"), "poll": poll}
"""How it can be found out, by the word for it."""
