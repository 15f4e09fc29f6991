"""One replica of an operator, behind a proxy of its own: several of one lane elect who leads, as in a Deployment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ghostkey.churn import in_cluster
from ghostkey.churn.operator import Operator
from ghostkey.churn.proxy.client import ProxyProcess
from ghostkey.churn.settle import Settled, settle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ghostkey.testing import ControlPlane

STAND_BY_SECONDS = 20.0  # in which a replica asks for its first thing


@dataclass(frozen=True, slots=True)
class Replicas:
    """How replicas of one lane are made."""

    control_plane: ControlPlane
    argv: Sequence[str]
    environment: Mapping[str, str]
    user_kubeconfig: Path | None
    lane: int
    pod_namespace: str = ""

    def make(self, number: int, lease_suffix: str) -> Replica:
        """A replica that does not run yet."""
        name = f"{self.lane}-{number}" if number else str(self.lane)
        proxy = ProxyProcess.before(self.control_plane, f"churn-proxy-{name}", self.user_kubeconfig)
        proxy.ask("own-leases", suffix=lease_suffix)
        files = None
        if self.pod_namespace:
            files = in_cluster.write_files(
                self.control_plane.directory / f"pod-{name}", proxy.ca, self.pod_namespace, proxy.token
            )
        operator = Operator(self.control_plane, f"operator-{name}", self.argv, proxy.kubeconfig, self.environment, files)
        return Replica(operator, proxy)


@dataclass(frozen=True, slots=True)
class Replica:
    """An operator and its proxy."""

    operator: Operator
    proxy: ProxyProcess

    def start(self) -> Settled:
        """Starts it, and waits until it has asked the API server for something and is calm: it leads, or waits to."""
        self.operator.start()
        self.proxy.ask("pid", pid=self.operator.pid)
        return settle(self.proxy, self.operator, lambda: self.proxy.ask("state")["reads"] > 0, patience=STAND_BY_SECONDS)

    def close(self) -> None:
        """Ends both."""
        self.operator.kill()
        self.proxy.close()
