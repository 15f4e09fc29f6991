"""From traces to verdicts: what stays for every subject of every round is a leak, and what was not seen is not known."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ghostkey.churn.subjects import Subject
from ghostkey.churn.traces import Found, Signature
from ghostkey.model.counts import counted

FALLING = "it went down to the last look, one after the other: whether the rest goes too is not known"
UNREAD = "left behind, and the last look could not read what it is in: whether it stays is not known"
LEAK_RATE = 0.9  # of the subjects of every round
ROUNDS_LEAST = 3
FIRST_WAIT, LAST_WAIT = 0.25, 5.0  # seconds between two looks
LONGEST = 5  # times patience, as long as something goes
SECOND_LOOKS = 3  # where the last look shows other maps than the one before: in moving memory one is no proof


class Kind(StrEnum):
    """What is said of a signature. LEAK, PARTIAL and STUCK are findings."""

    LEAK = "LEAK"
    PARTIAL = "PARTIAL"
    STUCK = "STUCK"
    SLOW = "SLOW"
    RETENTION = "RETENTION"
    INCONCLUSIVE = "INCONCLUSIVE"
    ALLOWED = "ALLOWED"


FINDINGS = frozenset({Kind.LEAK, Kind.PARTIAL, Kind.STUCK})


@dataclass(slots=True)
class Curve:
    """How many dead subjects a signature still names, over time: (seconds since the last deletion was done, subjects)."""

    points: list[tuple[float, int]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)  # at the last look
    ever: set[str] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)  # of the objects it is in, at the last look
    example: str = ""
    series: int = 0
    is_stuck: bool = False
    is_unread: bool = False  # the last look could not read what it is in
    fell_at: float = 0.0  # when one of them was there no more; 0: never
    is_falling: bool = False  # so lately that nobody has waited for the rest

    @property
    def clean_after(self) -> float | None:
        """Seconds until nothing was left; None while something is."""
        return next((at for at, count in self.points if count == 0), None) if not self.tokens else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of one signature. `rates`: the share of each round's dead subjects that it still names."""

    signature: Signature
    kind: Kind
    rates: tuple[float, ...]
    counts: tuple[int, ...]
    curve: tuple[tuple[float, int], ...]
    example: str
    series: int = 0
    only: str = ""  # the trait that all these subjects share and no other one has
    because: str = ""
    fault: str = ""  # the faults without which it does not show
    found_by: str = "rounds"
    one: str = ""  # token of one dead subject that it still names
    tokens: frozenset[str] = frozenset()  # of all of them
    paths: frozenset[str] = frozenset()  # of the objects it is in

    @property
    def is_finding(self) -> bool:
        """Whether it fails the test."""
        return self.kind in FINDINGS


def wait_out(
    read: Callable[[], Found],
    first: Found,
    patience: float,
    progress: Callable[[str], None] = lambda _: None,
    *,
    unread: Callable[[Signature], bool] = lambda _: False,
    before: Iterable[Signature] = (),
) -> dict[Signature, Curve]:
    """Looks again and again until nothing is left, or patience is: a delayed cleanup is none the worse for that.

    Patience counts from where one has gone last: an operator that may ask five times a second cleans up one after the other.
    What the last look alone shows, or no longer shows, of memory is looked at once more, whatever is left of patience.
    `unread`: whether the last look could not read what a signature is in, which says nothing of it then; `before`: those that earlier
    looks have seen, and the first one could not read.
    """
    curves: dict[Signature, Curve] = {signature: Curve(is_unread=True) for signature in before}
    began, wait, found, more = time.monotonic(), FIRST_WAIT, first, SECOND_LOOKS
    remembered = _in_memory(first)
    while True:
        at = time.monotonic() - began
        for signature in {*curves, *found}:
            _note(curves.setdefault(signature, Curve()), found, signature, at, is_unread=unread(signature))
        remembered, is_alike = _in_memory(found), remembered == _in_memory(found)
        lately = at - max((curve.fell_at for curve in _not_in_memory(curves)), default=0.0)
        is_known_gone = not found and not any(curve.is_unread for curve in curves.values())
        if is_known_gone or lately >= patience or at >= LONGEST * patience:
            if is_alike or more == 0:
                for curve in _not_in_memory(curves):
                    curve.is_falling = bool(curve.tokens and curve.fell_at) and at - curve.fell_at < patience
                return curves
            more -= 1
            time.sleep(FIRST_WAIT)
        else:
            progress(
                f"{counted(len(found), 'signature is', 'signatures are')} left; waiting for delayed cleanups, {lately:.0f} of {patience:.0f} s"
            )
            time.sleep(min(wait, max(0.0, patience - lately)))
            wait = min(LAST_WAIT, wait * 1.6)
        found = read()


def _not_in_memory(curves: Mapping[Signature, Curve]) -> list[Curve]:
    """Those that go down only where something is cleaned up: what a look at moving memory shows comes and goes."""
    return [curve for signature, curve in curves.items() if signature.source != "memory"]


def _in_memory(found: Found) -> set[Signature]:
    return {signature for signature in found if signature.source == "memory"}


