"""The logs of several API servers as one: merged by time, each object's writes in the order of their revisions.

Files are read as they are needed, so that memory holds a line of each that overlaps, and a window of seconds: clocks of servers
differ, and so do the times at which writes of one moment end. An event that several files hold comes once, told by its id.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ghostkey.sources.history.audit.blind import OFTEN, QUIET
from ghostkey.sources.history.audit.event import done_at, received
from ghostkey.sources.history.audit.files import LogFile, Note, Piece, events
from ghostkey.sources.history.audit.order import WINDOW, mark_of, spot_of

WINDOW_BYTES, WINDOW_LINES = 64 << 20, 50_000
IDS_KEPT = 200_000  # events among which one that comes twice is known
RUN_BYTES = 64 << 20  # of a file in no order: so much is sorted at once


class Span(NamedTuple):
    """From when to when a file was seen to reach, and whether another holds the same events; files are numbered.

    A file that was silent for long has several.
    """

    first: int
    last: int
    is_copy: bool
    file: int = -1


class Merged:
    """The events of some files in one order, as bare lines; afterwards `spans` says what each file covers."""

    def __init__(
        self, files: Sequence[LogFile], scratch: Path, note_damage: Note, note_bytes: Callable[[int], None], words: dict[str, int]
    ) -> None:
        self._files, self._scratch = files, scratch
        self._note_damage, self._note_bytes, self._words = note_damage, note_bytes, words
        self.spans: list[Span] = []
        self.twice = 0

    def lines(self) -> Iterator[bytes]:
        """Every event once."""
        window = _Window()
        for at, line in self._once():
            yield from window.push(at, line)
        yield from window.rest()

    def _once(self) -> Iterator[tuple[int, bytes]]:
        known: OrderedDict[bytes, int] = OrderedDict()
        counts = [0] * len(self._files)
        copies = [0] * len(self._files)
        ends: list[list[list[int]]] = [[] for _ in self._files]
        for at, number, line in self._by_time():
            counts[number] += 1
            if (came := received(line)) is not None:
                self._reach(number, ends[number], came)
            mark = mark_of(line)
            if mark:
                held = known.get(mark)
                if held is not None:
                    copies[number] += held != number
                    self.twice += 1
                    continue
                known[mark] = number
                if len(known) > IDS_KEPT:
                    known.popitem(last=False)
            yield at, line
        self.spans = [
            Span(first, last, 2 * copy > count, number)
            for number, (spans, copy, count) in enumerate(zip(ends, copies, counts, strict=True))
            for first, last in spans
        ]

    def _reach(self, number: int, spans: list[list[int]], came: int) -> None:
        """Adds an event to the times that a file covers: a server that is seldom quiet, and was for long, lost what it wrote then."""
        if not spans or came - spans[-1][1] > max(QUIET, OFTEN * self._files[number].spacing):
            spans.append([came, came])
        else:
            spans[-1] = [min(came, spans[-1][0]), max(came, spans[-1][1])]

    def _by_time(self) -> Iterator[tuple[int, int, bytes]]:
        """(time, number of the file, line) in the order of time; a file is opened when the time comes to its first line."""
        waiting = deque(sorted(range(len(self._files)), key=lambda n: (self._files[n].first or 0, n)))
        heap: list[tuple[int, int, int, bytes, Iterator[tuple[int, bytes]]]] = []
        counter = itertools.count()

        def advance(number: int, stream: Iterator[tuple[int, bytes]]) -> None:
            found = next(stream, None)
            if found is not None:
                # a file that was read before comes first: what it holds twice is then the other one's copy
                heapq.heappush(heap, (found[0], number, next(counter), found[1], stream))

        while heap or waiting:
            while waiting and (not heap or (self._files[waiting[0]].first or 0) <= heap[0][0]):
                number = waiting.popleft()
                advance(number, self._timed(number))
            if not heap:
                continue
            at, number, _, line, stream = heapq.heappop(heap)
            yield at, number, line
            advance(number, stream)

    def _timed(self, number: int) -> Iterator[tuple[int, bytes]]:
        """(time, line) of a file; times never go back: a line that was written late comes where it stands."""
        file = self._files[number]
        found = events(Piece(file), self._note_damage, self._note_bytes, self._words)
        if not file.is_ordered:
            found = self._sorted(found, number)
        last = 0
        for line in found:
            at = done_at(line)
            if at is not None and at > last:
                last = at
            yield last, line

    def _sorted(self, found: Iterable[bytes], number: int) -> Iterator[bytes]:
        """The lines of a file in no order, or the newest first, by their time: sorted in runs on the disk."""
        runs: list[Path] = []
        held: list[tuple[int, int, bytes]] = []
        size = 0
        counter = itertools.count()
        for line in found:
            held.append((done_at(line) or 0, next(counter), line if line.endswith(b"\n") else line + b"\n"))
            size += len(line)
            if size > RUN_BYTES:
                runs.append(self._run(held, number, len(runs)))
                held, size = [], 0
        held.sort()
        if not runs:
            yield from (line for _, _, line in held)
            return
        with contextlib.ExitStack() as opened:
            streams: list[Iterable[bytes]] = [opened.enter_context(run.open("rb")) for run in runs]
            streams.append([line for _, _, line in held])
            yield from heapq.merge(*streams, key=lambda line: done_at(line) or 0)
        for run in runs:
            run.unlink()

    def _run(self, held: list[tuple[int, int, bytes]], number: int, run: int) -> Path:
        path = self._scratch / f"run-{number}-{run}"
        held.sort()
        with path.open("wb") as handle:
            handle.writelines(line for _, _, line in held)
        return path


class _Window:
    """Holds lines back for some seconds, and gives each object's in the order of their revisions."""

    def __init__(self) -> None:
        self._queue: deque[tuple[int, bytes | None, bytes]] = deque()
        self._heaps: dict[bytes, list[tuple[int, int, bytes]]] = {}
        self._counter = itertools.count()
        self._bytes = 0

    def push(self, at: int, line: bytes) -> Iterator[bytes]:
        """Takes a line; gives those that have waited long enough."""
        spot = spot_of(line)
        if spot is None:
            self._queue.append((at, None, line))
        else:
            heapq.heappush(self._heaps.setdefault(spot[0], []), (spot[1], next(self._counter), line))
            self._queue.append((at, spot[0], b""))
        self._bytes += len(line)
        while self._queue[0][0] < at - WINDOW or self._bytes > WINDOW_BYTES or len(self._queue) > WINDOW_LINES:
            yield self._pop()

    def rest(self) -> Iterator[bytes]:
        """What is left."""
        while self._queue:
            yield self._pop()

    def _pop(self) -> bytes:
        _, spot, line = self._queue.popleft()
        if spot is not None:
            heap = self._heaps[spot]
            line = heapq.heappop(heap)[2]
            if not heap:
                del self._heaps[spot]
        self._bytes -= len(line)
        return line
