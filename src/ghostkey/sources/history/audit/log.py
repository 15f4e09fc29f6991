"""Audit logs of the API server: who wrote which key when, who deleted which object, and what was refused.

What it reads
    JSON lines as kube-apiserver writes them, and what exports make of them (`envelopes`): text before the event, the event in a
    field of another record, arrays, EventLists; plain, gzip, xz, bzip2, zstd, in tar and zip; folders of all that, standard input.
    The logs of several API servers are one log, merged by time, each object's writes in the order of their revisions.
Coverage
    From the first event of the set to the last, for what the policy's levels show: at RequestResponse whole maps, at
    Request what was asked for, at Metadata only that somebody wrote. What a level hides is a gap and is said; so is a hole
    between two files, a time at which one of several servers' logs is not there, and a write of which only the effect is seen.
When it is wrong
    When a policy drops requests without a trace (level None), which no log can tell. That an object was written after its end is
    noticed within each share of a large log, and not from one to the next.
Source
    k8s.io/apiserver v0.37 pkg/apis/audit/v1 types.go; field order as encoding/json writes the struct
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ghostkey.model.counts import counted
from ghostkey.model.errors import SourceDamaged
from ghostkey.model.history import Covered, HistoryEvent
from ghostkey.sources.history.audit.archives import unpacked
from ghostkey.sources.history.audit.blind import OFTEN, ORIGIN, QUIET
from ghostkey.sources.history.audit.cut import LineReader
from ghostkey.sources.history.audit.files import (
    LogFile,
    Piece,
    divided,
    events,
    follow_each_other,
    hole_from,
    paths_in,
    probe,
    why_unread,
)
from ghostkey.sources.history.audit.holes import holes
from ghostkey.sources.history.audit.merge import Merged, Span
from ghostkey.sources.history.audit.moments import Moments
from ghostkey.sources.history.audit.shares import Handover, HeldEnd, read_shared
from ghostkey.sources.history.facts import KeyedHash
from ghostkey.store.history import Parts
from ghostkey.store.scratch import scratch_directory


class AuditLog(LineReader):
    """Source of the events of one set of audit logs."""

    origin = ORIGIN

    def __init__(
        self,
        paths: Iterable[str | Path],
        digest: KeyedHash,
        fields: Iterable[tuple[str, str]] = (),
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(digest, fields)
        self._paths = [Path(path) for path in paths]
        self.bytes = 0
        self._progress = progress
        self._words: dict[str, int] = {}  # how events were wrapped → how many
        self._other = 0  # files in which no event is
        self._twice = 0
        self._spans: list[Span] = []

    def events(self, parts: Parts | None = None, processes: int = 1) -> Iterator[HistoryEvent]:
        """KeyEvents and SubjectEvents in the order of the log, then Covered of it and of its gaps.

        With several processes and `parts` to write to, what the helpers read goes there, and only the rest is yielded.
        Raises SourceDamaged when a path does not exist or nothing in it is an audit event.
        """
        with scratch_directory("audit") as scratch:
            files = self._files(scratch)
            hole = hole_from(files)
            self.blind.longest = max(QUIET, OFTEN * max((file.spacing for file in files), default=0))
            if follow_each_other(files):
                self._spans = [Span(f.first, f.last, False) for f in files if f.first is not None and f.last is not None]
                shares = divided(files, 1 if parts is None or self.fields else processes)
                if len(shares) > 1 and parts is not None:
                    yield from read_shared(self, shares, self.digest, parts)
                else:
                    for share in shares:
                        yield from self.read(share)
            else:
                self.moments = Moments() if len(files) > 1 or files[0].is_mixed else None
                merged = Merged(files, scratch, self.blind.damage, self.note_bytes, self._words)
                for line in merged.lines():
                    yield from self.line(line)
                self.note_passed()
                self._spans, self._twice = merged.spans, merged.twice
        for asked in self.unanswered.close():
            yield from self.never_answered(asked)
        yield from self._covered(hole)

    def _files(self, scratch: Path) -> list[LogFile]:
        """The files with events in them, oldest first by their first event: rotation renames, so names do not tell."""
        found: list[LogFile] = []
        for path, name in unpacked(paths_in(self._paths), scratch, self._unread):
            self._progress(f"looking at {name or path}")
            file = probe(path, name)
            if file is None and (why := why_unread(path, name)):
                self._unread(name or str(path), why)
            elif file is None:
                self._other += 1
            else:
                found.append(file)
        return sorted(found, key=lambda file: (file.first or 0, file.said))

    def _unread(self, what: str, why: str) -> None:
        self.blind.gap("*", "*", f"{what}: {why}"[:300], None)

    def read(self, pieces: Iterable[Piece]) -> Iterator[HistoryEvent]:
        """The events of some pieces of the log."""
        for piece in pieces:
            found = events(piece, self.blind.damage, self.note_bytes, self._words)
            yield from itertools.chain.from_iterable(map(self.line, found))
        self.note_passed()

    def can_join(self, handover: Handover) -> bool:
        """Whether what was read of a later share is what this would have read.

        A document in a value that was a map once is still one when it shrinks, and who does not know that sees none.
        """
        return all(self.states.nested(holder) <= places for holder, places in handover.nested.items())

    def join(self, handover: Handover) -> Iterator[HistoryEvent]:
        """The events that were held back in a later share; then this knows what its reader knew."""
        for held in handover.held:
            if isinstance(held, tuple):
                yield from self.gone(*held)
            elif isinstance(held, HeldEnd):
                yield from self.hidden_end(held.subject, held.level)
            elif held.is_apply:
                yield from self.released_by(held.line)
            else:
                yield from self.line(held.line)
        for holder in handover.nested:
            self.forget_raw(holder)
            state = handover.states.get(holder)
            if state is None:
                self.states.forget(holder)
                self.revisions.pop(holder, None)
            else:
                self.states.adopt(holder, state, is_whole=holder not in handover.partial)
        self.revisions |= handover.revisions
        self.ended.join(handover.made)
        self.unanswered.forget_since(self.blind.last)
        self.unanswered.waiting |= handover.unanswered
        self.applied |= handover.applied
        self.blind.join(handover.blind)
        self.states.forgotten += handover.forgotten
        for words, count in handover.words.items():
            self._words[words] = self._words.get(words, 0) + count
        self.note_bytes(handover.bytes)

    def _covered(self, hole: int) -> Iterator[Covered]:
        blind = self.blind
        if blind.first is None:
            raise SourceDamaged(
                f"no audit events in {', '.join(map(str, self._paths))}", "give the file of --audit-log-path, or a folder of them"
            )
        span = (blind.first, blind.last, None, None)
        yield Covered(ORIGIN, "*", "*", *span, False, self._recognised())
        between = list(holes(self._spans, hole))
        yield from between
        for row in blind.quiet:
            spans = [(other.since or 0, other.until or 0) for other in between]
            if not any(since <= (row.since or 0) and (row.until or 0) <= until for since, until in spans):
                yield row
        yield from blind.covered()
        if self.states.forgotten:
            why = f"{counted(self.states.forgotten, 'map was', 'maps were')} seen again after being forgotten: more maps than are remembered"
            yield Covered(ORIGIN, "*", "*", *span, True, why)

    def _recognised(self) -> str:
        """How events were wrapped, and what was passed over, in words; nothing where all were bare lines."""
        said = [f"{counted(number, 'event')} {words}" for words, number in sorted(self._words.items()) if words]
        said += [f"{counted(self._twice, 'event')} that came twice counted once"] if self._twice else []
        said += [f"{self._other} file{'' if self._other == 1 else 's'} without audit events passed over"] if self._other else []
        skipped = self.states.facts.yaml_skipped
        said += [f"{skipped} YAML documents in values, of too many bytes in all, not looked into"] if skipped else []
        return ", ".join(said)

    def note_bytes(self, count: int) -> None:
        """Counts what was read."""
        self.bytes += count
        self._progress(f"read {self.bytes >> 20:,} MB of audit logs")
