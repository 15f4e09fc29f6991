"""An operator that we start ourselves against a cluster that is given: it sees our subjects alone, and writes where it was allowed to.

Between the two is our proxy, without faults: it leads cluster-wide lists and watches of the subjects' kinds to our namespace, and refuses
every write outside of that namespace and of those that were named. What was refused makes silence inconclusive.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ghostkey.churn import in_cluster
from ghostkey.churn.lane import START_SECONDS
from ghostkey.churn.memory import Memory
from ghostkey.churn.operator import Operator, account_of, command_line
from ghostkey.churn.proxy.client import ProxyProcess
from ghostkey.churn.settle import settle
from ghostkey.model.errors import GhostkeyError

if TYPE_CHECKING:
    from ghostkey.kube.client import ApiClient

REFUSED_TOLD = 8


@dataclass(frozen=True, slots=True)
class Started:
    """How the operator is started. `writes_in`: namespaces in which it may write, beside ours; `account`: NAMESPACE/NAME it asks as."""

    command: str
    environment: Mapping[str, str] = field(default_factory=dict)
    writes_in: Sequence[str] = ()
    account: str = ""
    is_in_cluster: bool = False


class GivenOperator:
    """One operator process of ours, from its start to its end; use it in a `with` block."""

    def __init__(self, client: ApiClient, started: Started, namespace: str, plurals: frozenset[str]) -> None:
        from ghostkey.testing import Supervised

        self._client, self._plurals = client, plurals
        argv = command_line(started.command)
        self._keeper = Supervised()
        self.memory = Memory()
        try:
            account = account_of(started.account) if started.account else None
            self.proxy = ProxyProcess.before_cluster(client.config, self._keeper.directory, account)
            # both before the operator is there: it never was without
            self.proxy.ask("guard", namespaces=[namespace, *started.writes_in])
            self.proxy.ask("narrow", resources=sorted(plurals), namespace=namespace)
            files = None
            if started.is_in_cluster:
                of = started.account.partition("/")[0] or "default"
                files = in_cluster.write_files(self._keeper.directory / "pod", self.proxy.ca, of)
                if reason := in_cluster.why_not(files):
                    raise GhostkeyError(reason, "run as root, or where users may have mount namespaces")
            self.process = Operator(self._keeper, "operator", argv, self.proxy.kubeconfig, started.environment, files)
        except BaseException:
            if proxy := getattr(self, "proxy", None):
                proxy.close()
            self._keeper.close()
            raise

    def __enter__(self) -> GivenOperator:
        self.process.start()
        deadline = time.monotonic() + START_SECONDS
        try:
            while not self._plurals & set(self.proxy.ask("state")["watched"]):
                self.process.check()
                if time.monotonic() > deadline:
                    refused = self.refused(with_leases=True)
                    raise GhostkeyError(
                        f"within {START_SECONDS:.0f} s the operator did not watch {', '.join(sorted(self._plurals))}",
                        f"it was refused {refused[0]}; --writes-in NS lets it write there" if refused else "see docs/churn.md",
                    )
                time.sleep(0.02)
            settle(self.proxy, self.process)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends it, by SIGKILL, and the proxy."""
        self.process.kill()
        self.proxy.close()
        self._keeper.close()

    def settle(self) -> str:
        """Waits until it is done; "" or why it never was. Raises OperatorEnded when it has ended."""
        self.proxy.renew(self._client.config)
        settled = settle(self.proxy, self.process)
        self.process.check()
        return "" if settled.is_calm else f"the operator was never done ({settled.why})"

    def refused(self, *, with_leases: bool = False) -> list[str]:
        """What it was not let write, in words; without a lease it never leads, and does nothing."""
        told = self.proxy.ask("refused")
        words = [f"to hold a lease in {namespace}" for namespace in told["leases"]] if with_leases else []
        return words + [
            f"to {verb} {place} {f'in {namespace}' if namespace else 'of the cluster'}"
            for verb, place, namespace in told["refused"]
        ]

    def managers(self) -> frozenset[str]:
        """As which field managers it has written."""
        return frozenset(self.proxy.ask("refused")["managers"])
