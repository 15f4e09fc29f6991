"""An operator that we start ourselves against a cluster that is given: it sees our subjects alone, and writes where it was allowed to.

Between the two is our proxy, which injects nothing: it leads cluster-wide lists and watches of the subjects' kinds to our namespace, keeps
the operator's Leases there, and refuses every write outside of it and of the namespaces that were named. What was refused, by it or by the
API server, makes silence inconclusive.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ghostkey.churn import in_cluster
from ghostkey.churn.given_authors import Authored
from ghostkey.churn.lane import EFFECT_SECONDS, START_SECONDS
from ghostkey.churn.memory import Memory
from ghostkey.churn.operator import Operator, account_of, command_line
from ghostkey.churn.proxy.client import ProxyProcess
from ghostkey.churn.refused import Refusals
from ghostkey.churn.replica import Replica
from ghostkey.churn.settle import Settled, settle, wait_for_answers
from ghostkey.model.errors import AccessDenied, ApiFailed, GhostkeyError

if TYPE_CHECKING:
    from ghostkey.churn.given_receipt import Receipt
    from ghostkey.kube.client import ApiClient

LEASE_TRIES = 20


@dataclass(frozen=True, slots=True)
class Started:
    """How the operator is started. `writes_in`: namespaces in which it may write, beside ours; `account`: NAMESPACE/NAME it asks as."""

    command: str
    environment: Mapping[str, str] = field(default_factory=dict)
    writes_in: Sequence[str] = ()
    account: str = ""
    is_in_cluster: bool = False


class GivenOperator:
    """An operator of ours, from its start to its end, in one replica or two; use it in a `with` block."""

    def __init__(self, client: ApiClient, started: Started, receipt: Receipt, plurals: frozenset[str]) -> None:
        from ghostkey.testing import Supervised

        self._client, self._started, self._receipt, self._plurals = client, started, receipt, plurals
        self._argv = command_line(started.command)
        self._account = account_of(started.account) if started.account else None
        self._keeper = Supervised()
        self.memory = Memory()
        self.refusals, self._authored = Refusals(), Authored()  # the latter of replicas that have ended
        self._made = 0
        self._stands_by: Replica | None = None
        try:
            self._leads = self._replica()
        except BaseException:
            self._keeper.close()
            raise

    @property
    def proxy(self) -> ProxyProcess:
        """The proxy of the replica that leads."""
        return self._leads.proxy

    @property
    def process(self) -> Operator:
        """The replica that leads."""
        return self._leads.operator

    def _replica(self) -> Replica:
        """One that does not run yet."""
        number, self._made = self._made, self._made + 1
        name = f"operator-{number}" if number else "operator"
        proxy = ProxyProcess.before_cluster(self._client.config, self._keeper.directory, f"proxy-{name}", self._account)
        try:
            # all before the operator is there: it never was without
            namespace = self._receipt.namespace
            proxy.ask("guard", namespaces=[namespace, *self._started.writes_in], noted_in=str(self._receipt.path))
            proxy.ask("narrow", resources=sorted(self._plurals), namespace=namespace)
            proxy.ask("own-leases", suffix="", namespace=namespace)
            files = None
            if self._started.is_in_cluster:
                of = self._started.account.partition("/")[0] or "default"
                files = in_cluster.write_files(self._keeper.directory / f"pod-{name}", proxy.ca, of, proxy.token)
                if reason := in_cluster.why_not(files):
                    raise GhostkeyError(reason, "run as root, or where users may have mount namespaces")
            return Replica(Operator(self._keeper, name, self._argv, proxy.kubeconfig, self._started.environment, files), proxy)
        except BaseException:
            proxy.close()
            raise

    def __enter__(self) -> GivenOperator:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all of it, by SIGKILL."""
        self.end_standby()
        self._end(self._leads)
        self._keeper.close()

    def _end(self, replica: Replica) -> None:
        replica.operator.kill()
        with contextlib.suppress(GhostkeyError):  # what it has sent is still carried out
            wait_for_answers(replica.proxy)
        self.refusals.add(replica.proxy)
        with contextlib.suppress(GhostkeyError):  # the proxy is gone: what it has noted in the receipt is known
            self._authored.add(replica.proxy)
            self._receipt.managers |= set(replica.proxy.ask("refused")["managers"])
        self._receipt.put |= self._authored.finalizers
        replica.proxy.close()

    def authored(self) -> Authored:
        """What its replicas have written until now. Raises GhostkeyError when the proxy is gone."""
        found = Authored().add(self._authored).add(self.proxy)
        return found.add(self._stands_by.proxy) if self._stands_by is not None else found

    def start(self) -> None:
        """Starts it, and waits until it watches our subjects. Raises OperatorEnded, GhostkeyError."""
        self.proxy.ask("forget")
        self.process.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._plurals & set(self.proxy.ask("state")["watched"]):
            self.process.check()
            if time.monotonic() > deadline:
                refused = self.refused(with_leases=True)
                raise GhostkeyError(
                    f"within {START_SECONDS:.0f} s the operator did not watch {', '.join(sorted(self._plurals))}",
                    f"it was refused: {refused[0]}" if refused else "see docs/churn.md",
                )
            time.sleep(0.02)
        settle(self.proxy, self.process)

    def restart(self) -> None:
        """After an end by whatever signal: a Lease that the dead one holds is freed, as 15 seconds of waiting would."""
        self.process.kill()
        self._free_leases()
        self.start()

    def settle(self, done: Callable[[], bool] | None = None, patience: float = EFFECT_SECONDS) -> Settled:
        """Waits until it is done; `done` is one more condition, waited for so many seconds of calm at most."""
        # where there are none, those at hand may still hold; what is refused is counted, with the reason
        with contextlib.suppress(GhostkeyError):
            self.proxy.renew(self._client.config)
        return settle(self.proxy, self.process, done, patience=patience)

    # replicas

    def elects(self) -> bool:
        """Whether it has asked for a Lease."""
        return bool(self.proxy.ask("leases")["leases"])

    def add_replica(self) -> str:
        """Starts a second one, which waits to lead; "" or why it does not run. Harmless when there is one."""
        if self._stands_by is not None:
            return ""
        self._stands_by = self._replica()
        self._stands_by.start()
        if not self._stands_by.operator.has_ended():
            return ""
        last = self._stands_by.operator.tail().strip().splitlines()[-1:]
        self.end_standby()
        return f"a second replica does not run beside the first: {last}; a port of its own (:0) may be all it needs"

    def change_leader(self) -> None:
        """Kills the one that leads; the other takes over. Without another it is a restart."""
        if self._stands_by is None:
            self.restart()
            return
        self.process.kill()
        self._free_leases()
        self._end(self._leads)
        self._leads, self._stands_by = self._stands_by, None
        self.start()

    def end_standby(self) -> None:
        """Ends the one that does not lead; harmless when there is none."""
        if self._stands_by is not None:
            self._end(self._stands_by)
            self._stands_by = None

    def _free_leases(self) -> None:
        inside = f"/namespaces/{self._receipt.namespace}/"
        with contextlib.suppress(AccessDenied):  # then it runs out by itself
            for path in (path for path in self.proxy.ask("leases")["leases"] if inside in path):
                self._free(path)

    def _free(self, path: str) -> None:
        for _ in range(LEASE_TRIES):
            live = self._client.get_object(path)
            if live is None:
                return
            try:
                self._client.delete(path, live["metadata"]["uid"], live["metadata"]["resourceVersion"])
            except ApiFailed as error:
                if error.status not in {404, 409}:  # somebody has written it in between
                    raise

    def touches(self, tokens: Sequence[str]) -> Counter[str]:
        """Token → how many of its calls named it, writes alone."""
        return Counter(self.proxy.ask("touched", tokens=list(tokens))["touched"])

    def refused(self, *, with_leases: bool = False) -> list[str]:
        """What the replica that leads, and those before it, were not let do until now; without a Lease none leads, or does anything."""
        return Refusals().add(self.refusals).add(self.proxy).words(with_leases=with_leases)
