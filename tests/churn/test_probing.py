"""What faults bring about, where it cannot be looked at any longer: neither there nor gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from ghostkey.churn.judge import Kind
from ghostkey.churn.lane import Trial
from ghostkey.churn.metrics import Metrics
from ghostkey.churn.plan import Plan, round_of
from ghostkey.churn.probing import CONFIRMATIONS, Probe
from ghostkey.churn.subjects import Subject
from ghostkey.churn.traces import Found, Signature, Trace

LEFT = Signature("api", "configmaps <ns>/registry data[<S>] (key)")


class Looks:
    """What each look shows, the first of all subjects and one each; None where it could read nothing, as no real source does at will."""

    metrics_url = ""

    def __init__(self, *looks: set[str] | None) -> None:
        self._looks, self._now = list(looks), set[str]() or None

    def traces(self, *_: object) -> Found:
        self._now = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        return {LEFT: Trace(set(self._now), "it")} if self._now else {}

    def is_unread(self, _: Signature) -> bool:
        return self._now is None

    def wait_for_collector(self, _: object) -> bool:
        return True


class Lane:
    """Carries out any plan."""

    def run(self, plan: Plan) -> Trial:
        return Trial(plan, subjects("n", len(plan.subjects)))


def subjects(letter: str, count: int) -> list[Subject]:
    return [Subject(f"{letter}{number}", number, [], 1, True, fault="watch-cut") for number in range(count)]


@pytest.mark.parametrize(
    ("looks", "kinds"),
    [
        ([{"a0"}, None], [Kind.INCONCLUSIVE]),
        ([{"a0"}, set()], []),
        ([{"a0"}, {"a0"}, set(), None], [Kind.INCONCLUSIVE]),
        ([{"a0"}, {"a0"}, None, {"n0", "n1", "n2"}], [Kind.INCONCLUSIVE]),
        ([{"a0"}, {"a0"}, set(), {"n0", "n1", "n2"}], [Kind.LEAK]),
    ],
)
def test_what_could_not_be_looked_at_again_is_not_acquitted(looks: Sequence[set[str] | None], kinds: list[Kind]) -> None:
    probe = Probe(cast("Any", Looks(*looks)), cast("Any", Lane()), Metrics(), lambda *_: None, lambda _: None)
    probe.subjects = subjects("a", 1)
    probe.how = {"a0": round_of(CONFIRMATIONS)}
    found = [verdict for verdict, _ in probe.verdicts(set(), 0.0)]
    assert [verdict.kind for verdict in found] == kinds
    assert all("could not read" in verdict.because for verdict in found if verdict.kind is Kind.INCONCLUSIVE)
