"""What an operator was refused takes a verdict back where the call may have been the cleanup, and no other verdict."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from ghostkey.churn.campaign import Wanted
from ghostkey.churn.given import Given
from ghostkey.churn.given_operator import GivenOperator
from ghostkey.churn.judge import Kind, Verdict
from ghostkey.churn.memory import Memory
from ghostkey.churn.refused import Call, Refusals
from ghostkey.churn.traces import Signature
from ghostkey.kube.client import ApiClient

KEY = Verdict(
    Signature("api", "configmaps a/registry data[<S>] (key)"), Kind.LEAK, (1.0,), (1,), (),
    "/api/v1/namespaces/a/configmaps/registry data[<S>]",
)  # fmt: skip
MAP = Verdict(Signature("memory", "map[string]string at (main.r).seen"), Kind.LEAK, (1.0,), (1,), (), "a map")


def told(before: Counter[Call], after: Counter[Call], verdicts: list[Verdict]) -> Given:
    """A run whose operator was refused these calls, counted from the start, until the first subject and until the end."""
    given = Given(cast(ApiClient, None), "gk-", Wanted(), Path(), plurals=frozenset({"tenants"}))

    def refused(calls: Counter[Call]) -> Refusals:
        return Refusals(denied=Counter({(call, 403): times for call, times in calls.items()}))

    given.before = refused(before)
    given.outcome.verdicts = verdicts
    operator = SimpleNamespace(refusals=refused(after), proxy=Refusals(), memory=Memory(), end_standby=lambda: None)
    given._say_unseen(cast(GivenOperator, operator))
    return given


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (("patch", "configmaps", "a"), Kind.INCONCLUSIVE),
        (("delete", "secrets", "b"), Kind.INCONCLUSIVE),
        (("get", "configmaps", "a"), Kind.INCONCLUSIVE),
        (("list", "configmaps", ""), Kind.INCONCLUSIVE),
        (("watch", "tenants", "b"), Kind.INCONCLUSIVE),
        (("get", "configmaps", "b"), Kind.LEAK),
        (("list", "nodes", ""), Kind.LEAK),
        (("other", "/metrics", ""), Kind.LEAK),
        (("create", "tokenreviews", ""), Kind.LEAK),
        (("create", "subjectaccessreviews", ""), Kind.LEAK),
    ],
)
def test_verdict_is_taken_back_by_calls_that_may_clean_up_alone(call: Call, kind: Kind) -> None:
    given = told(Counter(), Counter({call: 1}), [KEY, MAP])
    assert [verdict.kind for verdict in given.outcome.verdicts] == [kind, Kind.LEAK]


def test_what_was_refused_before_the_first_subject_came_was_no_cleanup_of_one() -> None:
    call = ("patch", "configmaps", "a")
    assert told(Counter({call: 2}), Counter({call: 2}), [KEY]).outcome.findings == [KEY]
    assert not told(Counter({call: 2}), Counter({call: 3}), [KEY]).outcome.findings


@pytest.mark.parametrize(
    ("call", "result"),
    [(("list", "nodes", ""), "inconclusive"), (("other", "/metrics", ""), "clean"), (("create", "tokenreviews", ""), "clean")],
)
def test_silence_is_worth_nothing_where_work_was_refused(call: Call, result: str) -> None:
    assert told(Counter(), Counter({call: 1}), []).outcome.result == result
