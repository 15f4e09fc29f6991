"""What carries out plans, and what their traces are read from: on a control plane of our own, or in a cluster that is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ghostkey.churn.lane import Trial
    from ghostkey.churn.metrics import Metrics
    from ghostkey.churn.operator import Operator
    from ghostkey.churn.plan import Plan
    from ghostkey.churn.proxy.client import ProxyProcess
    from ghostkey.churn.subjects import Maker, Subject
    from ghostkey.churn.traces import Found, Signature


class Runner(Protocol):
    """One operator and the namespace of its subjects."""

    @property
    def maker(self) -> Maker:
        """What makes subjects."""
        ...

    @property
    def namespace(self) -> str:
        """Where subjects are."""
        ...

    @property
    def operator(self) -> Operator:
        """The replica that leads."""
        ...

    @property
    def proxy(self) -> ProxyProcess:
        """Its proxy."""
        ...

    def run(self, plan: Plan) -> Trial:
        """Carries a plan out."""
        ...


class Sources(Protocol):
    """What is left of the dead."""

    metrics_url: str

    def traces(self, lane: Runner, subjects: Sequence[Subject], metrics: Metrics) -> Found:
        """In the API and in metrics."""
        ...

    def metric_traces(self, lane: Runner, subjects: Sequence[Subject], metrics: Metrics) -> Found:
        """In metrics."""
        ...

    def is_unread(self, signature: Signature) -> bool:
        """Whether the last look could not read what a signature is in, which says nothing of it then."""
        ...

    def wait_for_collector(self, lane: Runner) -> bool:
        """Whether the garbage collector has passed since now."""
        ...
