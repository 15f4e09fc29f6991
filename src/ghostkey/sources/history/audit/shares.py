"""An audit log read by several processes, each a share of its lines.

A map's first write in a share cannot be told from its state alone: what was there before is in the share before. Such lines
are held back and handed over, with the state at the end, to the one who read what came before. Where even that could go wrong,
the share is read again in turn; the events are the same as one process makes.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Protocol

from ghostkey.model.history import HistoryEvent, KeyEvent, SubjectEvent, Writer
from ghostkey.sources.history.audit.beside import Holder
from ghostkey.sources.history.audit.blind import Blind, nothing
from ghostkey.sources.history.audit.changes import Head
from ghostkey.sources.history.audit.cut import LineReader, UndecidedError
from ghostkey.sources.history.audit.envelopes import is_worth
from ghostkey.sources.history.audit.files import Piece, events
from ghostkey.sources.history.audit.unanswered import Asked
from ghostkey.sources.history.common import MAPS
from ghostkey.sources.history.facts import KeyedHash
from ghostkey.sources.history.states import Place, States
from ghostkey.store.history import Parts

PR_SET_PDEATHSIG = 1  # Source: Linux prctl(2)
ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
HELD_BYTES = 32 << 20  # a log of which more must be held back is better read in turn
END_BYTES = 400  # of an end that is held back, about


@dataclass(frozen=True, slots=True)
class HeldLine:
    """A line that was held back, or (`is_apply`) only what its apply released."""

    line: bytes
    is_apply: bool


@dataclass(frozen=True, slots=True)
class HeldEnd:
    """A deletion whose answer the level hides, of an object that was made before this share."""

    subject: SubjectEvent
    level: str


Deletion = tuple[Holder, int | None, int | None, Writer]  # of a map, at a time and revision, by somebody


@dataclass(slots=True)
class Handover:
    """What the reader of a share hands over."""

    held: list[HeldLine | HeldEnd | Deletion] = field(default_factory=list)
    nested: dict[Holder, set[Place]] = field(default_factory=dict)
    states: dict[Holder, States] = field(default_factory=dict)
    partial: set[Holder] = field(default_factory=set)
    revisions: dict[Holder, int] = field(default_factory=dict)
    applied: dict[tuple[str, str, str, str], set[tuple[str, str]]] = field(default_factory=dict)
    blind: Blind = field(default_factory=Blind)
    unanswered: dict[str, Asked] = field(default_factory=dict)
    made: list[tuple[Holder, bool]] = field(default_factory=list)
    words: dict[str, int] = field(default_factory=dict)
    forgotten: int = 0
    bytes: int = 0


class Log(Protocol):
    """Who read what came before, and takes what the shares hand over."""

    def read(self, pieces: Iterable[Piece]) -> Iterator[HistoryEvent]:
        """The events of some pieces of the log."""
        ...

    def can_join(self, handover: Handover) -> bool:
        """Whether what was read of a later share is what this would have read."""
        ...

    def join(self, handover: Handover) -> Iterator[HistoryEvent]:
        """The events that were held back in a later share; then this knows what its reader knew."""
        ...


class Share(LineReader):
    """A later share of a log, read without what came before it."""

    def __init__(self, digest: KeyedHash) -> None:
        super().__init__(digest)
        self._bytes = 0
        self._words: dict[str, int] = {}
        self._handover = Handover()
        self._held_bytes = 0
        self._now = b""
        self._is_unsure = False  # of a line, what was tried by it

    def _change(self, line: bytes, request: int, head: Head) -> list[KeyEvent] | None:
        self._now = line
        return super()._change(line, request, head)

    def read(self, pieces: Iterable[Piece]) -> Iterator[HistoryEvent]:
        """The events of the share, save for those that are held back."""
        for piece in pieces:
            for one in events(piece, self.blind.damage, self._note_bytes, self._words):
                yield from self.line(one)
        self.note_passed()

    def _note_bytes(self, count: int) -> None:
        self._bytes += count

    def _line(self, line: bytes) -> Iterator[HistoryEvent]:
        self._now, self.told, self._is_unsure = line, None, False
        found = list(super()._line(line))
        if self.told is not None:
            holder, is_whole = self.told
            if holder not in self._handover.nested:
                self._hold_back(is_apply=False)
                found.clear()
                if is_whole and self.states.is_whole(holder):
                    self._handover.nested[holder] = self.states.nested(holder)
                else:
                    self.states.forget(holder)
            elif self._is_unsure:
                self._hold_back(is_apply=False)
                found.clear()
        yield from found

    def _odd(self, line: bytes) -> Iterator[HistoryEvent]:
        if is_worth(line):
            raise UndecidedError  # perhaps many events in one line, which cannot be held back one by one
        yield from super()._odd(line)

    def gone(self, holder: Holder, at: int | None, revision: int | None, writer: Writer) -> Iterator[KeyEvent]:
        """As in a log that is read from its beginning, once the map is known."""
        if holder not in self._handover.nested:
            self._handover.held.append((holder, at, revision, writer))
            self._handover.nested[holder] = set()
        yield from super().gone(holder, at, revision, writer)

    def hidden_end(self, subject: SubjectEvent, level: str) -> Iterator[SubjectEvent]:
        """As in a log that is read from its beginning, of what was made in this share; the others are held back."""
        if subject.kind in MAPS or (subject.kind, subject.namespace, subject.name) in self.ended.made:
            yield from super().hidden_end(subject, level)
            return
        self._handover.held.append(HeldEnd(subject, level))
        self._hold(END_BYTES)

    def not_known(self, holder: Holder, why: str, at: int | None) -> None:
        """The line is held back, and told by who knows what came before; raises UndecidedError where that takes the map as it is here."""
        if holder in self._handover.nested and not self.states.is_whole(holder):
            raise UndecidedError
        self._is_unsure = True

    def released(
        self,
        body: bytes,
        holder: Holder,
        content: Mapping[str, Mapping[str, object]],
        at: int | None,
        revision: int | None,
        writer: Writer,
    ) -> Iterator[KeyEvent]:
        place = (*holder, writer.manager)
        is_known = place in self.applied
        yield from super().released(body, holder, content, at, revision, writer)
        if not is_known and place in self.applied and holder in self._handover.nested:
            self._hold_back(is_apply=True)

    def _hold_back(self, *, is_apply: bool) -> None:
        self._handover.held.append(HeldLine(self._now, is_apply))
        self._hold(len(self._now))

    def _hold(self, count: int) -> None:
        self._held_bytes += count
        if self._held_bytes > HELD_BYTES:
            raise UndecidedError

    def handover(self) -> Handover:
        """What the next in turn must know."""
        found, states = self._handover, self.states
        found.states = {holder: state for holder, state in states.all().items() if holder in found.nested}
        found.partial = {holder for holder in found.states if not states.is_whole(holder)}
        found.revisions = {holder: revision for holder, revision in self.revisions.items() if holder in found.nested}
        found.applied, found.blind, found.words = self.applied, self.blind, self._words
        found.blind.recent = nothing  # of the sort that another process can take
        found.made = list(self.ended.made.items())
        found.unanswered = self.unanswered.waiting
        found.forgotten, found.bytes = states.forgotten, self._bytes
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


def read_shared(log: Log, shares: Sequence[list[Piece]], digest: KeyedHash, parts: Parts) -> Iterator[HistoryEvent]:
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
    """Makes sure that a helper ends with the process that it helps, also when that is killed, and leaves what is that one's alone."""
    # an engine's objects among the garbage that the fork has a copy of end threads that are not here: that is a crash
    gc.freeze()
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
