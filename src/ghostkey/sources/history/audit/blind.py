"""Where an audit log looked, and where it was blind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ghostkey.model.history import BY_MAP, Covered

ORIGIN = "audit"
QUIET, OFTEN = 3_600_000_000, 60  # an hour without any event, where most come 60 times as often, is a hole; microseconds
TOLD = 200  # jumps and places of damage that are told one by one
Gaps = dict[tuple[str, str, str], list[int | None]]  # (kind, namespace, why) → first and last time


def nothing() -> int | None:
    """No line was passed over."""
    return None


class Blind:
    """The coverage of what was read so far."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.last: int | None = None
        self.gaps: Gaps = {}
        self.rows: list[Covered] = []  # gaps of one moment
        self.damaged = 0
        self.quiet: list[Covered] = []  # times at which a log that is seldom quiet was
        self.longest = QUIET  # how long it may be
        self.recent: Callable[[], int | None] = nothing  # when the last line came in that was passed over
        self.is_open = 0  # lines of damage since the last time that was read

    def cover(self, at: int | None) -> None:
        """An event of this time was read."""
        if at is None:
            return
        if self.is_open:
            self._damage_ends(at)
        if self.first is None or at < self.first:
            self.first = at
        if self.last is None or at > self.last:
            if self.last is not None and at - self.last > self.longest:
                self._was_quiet(self.last, at)
            self.last = at

    def _was_quiet(self, last: int, at: int) -> None:
        begin = max(last, self.recent() or 0)
        if at - begin > self.longest and len(self.quiet) < TOLD:
            why = "not a single event, in a log that is seldom quiet"
            self.quiet.append(Covered(ORIGIN, "*", "*", begin, at, None, None, True, why))

    def gap(self, kind: str, namespace: str, why: str, at: int | None) -> None:
        """Something of this time is not shown; times with the same reason are one gap."""
        span = self.gaps.setdefault((kind, namespace, why), [at, at])
        if at is not None:
            span[0] = at if span[0] is None else min(span[0], at)
            span[1] = at if span[1] is None else max(span[1], at)

    def hidden(self, holder: tuple[str, str, str], why: str, at: int | None) -> None:
        """As `gap`, of a map of which a hidden write is told; one without a time does not say when it was written."""
        self.gap(holder[0], holder[1], why if at is None else f"{why} {BY_MAP}", at)

    def jump(self, holder: tuple[str, str, str], since: int | None, until: int | None, at: int | None) -> None:
        """A map changed between two revisions by writes that are not in the log."""
        kind, namespace, name = holder
        begin, end = (f"{revision}" if revision is not None else "?" for revision in (since, until))
        self._tell(
            Covered(ORIGIN, kind, namespace, None, at, since, until, True,
                    f"writes of {name} between revisions {begin} and {end} are not in the log")
        )  # fmt: skip

    def no_jump(self, holder: tuple[str, str, str], since: int | None, until: int | None) -> None:
        """What was missing between two revisions of a map came late."""
        self.rows = [
            row
            for row in self.rows
            if (row.kind, row.namespace, row.since_revision, row.until_revision) != (*holder[:2], since, until)
        ]

    def damage(self) -> None:
        """A line is no audit event."""
        self.damaged += 1
        self.is_open += 1

    def _damage_ends(self, at: int | None) -> None:
        lines = "a line is no audit event" if self.is_open == 1 else f"{self.is_open} lines are no audit events"
        self._tell(Covered(ORIGIN, "*", "*", self.last, at, None, None, True, f"{lines}: cut, or something else"))
        self.is_open = 0

    def _tell(self, row: Covered) -> None:
        if len(self.rows) < TOLD:
            self.rows.append(row)
        else:
            self.gap(
                row.kind, row.namespace, f"more of: {row.why if row.kind == '*' else 'writes that are not in the log'}", row.until
            )

    def join(self, other: Blind) -> None:
        """Takes what another saw after this."""
        if self.is_open and other.first is not None:
            self._damage_ends(other.first)
        self.cover(other.first)
        self.cover(other.last)
        for (kind, namespace, why), span in other.gaps.items():
            for at in span:
                self.gap(kind, namespace, why, at)
        for row in other.rows:
            self._tell(row)
        self.quiet += other.quiet
        self.damaged += other.damaged
        self.is_open += other.is_open

    def covered(self) -> Iterator[Covered]:
        """Every gap, once all is read."""
        if self.is_open:
            self._damage_ends(None)
        for (kind, namespace, why), (since, until) in self.gaps.items():
            yield Covered(ORIGIN, kind, namespace, since, until, None, None, True, why)
        yield from self.rows
