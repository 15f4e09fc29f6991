"""For tests: `churn`, the marker `@pytest.mark.churn` and `assert_no_ghosts`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ghostkey.churn.campaign import Outcome

PathLike = str | Path


def churn(
    operator: str, *, crds: Sequence[PathLike] = (), setup: Sequence[PathLike] = (), samples: Sequence[PathLike] = (),
    environment: Mapping[str, str] | None = None, plan: PathLike | None = None, patience: float = 10.0, rounds: int = 3,
    subjects: int = 20, faults: Sequence[str] | None = None, in_cluster: bool = False,
) -> Outcome:  # fmt: skip
    """What `ghostkey churn` finds of this operator. `faults`: None for none, empty for all.

    `in_cluster`: the operator is given a Pod's files in place of a kubeconfig.
    """
    from ghostkey.churn.run import Request, run

    return run(Request(
        operator, _words(crds), _words(samples), _words(setup), environment or {}, rounds, subjects,
        None if faults is None else tuple(faults), patience, plan=Path(plan) if plan is not None else None,
        in_cluster=in_cluster,
    ))  # fmt: skip


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