def _note(curve: Curve, found: Found, signature: Signature, at: float, *, is_unread: bool) -> None:
    trace = found.get(signature)
    curve.is_unread = is_unread
    if is_unread:  # no point of its curve
        curve.example = curve.example or (trace.example if trace is not None else "")
        return
    tokens = set(trace.tokens) if trace else set()
    curve.fell_at = at if curve.tokens - tokens else curve.fell_at
    curve.tokens = tokens
    curve.ever |= curve.tokens
    curve.points.append((round(at, 2), len(curve.tokens)))
    if trace is not None:
        curve.example, curve.series, curve.is_stuck = trace.example, trace.series, trace.is_stuck
        curve.paths = set(trace.paths)


def judge(
    curves: dict[Signature, Curve], history: Sequence[Found], subjects: Sequence[Subject], patience: float
) -> list[Verdict]:
    """A verdict for each signature. `history`: what was found after each round, of all that were dead by then."""
    rounds = sorted({subject.round for subject in subjects if subject.is_deleted})
    seen = set(curves).union(*history) if history else set(curves)
    return [_verdict(s, curves.get(s, Curve()), history, subjects, rounds, patience) for s in sorted(seen)]


def _verdict(
    signature: Signature,
    curve: Curve,
    history: Sequence[Found],
    subjects: Sequence[Subject],
    rounds: Sequence[int],
    patience: float,
) -> Verdict:
    dead = [subject for subject in subjects if subject.is_deleted]
    counts = tuple(len(found[signature].tokens) if signature in found else 0 for found in history)
    if signature.source == "memory" and history and signature in history[-1]:
        # which map it is shows after several rounds; since it only grew, the earlier ones were there as well
        held = history[-1][signature].tokens
        counts = tuple(sum(s.token in held and s.round <= number for s in dead) for number in rounds)
    rates = tuple(_rate(curve.tokens, [s for s in dead if s.round == number]) for number in rounds)
    only, because = "", ""
    if curve.is_unread:
        kind = Kind.INCONCLUSIVE
        because = UNREAD
    elif not curve.tokens:
        kind = Kind.SLOW
        after = curve.clean_after
        because = f"clean after {after:.1f} s" if after is not None else "clean by the end of the next round"
    elif curve.is_falling:
        kind = Kind.INCONCLUSIVE
        because = FALLING
    elif curve.is_stuck:
        kind = Kind.STUCK
        because = f"deleted, and still there after {patience:g} s: its finalizer is not taken away"
    elif history and not any(counts):
        kind = Kind.INCONCLUSIVE
        because = "no round has left it behind: it was seen after the last one alone"
    elif len(rounds) < ROUNDS_LEAST:
        kind = Kind.PARTIAL
        because = f"{len(curve.tokens)} of {len(dead)} dead subjects after {patience:g} s"
    elif min(rates) >= LEAK_RATE:
        kind = Kind.LEAK
        because = f"every round adds {counts[-1] / max(1, len(rounds)):.0f}, and all are there after {patience:g} s"
    elif _is_plateau(counts, rates):
        kind = Kind.RETENTION
        because = "the number no longer grows: old ones make room for new ones"
    elif only := _trait(curve.tokens, dead, rounds):
        kind = Kind.LEAK
        because = f"every subject with {only}, and no other, after {patience:g} s"
    else:
        kind = Kind.PARTIAL
        because = f"{len(curve.tokens)} of {len(dead)} dead subjects after {patience:g} s: by order, time or chance"
    return Verdict(
        signature,
        kind,
        rates,
        counts,
        tuple(curve.points),
        curve.example,
        curve.series,
        only,
        because,
        one=min(curve.tokens, default=""),
        tokens=frozenset(curve.tokens),
        paths=frozenset(curve.paths),
    )


def _rate(tokens: set[str], subjects: Sequence[Subject]) -> float:
    return round(sum(subject.token in tokens for subject in subjects) / len(subjects), 3) if subjects else 0.0


def _is_plateau(counts: Sequence[int], rates: Sequence[float]) -> bool:
    """Whether rounds no longer add: the last one as many as the one before, and the first one's are gone."""
    return len(counts) >= ROUNDS_LEAST and counts[-1] <= counts[-2] and rates[-1] > 0 and rates[0] == 0


def _trait(tokens: set[str], dead: Sequence[Subject], rounds: Sequence[int]) -> str:
    """A trait that all of these subjects have in every round, and none of the others."""
    for trait in sorted(set().union(*(subject.traits for subject in dead))):
        with_it = [[s for s in dead if s.round == number and trait in s.traits] for number in rounds]
        without = [s for s in dead if trait not in s.traits]
        if without and all(some and _rate(tokens, some) >= LEAK_RATE for some in with_it) and not _rate(tokens, without):
            return trait
    return ""


def allowed(verdict: Verdict, reasons: Iterable[tuple[str, str]]) -> Verdict | None:
    """What fails the test, or puts it in doubt, as allowed: by the first line of the list that is part of its signature; None for none.

    Whatever else can be said of it, its being there is no matter.
    """
    if not (verdict.is_finding or verdict.kind is Kind.INCONCLUSIVE):
        return None
    reason = next((reason for text, reason in reasons if text in str(verdict.signature)), "")
    return replace(verdict, kind=Kind.ALLOWED, because=reason) if reason else None
