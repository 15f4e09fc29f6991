"""Verdicts: what stays for all is a leak, what stays for some is partial, what goes is slow, what no longer grows is kept on purpose."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from ghostkey.churn.judge import Curve, Kind, Verdict, allowed, judge, wait_out
from ghostkey.churn.subjects import Subject
from ghostkey.churn.traces import Found, Signature, Trace

SIGNATURE = Signature("api", "configmaps default/registry data[<S>] (key)")


def subjects(rounds: int = 3, each: int = 10) -> list[Subject]:
    return [
        Subject(f"t{r}-{n}", n, [], r, True, frozenset({"a long name" if n % 2 else "a short name"}))
        for r in range(1, rounds + 1) for n in range(each)
    ]  # fmt: skip


def verdict(left: set[str], counts: tuple[int, ...], each: int = 10) -> tuple[Kind, str]:
    history: list[Found] = [{SIGNATURE: Trace({f"x{n}" for n in range(count)})} for count in counts]
    curves = {SIGNATURE: Curve([(0.0, counts[-1]), (9.0, len(left))], left, left)}
    (one,) = judge(curves, history, subjects(len(counts), each), 9.0)
    return one.kind, one.only


def names(*, rounds: tuple[int, ...] = (1, 2, 3), parity: int | None = None, most: int = 10) -> set[str]:
    return {f"t{r}-{n}" for r in rounds for n in range(most) if parity is None or n % 2 == parity}


@pytest.mark.parametrize(
    ("left", "counts", "expected"),
    [
        (names(), (10, 20, 30), (Kind.LEAK, "")),
        (names(parity=1), (5, 10, 15), (Kind.LEAK, "a long name")),
        (names(most=3), (3, 6, 9), (Kind.PARTIAL, "")),
        (set(), (10, 20, 30), (Kind.SLOW, "")),
        (names(rounds=(3,)), (10, 10, 10), (Kind.RETENTION, "")),
        (names(rounds=(1,)), (10,), (Kind.PARTIAL, "")),
        (names(rounds=(1, 2)), (10, 20), (Kind.PARTIAL, "")),
        (names(), (0, 0, 0), (Kind.INCONCLUSIVE, "")),
    ],
)
def test_verdict(left: set[str], counts: tuple[int, ...], expected: tuple[Kind, str]) -> None:
    assert verdict(left, counts) == expected


@pytest.mark.parametrize("kind", list(Kind))
def test_what_is_allowed_neither_fails_a_run_nor_puts_it_in_doubt(kind: Kind) -> None:
    one = Verdict(SIGNATURE, kind, (), (), (), "", because="as it is")
    assert allowed(one, [("secrets", "no")]) is None
    found = allowed(one, [("secrets", "no"), ("registry data", "by hand"), ("registry", "later")])
    if kind in {Kind.SLOW, Kind.RETENTION, Kind.ALLOWED}:
        assert found is None
    else:
        assert found is not None
        assert (found.kind, found.because) == (Kind.ALLOWED, "by hand")


def test_patience_ends_when_nothing_is_left() -> None:
    looks = iter([{SIGNATURE: Trace({"a"})}, {}])
    curves = wait_out(lambda: next(looks), {SIGNATURE: Trace({"a", "b"})}, 60.0)
    assert [count for _, count in curves[SIGNATURE].points] == [2, 1, 0]
    assert curves[SIGNATURE].clean_after is not None


@pytest.mark.parametrize(("each", "kind", "looked"), [(5, Kind.SLOW, 210.0), (1, Kind.INCONCLUSIVE, 300.0), (0, Kind.LEAK, 60.0)])
def test_what_goes_one_after_the_other_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, each: int, kind: Kind, looked: float
) -> None:
    """An operator that may ask five times a second has its cleanups in a queue: so many have gone every 30 seconds."""
    left, clock = sorted(names()), itertools.count(-30.0, 30.0)

    def look() -> Found:
        del left[:each]
        return {SIGNATURE: Trace(set(left))} if left else {}

    next(clock)
    monkeypatch.setattr("ghostkey.churn.judge.time", _Clock(lambda: next(clock)))
    there: Found = {SIGNATURE: Trace(names())}
    curves = wait_out(look, there, 60.0)
    (one,) = judge(curves, [there] * 3, subjects(), 60.0)
    assert (one.kind, curves[SIGNATURE].points[-1][0]) == (kind, looked)


def test_nothing_is_waited_for_when_nothing_was_found() -> None:
    assert judge({}, [{}, {}, {}], subjects(), 90.0) == []


KNOWN = Signature("memory", "map[string]string at (main.reconciler).memory")
OTHER = Signature("memory", "map[string]interface {} at stack of x")


def test_map_that_one_look_alone_does_not_show_is_still_there(monkeypatch: pytest.MonkeyPatch) -> None:
    there: Found = {KNOWN: Trace(names())}
    looks = iter([there, {}])  # the look that shows nothing would end the wait
    clock = iter([0.0, 1.0, 2.0, 3.0])
    monkeypatch.setattr("ghostkey.churn.judge.time", _Clock(lambda: next(clock, 99.0)))
    curves = wait_out(lambda: next(looks, there), there, 60.0)
    (one,) = judge(curves, [{}, {}, there], subjects(), 60.0)
    assert (one.kind, one.counts) == (Kind.LEAK, (10, 20, 30))


def test_map_that_the_last_look_alone_shows_is_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    there: Found = {KNOWN: Trace(names())}
    looks = iter([there, {**there, OTHER: Trace(names())}])
    clock = iter([0.0, 1.0, 30.0, 61.0])
    monkeypatch.setattr("ghostkey.churn.judge.time", _Clock(lambda: next(clock, 99.0)))
    curves = wait_out(lambda: next(looks, there), there, 60.0)
    found = {one.signature: one.kind for one in judge(curves, [{}, {}, there], subjects(), 60.0)}
    assert found == {KNOWN: Kind.LEAK, OTHER: Kind.SLOW}
    assert len(curves[KNOWN].points) == 5, "the first, two in patience, and two more until two are alike"


class _Clock:
    """Time that goes as it is told, and waits for nothing."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.monotonic = monotonic

    def sleep(self, _: float) -> None:
        """No wait."""


def test_look_that_could_not_read_the_kind_is_no_point_of_its_curve_and_never_clean() -> None:
    there = {SIGNATURE: Trace({"a", "b"}, "it")}
    blind = iter([False, True, False])
    looks = iter([{}, {}])
    curves = wait_out(lambda: next(looks), there, 60.0, unread=lambda _: next(blind))
    assert [count for _, count in curves[SIGNATURE].points] == [2, 0]
    for first, before in ((there, []), ({}, [SIGNATURE])):
        unread = iter([first == {}, True])
        looks = iter([{}])
        curves = wait_out(
            lambda looks=looks: next(looks), first, 0.2, unread=lambda _, unread=unread: next(unread), before=before
        )
        (one,) = judge(curves, [there, there, first], subjects(), 0.2)
        assert (one.kind, "could not read" in one.because) == (Kind.INCONCLUSIVE, True)
