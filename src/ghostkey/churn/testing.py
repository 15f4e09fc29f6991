"""For tests: `churn`, the marker `@pytest.mark.churn` and `assert_no_ghosts`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import pytest

if TYPE_CHECKING:
    from ghostkey.churn.campaign import Outcome

PathLike = str | Path


class Options(TypedDict, total=False):
    """What a test may say beside the operator; each is the command's option of that name.

    `patience` is in seconds. `faults`: None for none, which is the default, empty for all. `in_cluster`: the operator is given a
    Pod's files in place of a kubeconfig.
    """

    crds: Sequence[PathLike]
    setup: Sequence[PathLike]
    samples: Sequence[PathLike]
    environment: Mapping[str, str]
    plan: PathLike
    patience: float
    rounds: int
    subjects: int
    faults: Sequence[str] | None
    in_cluster: bool


def churn(operator: str, **options: Unpack[Options]) -> Outcome:
    """What `ghostkey churn` finds of this operator: the words that start it."""
    from ghostkey.churn.run import Request, run

    plan, faults = options.get("plan"), options.get("faults")
    return run(
        Request(
            operator,
            _words(options.get("crds", ())),
            _words(options.get("samples", ())),
            _words(options.get("setup", ())),
            options.get("environment", {}),
            options.get("rounds", 3),
            options.get("subjects", 20),
            None if faults is None else tuple(faults),
            options.get("patience", 10.0),
            plan=None if plan is None else Path(plan),
            in_cluster=options.get("in_cluster", False),
        )
    )


def _words(paths: Sequence[PathLike]) -> list[str]:
    return [str(path) for path in paths]


def assert_no_ghosts(outcome: Outcome) -> None:
    """Fails with what is left of whom; and when too little was seen to say so."""
    if outcome.result != "clean":
        left = [f"{verdict.kind} {verdict.signature}: {verdict.because}" for verdict in outcome.findings]
        pytest.fail("\n".join([*left, *outcome.inconclusive]), pytrace=False)


def pytest_configure(config: pytest.Config) -> None:
    """Tells pytest of the marker."""
    config.addinivalue_line("markers", "churn(operator, crds=…, samples=…): the test is given `churned`, what churn found of it")


@pytest.fixture
def churned(request: pytest.FixtureRequest) -> Outcome:
    """What churn found of the operator that `@pytest.mark.churn` names."""
    marker = request.node.get_closest_marker("churn")
    if marker is None:
        raise pytest.UsageError("`churned` needs @pytest.mark.churn(operator=…, crds=…)")
    return churn(*marker.args, **marker.kwargs)
