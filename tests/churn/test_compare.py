"""What is said of two builds: a build of which not everything could be seen acquits nothing."""

from __future__ import annotations

import pytest

from ghostkey.churn.campaign import Outcome
from ghostkey.churn.compare import Compared, changes_of
from ghostkey.churn.judge import Kind, Verdict
from ghostkey.churn.traces import Signature

KEY = Signature("api", "configmaps x/y data[<S>] (key)")


def outcome(kind: Kind | None, rate: float = 1.0, inconclusive: str = "") -> Outcome:
    verdicts = [Verdict(KEY, kind, (rate, rate, rate), (1, 2, 3), (), "")] if kind else []
    return Outcome(verdicts, [inconclusive] if inconclusive else [])


@pytest.mark.parametrize(
    ("before", "now", "change", "code"),
    [
        (outcome(None), outcome(Kind.LEAK), "new", 1),
        (outcome(Kind.SLOW), outcome(Kind.LEAK), "new", 1),
        (outcome(Kind.PARTIAL, 0.3), outcome(Kind.LEAK), "worse", 1),
        (outcome(Kind.PARTIAL, 0.3), outcome(Kind.PARTIAL, 0.8), "worse", 1),
        (outcome(Kind.PARTIAL, 0.3), outcome(Kind.PARTIAL, 0.4), "same", 0),
        (outcome(Kind.LEAK), outcome(Kind.LEAK), "same", 0),
        (outcome(Kind.LEAK), outcome(Kind.PARTIAL, 0.2), "better", 0),
        (outcome(Kind.LEAK), outcome(None), "gone", 0),
        (outcome(Kind.LEAK), outcome(None, inconclusive="memory"), "unknown", 3),
        (outcome(None, inconclusive="memory"), outcome(Kind.LEAK), "unknown", 3),
    ],
)
def test_change_of_a_signature(before: Outcome, now: Outcome, change: str, code: int) -> None:
    compared = Compared(before, now, changes_of(before, now))
    assert [one.change for one in compared.changes] == [change]
    assert compared.exit_code == code


def test_what_is_allowed_or_clean_is_no_change() -> None:
    assert not changes_of(outcome(None), outcome(Kind.ALLOWED))
    assert not changes_of(outcome(Kind.SLOW), outcome(Kind.RETENTION))
