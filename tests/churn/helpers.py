"""Runs of churn on one shared control plane, each with a registry of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ghostkey.churn import bed as beds
from ghostkey.churn.campaign import Campaign, Outcome, Wanted
from ghostkey.churn.judge import Kind
from ghostkey.churn.lane import Lane, Setting
from ghostkey.churn.plan import FaultPoint
from ghostkey.churn.probing import Learnt, Probe, learn, many, points
from ghostkey.churn.traces import Signature
from ghostkey.testing import ControlPlane, binary, testbed_directory

CRD = yaml.safe_load((testbed_directory() / "tenant-operator" / "crd.yaml").read_text())
SETUP = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tenant-system"}}]
SAMPLE = {"apiVersion": "demo.ghostkey.dev/v1", "kind": "Tenant", "metadata": {"name": "acme"}, "spec": {"plan": "gold"}}
PATIENCE = 3.0
PATIENCE_OF_ROUNDS = 1.5  # nothing that is refused has to be asked for again
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


# in a cluster that is given
GIVEN_RUN = ("churn", "--yes", "--subjects=3", "--patience=1s", "-o", "json")


def operator(mistake: str, *flags: str) -> str:
    """The option that starts the tenant operator with a mistake."""
    return f"--operator={' '.join([str(binary('tenant-operator')), *([f'--mistake={mistake}'] if mistake else []), *flags])}"


def namespaces(cluster: ControlPlane) -> set[str]:
    """Names of all there are."""
    return {item["metadata"]["name"] for item in cluster.request("GET", "/api/v1/namespaces")["items"]}


@dataclass
class TenantBed:
    """Where the tenant operator is tested, with this mistake or that."""

    bed: beds.Bed
    pod_namespace: str = ""
    front: tuple[str, ...] = ()  # words before the operator's own
    user_kubeconfig: Path | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @contextlib.contextmanager
    def campaign(self, mistake: str = "", *flags: str, seed: int = 0, **wanted: Any) -> Iterator[tuple[Campaign, Lane, str]]:
        """A campaign whose operator runs, its lane, and the name of its registry."""
        registry = f"registry-{next(self._numbers)}"
        argv = [*self.front, str(binary("tenant-operator")), f"--registry-name={registry}", *flags]
        argv += [f"--mistake={mistake}"] if mistake else []
        setting = Setting(
            argv,
            self.bed.samples([SAMPLE], [CRD]),
            user_kubeconfig=self.user_kubeconfig,
            seed=seed,
            pod_namespace=self.pod_namespace,
        )
        self.bed.gaps.clear()
        campaign = Campaign(self.bed, setting, dataclasses.replace(Wanted(patience=PATIENCE_OF_ROUNDS), **wanted))
        lane = campaign.lane()
        # what other tests have left in other namespaces is none of this operator's
        lane.narrow()
        try:
            lane.start()
            yield campaign, lane, registry
        finally:
            lane.close()
            # the webhook of one mistake outlives its operator
            self.bed.api.ask("DELETE", f"{WEBHOOKS}/strip-owner-references")

    def rounds(self, mistake: str = "", *flags: str, seed: int = 0, **wanted: Any) -> tuple[Outcome, str]:
        """What rounds alone find, and the name of the registry."""
        with self.campaign(mistake, *flags, seed=seed, **wanted) as (campaign, lane, registry):
            campaign.rounds(lane)
            return campaign.finish(), registry

    def fault(self, name: str, mistake: str, *flags: str) -> tuple[set[str], int]:
        """Signatures that one fault alone brings about, and how often it struck."""
        with self.campaign(mistake, *flags) as (campaign, lane, registry):
            outcome, _ = self._probe(campaign, lane, name)
            return {str(s).replace(registry, "registry") for s in outcome}, campaign.outcome.points[1]

    def _probe(self, campaign: Campaign, lane: Lane, name: str) -> tuple[set[Signature], Probe]:
        probe = Probe(self.bed, lane, campaign.metrics, campaign.account, campaign.tell)
        probe.learn([name])
        probe.points_at_once()
        found = probe.verdicts(set(), PATIENCE)
        probe.kills(float("inf"))
        found += probe.verdicts(set(), PATIENCE)
        campaign.outcome.points = probe.tried, probe.fired
        return {verdict.signature for verdict, _ in found if verdict.kind is Kind.LEAK}, probe


@contextlib.contextmanager
def tenant_bed() -> Iterator[TenantBed]:
    with beds.made([CRD], SETUP) as bed:
        yield TenantBed(bed)


def leaks(outcome: Outcome, registry: str) -> set[str]:
    """Signatures of leaks, the registry by one name."""
    return {str(v.signature).replace(registry, "registry") for v in outcome.verdicts if v.kind is Kind.LEAK}


__all__ = [
    "CRD",
    "GIVEN_RUN",
    "SAMPLE",
    "SETUP",
    "FaultPoint",
    "Learnt",
    "TenantBed",
    "leaks",
    "learn",
    "many",
    "namespaces",
    "operator",
    "points",
    "tenant_bed",
]
