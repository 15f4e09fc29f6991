"""Two builds of an operator, one after the other on control planes of their own: what got worse, what got better."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from ghostkey.churn.campaign import Outcome
from ghostkey.churn.judge import Kind, Verdict
from ghostkey.churn.run import Request, run
from ghostkey.churn.traces import Signature

NEW, WORSE, SAME, BETTER, GONE, UNKNOWN = "new", "worse", "same", "better", "gone", "unknown"
BAD = frozenset({NEW, WORSE})
_RANK = {Kind.PARTIAL: 1, Kind.STUCK: 2, Kind.LEAK: 2}
_SHARE = 0.2  # of the subjects: what chance does between two runs of one build


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one signature: `was` and `now` are its verdicts, "" where a build did not show it."""

    signature: Signature
    was: str
    now: str
    change: str


@dataclass(frozen=True, slots=True)
class Compared:
    """The outcomes of the build before and of the one now, and the changes of what either of them leaves behind."""

    before: Outcome
    now: Outcome
    changes: tuple[Change, ...]

    @property
    def exit_code(self) -> int:
        """1 where something got worse, 3 where that cannot be known, 0 otherwise: what was there before fails nothing."""
        if any(one.change in BAD for one in self.changes):
            return 1
        return 3 if self.before.inconclusive or self.now.inconclusive else 0


def compare(request: Request, against: str, progress: Callable[[str], None] = lambda _: None) -> Compared:
    """Runs `against` (how the older build is started), then the request. Raises as `run`."""
    older = dataclasses.replace(request, operator=against, reproduction=None, code=None)  # the source is that of the build now
    before = run(older, lambda words: progress(f"before: {words}"))
    now = run(request, lambda words: progress(f"now: {words}"))
    return Compared(before, now, changes_of(before, now))


def changes_of(before: Outcome, now: Outcome) -> tuple[Change, ...]:
    """The changes of every signature that is a finding in one of the two."""
    was = {verdict.signature: verdict for verdict in before.findings}
    has = {verdict.signature: verdict for verdict in now.findings}
    known = {verdict.signature: verdict for verdict in (*before.verdicts, *now.verdicts)}
    return tuple(
        Change(
            one,
            str(was[one].kind) if one in was else "",
            str(has[one].kind) if one in has else "",
            _change(was.get(one), has.get(one), before, now),
        )
        for one in sorted(was.keys() | has.keys())
        if known[one].kind is not Kind.ALLOWED
    )


def _change(was: Verdict | None, now: Verdict | None, before: Outcome, after: Outcome) -> str:
    """What was not seen is not known: a build of which not everything could be seen acquits nothing."""
    if was is None:
        return UNKNOWN if before.inconclusive else NEW
    if now is None:
        return UNKNOWN if after.inconclusive else GONE
    ranks = _RANK[now.kind] - _RANK[was.kind]
    shares = _share(now) - _share(was)
    if ranks > 0 or (not ranks and shares > _SHARE):
        return WORSE
    return BETTER if ranks < 0 or shares < -_SHARE else SAME


def _share(verdict: Verdict) -> float:
    return sum(verdict.rates) / len(verdict.rates) if verdict.rates else 0.0
