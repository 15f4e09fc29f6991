"""One run from the words of a command line or a test to an outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ghostkey.churn import bed as beds
from ghostkey.churn.campaign import Campaign, Outcome, Wanted
from ghostkey.churn.judge import Verdict
from ghostkey.churn.lane import Lane, Setting
from ghostkey.churn.operator import account_of, command_line
from ghostkey.churn.plan import plan_in
from ghostkey.churn.subjects import Document, Resource, crd_of, read_documents
from ghostkey.model.errors import GhostkeyError

if TYPE_CHECKING:
    from ghostkey.testing import ControlPlane

RIGHTS_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for; the command's options, one field each. `faults`: None for none, empty for all."""

    operator: str
    crds: Sequence[str] = ()
    samples: Sequence[str] = ()
    setup: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    rounds: int = 3
    subjects: int = 20
    faults: tuple[str, ...] | None = ()
    patience: float = 90.0
    seconds: float = 600.0
    plan: Path | None = None
    allow: tuple[tuple[str, str], ...] = ()
    account: str = ""
    metrics_url: str = ""
    seed: int = 0
    reproduction: Path | None = None
    code: Path | None = None
    life: float = 0.0
    in_cluster: bool = False

    def wanted(self) -> Wanted:
        """How much is done."""
        return Wanted(self.rounds, self.subjects, self.patience, self.allow, self.faults, self.seconds)


def run(request: Request, progress: Callable[[str], None] = lambda _: None) -> Outcome:
    """Tests the operator on a control plane of its own. Raises UsageError, GhostkeyError, OperatorEnded."""
    argv = command_line(request.operator)
    crds, setup, samples = (read_documents(paths) for paths in (request.crds, request.setup, request.samples))
    plan = plan_in(request.plan) if request.plan is not None else None
    progress("starting a control plane")
    with beds.made(crds, setup) as bed:
        bed.metrics_url = request.metrics_url
        user = account_kubeconfig(bed.control_plane, request.account)
        pod_namespace = pod_namespace_of(bed.control_plane, request) if request.in_cluster else ""
        setting = Setting(argv, bed.samples(samples, crds), request.environment, user, request.seed, request.life, pod_namespace)
        campaign = Campaign(bed, setting, request.wanted(), progress)
        lane = campaign.lane()
        try:
            campaign.tell("starting the operator")
            lane.start()
            if plan is not None:
                campaign.plan(lane, plan)
            else:
                _explore(campaign, lane, request)
        finally:
            lane.close()
        if request.reproduction is not None:
            campaign.reduce()
        campaign.outcome.notes += [] if plan is not None else nonsense_notes(bed, crds, setting.samples)
        return _reproduced(campaign, request, crds, setup, samples)


def _explore(campaign: Campaign, lane: Lane, request: Request) -> None:
    campaign.rounds(lane)
    if request.faults is not None:
        campaign.faults(lane)


def nonsense_notes(bed: beds.Bed, crds: Sequence[Document], samples: Sequence[tuple[Resource, Document]]) -> list[str]:
    """Which names, keys and selectors of the subjects' kinds may be "" or " ", as the API server's dry run says."""
    from ghostkey.churn.generator import accepting_nonsense

    notes = []
    for resource, sample in samples:
        crd = crd_of(crds, resource)
        if crd is None:
            continue
        base = {**sample, "metadata": {"name": "nonsense"}}
        for path, accepted in accepting_nonsense(crd, resource, base, bed.api).items():
            if blank := [value for value in accepted if value in {'""', '" "'}]:
                notes.append(f"{resource.kind} {path} may be {' and '.join(blank)}: the CRD asks for no minLength or pattern")
    return notes


def _reproduced(
    campaign: Campaign, request: Request, crds: Sequence[Document], setup: Sequence[Document], samples: Sequence[Document]
) -> Outcome:
    if campaign.outcome.findings:
        from ghostkey.churn.past import lives_of

        campaign.tell("asking the audit log and the WAL")
        campaign.outcome.lives = lives_of(campaign.outcome.findings, campaign.bed.control_plane)
    outcome = campaign.finish()
    if request.code is not None and outcome.findings:
        from ghostkey.churn.code import code_of

        outcome.code = code_of(outcome.findings, request.code)
    if request.reproduction is not None and outcome.findings:
        from ghostkey.churn.reproduce import Case, write

        case = Case(
            request.operator, dict(request.environment), list(crds), list(setup), list(samples), is_in_cluster=request.in_cluster
        )
        for verdict in outcome.findings:
            if (plan := outcome.plans.get(verdict.signature)) is not None:
                write(request.reproduction, case, verdict, plan)
            else:
                outcome.notes.append(f"{verdict.signature}: no reproduction is written: {why_not_reduced(outcome, verdict)}")
    return outcome


def why_not_reduced(outcome: Outcome, verdict: Verdict) -> str:
    """Why there are no least steps of a finding."""
    if verdict.signature.source == "memory":
        return "a map in memory needs rounds to show, and no few steps"
    if (reduced := outcome.reduced.get(verdict.signature)) is not None:
        return f"the least steps showed it {reduced.shown} of {reduced.tried} times"
    return "there was no time to make it small: --for gives more"


def pod_namespace_of(control_plane: ControlPlane, request: Request) -> str:
    """The namespace that the operator's Pod would be in: its account's. Raises GhostkeyError where no Pod's files can be given."""
    from ghostkey.churn import in_cluster

    namespace = request.account.partition("/")[0] or "default"
    here = control_plane.directory
    if reason := in_cluster.why_not(in_cluster.write_files(here / "pod", here / "ca.crt", namespace, "none yet")):
        raise GhostkeyError(reason, "run as root, or where users may have mount namespaces; or let the operator use KUBECONFIG")
    return namespace


def account_kubeconfig(control_plane: ControlPlane, account: str) -> Path | None:
    """A kubeconfig of a service account, by certificate: rights come from RBAC alone. None for the administrator."""
    if not account:
        return None
    user, groups = account_of(account)
    return control_plane.kubeconfig_for(user, groups=groups)
