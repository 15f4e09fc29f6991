"""An audit log read by several processes, each a share of its lines.

A map's first write in a share cannot be told from its state alone: what was there before is in the share before. Such lines
are held back and handed over, with the state at the end, to the one who read what came before. Where even that could go wrong,
the share is read again in turn; the events are the same as one process makes.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from ghostkey.model.history import HistoryEvent, KeyEvent, Writer
from ghostkey.sources.history.audit.files import Piece
from ghostkey.sources.history.audit.log import AuditLog, Head, Holder, UndecidedError
from ghostkey.sources.history.states import KeyedHash, Place, States
from ghostkey.store.history import Parts

PR_SET_PDEATHSIG = 1  # Source: Linux prctl(2)
ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
HELD_BYTES = 32 << 20  # a log of which more must be held back is better read in turn


@dataclass(frozen=True, slots=True)
class HeldLine:
    """A line that was held back, or (`is_apply`) only what its apply released."""

    line: bytes
    is_apply: bool


Deletion = tuple[Holder, int | None, int | None, Writer]  # of a map, at a time and revision, by somebody


@dataclass(slots=True)
class Handover:
    """What the reader of a share hands over."""

    held: list[HeldLine | Deletion] = field(default_factory=list)
    nested: dict[Holder, set[Place]] = field(default_factory=dict)
    states: dict[Holder, States] = field(default_factory=dict)
    applied: dict[tuple[str, str, str, str], set[tuple[str, str]]] = field(default_factory=dict)
    gaps: dict[tuple[str, str, str], list[int | None]] = field(default_factory=dict)
    first: int | None = None
    last: int | None = None
    damaged: int = 0
    forgotten: int = 0
    bytes: int = 0


class Share(AuditLog):
    """A later share of a log, read without what came before it."""

    def __init__(self, digest: KeyedHash) -> None:
        super().__init__([], digest)
        self._handover = Handover()
        self._held_bytes = 0
        self._now = b""

    def _change(self, line: bytes, request: int, head: Head) -> list[KeyEvent] | None:
        self._now = line
        return super()._change(line, request, head)

    def _line(self, line: bytes) -> Iterator[HistoryEvent]:
        self._now, self._told = line, None
        events = list(super()._line(line))
        if self._told is not None:
            holder, is_whole = self._told
            if holder not in self._handover.nested:
                self._hold_back(is_apply=False)
                events.clear()
                if is_whole and self._states.known(holder):
                    self._handover.nested[holder] = self._states.nested(holder)
                else:
                    self._states.forget(holder)
        yield from events

    def _odd(self, line: bytes) -> Iterator[HistoryEvent]:
        if b'"items"' in line:
            raise UndecidedError  # many events in one line, which cannot be held back one by one
        yield from super()._odd(line)

    def gone(self, holder: Holder, at: int | None, revision: int | None, writer: Writer) -> Iterator[KeyEvent]:
        """As in a log that is read from its beginning, once the map is known."""
        if holder not in self._handover.nested:
            self._handover.held.append((holder, at, revision, writer))
            self._handover.nested[holder] = set()
        yield from super().gone(holder, at, revision, writer)

    def _released(
        self,
        body: bytes,
        holder: Holder,
        content: Mapping[str, Mapping[str, object]],
        at: int | None,
        revision: int | None,
        writer: Writer,
    ) -> Iterator[KeyEvent]:
        place = (*holder, writer.manager)
        is_known = place in self._applied
        yield from super()._released(body, holder, content, at, revision, writer)
        if not is_known and place in self._applied and holder in self._handover.nested:
            self._hold_back(is_apply=True)

    def _hold_back(self, *, is_apply: bool) -> None:
        self._handover.held.append(HeldLine(self._now, is_apply))
        self._held_bytes += len(self._now)
        if self._held_bytes > HELD_BYTES:
            raise UndecidedError

    def handover(self) -> Handover:
        """What the next in turn must know."""
        found = self._handover
        found.states = {holder: state for holder, state in self._states.all().items() if holder in found.nested}
        found.applied, found.gaps, found.first, found.last = self._applied, self._gaps, self._first, self._last
        found.damaged, found.forgotten, found.bytes = self._damaged, self._states.forgotten, self.bytes
        return found


def _read_share(number: int, pieces: list[Piece], digest: KeyedHash, parts: Parts) -> Handover | None:
    """Reads one share into files of its own; None when that cannot be done."""
    share = Share(digest)
    try:
        with parts.writer(number) as add:
            for event in share.read(pieces):
                add(event)
    except UndecidedError:
        return None
    return share.handover()


def read_shared(log: AuditLog, shares: Sequence[list[Piece]], digest: KeyedHash, parts: Parts) -> Iterator[HistoryEvent]:
    """The events of the first share and of what the others hand over; theirs go to `parts`."""
    # a copy of this process begins at once, but is safe only where no other thread could hold a lock
    way = "fork" if sys.platform == "linux" and threading.active_count() == 1 else "spawn"
    processes = multiprocessing.get_context(way)
    # nobody writes into this pipe: it ends when we do, however that is, and helpers end with it
    alive, ours = processes.Pipe(duplex=False)
    known = (alive, ours.fileno() if way == "fork" else None, os.getpid())
    pool = ProcessPoolExecutor(len(shares) - 1, processes, _begin_helper, known)
    try:
        with _undisturbed():
            work = [pool.submit(_read_share, number, pieces, digest, parts) for number, pieces in enumerate(shares) if number]
        yield from log.read(shares[0])
        for number, future in enumerate(work, 1):
            handover = None
            with contextlib.suppress(BrokenExecutor):  # a helper that was killed, for its memory perhaps
                handover = future.result()
            if handover is not None and log.can_join(handover):
                yield from log.join(handover)
            else:
                parts.drop(number)
                yield from log.read(shares[number])
    except BaseException:
        ours.close()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    ours.close()
    alive.close()


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Holds signals back while helpers are started: what they raise within the interpreter's own steps of a fork is lost."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_helper(alive: Connection, inherited: int | None, parent: int) -> None:
    """Makes sure that a helper ends with the process that it helps, also when that is killed."""
    if inherited is not None:
        os.close(inherited)  # the other end of the pipe, of which a fork has a copy
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)  # at once and without a word
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):  # a C library without it: the pipe does the same, a little later
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    def watch() -> None:
        with contextlib.suppress(OSError, EOFError):
            alive.recv_bytes()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
