"""A cluster that is given: subjects in a namespace of our own, an operator that runs there already or that we start.

Nothing is written outside of that namespace. A receipt of it is written before it is made, so that a run that was killed can be cleaned up;
it goes only when it bears the mark of that receipt, at the version that was looked at. Faults are those that need no proxy, and an operator of ours.
"""

from __future__ import annotations

import contextlib
import random
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path

from ghostkey.churn import judge as judging
from ghostkey.churn.audited import OBJECT
from ghostkey.churn.campaign import Outcome, Wanted
from ghostkey.churn.faults import all_faults
from ghostkey.churn.given_authors import Authored
from ghostkey.churn.given_lane import GivenBed, GivenLane
from ghostkey.churn.given_listing import MEMORY, Listing, is_no_answer, resource_of, resources_of
from ghostkey.churn.given_operator import GivenOperator, Started
from ghostkey.churn.given_receipt import MARK, NAMESPACES, Cleaned, Receipt, clean_up, cluster_of
from ghostkey.churn.judge import Kind, Verdict
from ghostkey.churn.metrics import Metrics
from ghostkey.churn.probing import Probe, chosen_faults
from ghostkey.churn.refused import UNAUTHORIZED, Refusals, is_work, may_clean_up
from ghostkey.churn.subjects import Document, Maker, Subject, as_json
from ghostkey.churn.tokens import ALPHABET
from ghostkey.churn.traces import Found, Signature
from ghostkey.kube.client import ApiClient
from ghostkey.kube.credentials import ConfigError
from ghostkey.model.errors import AccessDenied, ApiFailed, GhostkeyError, UsageError

_PREFIX = re.compile(r"[a-z0-9][-a-z0-9]{0,29}")
UNSEEN = "{}: left behind by subjects, and whether it stays could not be looked at"
Progress = Callable[[str], None]


def check_prefix(prefix: str) -> None:
    """Raises UsageError unless names of namespaces may begin so."""
    if not _PREFIX.fullmatch(prefix):
        raise UsageError(f"--namespace-prefix {prefix!r} begins no namespace", "up to 30 of a-z, 0-9 and -, such as gk-")


def impossible_faults(asked: Sequence[str], *, is_ours: bool, elects: bool | None) -> dict[str, list[str]]:
    """Why → faults that cannot strike in a given cluster, of those asked for. `elects`: None where it is not known yet."""
    found: dict[str, list[str]] = {}
    for name in chosen_faults(asked):
        fault = all_faults()[name]
        if not is_ours:
            why = (
                "an operator that runs there already is not ours to lead astray, to kill and to start; --operator starts one here"
            )
        elif fault.weave is None:
            why = "the proxy would have to inject it, and into a cluster that is not ours it injects nothing"
        elif fault.elects and elects is False:
            why = "the operator asks for no Lease, so that two replicas would both work"
        else:
            continue
        found.setdefault(why, []).append(name)
    return found


@dataclass(slots=True)
class Given:
    """One run against a given cluster. `folder`: where receipts are kept."""

    client: ApiClient
    prefix: str
    wanted: Wanted
    folder: Path
    metrics_url: str = ""
    seed: int = 0
    progress: Progress = lambda _: None
    started: Started | None = None
    outcome: Outcome = field(default_factory=Outcome)
    plurals: frozenset[str] = frozenset()  # of the subjects
    before: Refusals = field(default_factory=Refusals)  # until the first subject came
    authored: Callable[[], Authored] | None = None  # what the operator has written, where it is ours

    def run(self, samples: Sequence[Document]) -> Outcome:
        """Rounds of subjects made of these samples, judged. Raises UsageError, AccessDenied, ApiFailed."""
        began = time.monotonic()
        listing = Listing(self.client, resources_of(self.client))
        made_of = [(resource_of(listing.resources, document), document) for document in samples]
        receipt = self._receipt()
        with receipt.written():
            try:
                receipt.made_namespace(self._make_namespace(receipt))
                lane = GivenLane(listing, Maker(made_of, random.Random(f"{self.seed}/{receipt.mark}")), receipt)
                with contextlib.ExitStack() as stack:
                    self.plurals = frozenset(resource.plural for resource, _ in made_of)
                    if self.started is not None:
                        self.progress("starting the operator")
                        lane.given = stack.enter_context(GivenOperator(self.client, self.started, receipt, self.plurals))
                        self.authored = lane.given.authored
                    self._test(lane)
            finally:
                if receipt.path.exists() or receipt.uid:
                    self._clean_up(receipt)
        unseen = (
            "" if self.started is not None else "; its memory is not looked at, and whoever else works there is not told from it"
        )
        self.outcome.notes.append(f"what the operator has left in the given cluster is still there{unseen}")
        self.outcome.seconds = time.monotonic() - began
        return self.outcome

    def _make_namespace(self, receipt: Receipt) -> str:
        """Its uid. Raises AccessDenied, ApiFailed; where the API server's answer is a refusal, nothing is there, and no receipt of it."""
        body = {"metadata": {"name": receipt.namespace, "annotations": {MARK: receipt.mark}}}
        try:
            return str(self.client.write("POST", NAMESPACES, as_json(body))["metadata"]["uid"])
        except (AccessDenied, ApiFailed) as error:
            # 409: what has that name may have come of a request of ours that somebody on the way has sent twice
            if error.status >= HTTPStatus.BAD_REQUEST and not is_no_answer(error) and error.status != HTTPStatus.CONFLICT:
                receipt.path.unlink(missing_ok=True)
            raise

    def _receipt(self) -> Receipt:
        suffix = "".join(secrets.choice(ALPHABET) for _ in range(8))
        namespace = f"{self.prefix.removesuffix('gk-')}gk-lane-1-{suffix}"
        place = self.folder / f"{namespace}.json"
        return Receipt(place, self.client.config.server, namespace, secrets.token_hex(16), cluster=cluster_of(self.client))

    def _clean_up(self, receipt: Receipt) -> None:
        self.progress("removing the namespace")
        try:
            # where somebody has removed the file, what this run has made is known all the same
            with contextlib.suppress(GhostkeyError, FileNotFoundError):
                receipt.read_again()
            cleaned = clean_up(self.client, receipt)
        except (GhostkeyError, OSError) as error:
            cleaned = Cleaned()
            self.outcome.doubt(
                f"namespace {receipt.namespace} could not be removed: {error}; ghostkey churn --clean-up tries again"
            )
        if cleaned.held:
            self.outcome.notes.append(f"finalizers of the operator, taken away at the end, held {cleaned.held} of its subjects")
        if cleaned.why:
            self.outcome.doubt(f"{cleaned.why}; ghostkey churn --clean-up tries again")

    def _test(self, lane: GivenLane) -> None:
        bed = GivenBed(lane.listing, self.metrics_url)
        metrics = Metrics(self.metrics_url)
        began = time.monotonic()
        try:
            self._rounds(lane, bed, metrics)
            self._strike(lane, bed, metrics, began + self.wanted.seconds)
        except GhostkeyError as error:
            if not _is_lost(error):
                raise
            hint = f" ({error.hint})" if error.hint else ""
            self.outcome.doubt(
                f"the cluster could not be looked at any longer, and what would have come is not known: {error}{hint}"
            )
        for why in lane.doubts:
            self.outcome.doubt(why)
        if lane.given is not None:
            self._say_unseen(lane.given)
        for plural, why in sorted(lane.listing.gaps.items()):
            self.outcome.doubt(f"{plural} could not be read: {why}")

    def _rounds(self, lane: GivenLane, bed: GivenBed, metrics: Metrics) -> None:
        history: list[Found] = []
        subjects: list[Subject] = []
        last: Found = {}

        def read() -> Found:
            nonlocal last
            last = bed.traces(lane, subjects, metrics)
            if lane.given is not None:
                last |= self._in_memory(lane.given, lane.listing, subjects, has_metrics=metrics.is_served)
            return last

        if lane.given is not None:
            lane.given.memory.sample(lane.operator.pid)
            self.before = _refused(lane.given)
        for number in range(1, self.wanted.rounds + 1):
            self.progress(f"round {number} of {self.wanted.rounds}")
            fresh = [lane.maker.make(index, lane.namespace) for index in range(self.wanted.subjects)]
            subjects += fresh
            lane.live(fresh, number)
            if lane.given is not None:
                lane.given.memory.sample(lane.operator.pid)
            self.outcome.trials += 1
            self.outcome.subjects += len(fresh)
            try:
                history.append(read())
            except GhostkeyError as error:
                for signature in sorted(set[Signature]().union(*history)) if _is_lost(error) else ():
                    self.outcome.doubt(UNSEEN.format(signature))
                raise
        seen, unread = set[Signature]().union(*history), lane.listing.is_unread
        try:
            curves = judging.wait_out(
                read, history[-1], self.wanted.patience, self.progress, unread=unread, before=[s for s in seen if unread(s)]
            )
        except GhostkeyError as error:
            for signature in sorted(seen) if _is_lost(error) else ():
                self.outcome.doubt(UNSEEN.format(signature))
            raise
        for verdict in judging.judge(curves, history, subjects, self.wanted.patience):
            self.outcome.verdicts.append(self._checked(verdict, last))

    def _strike(self, lane: GivenLane, bed: GivenBed, metrics: Metrics, deadline: float) -> None:
        """The faults that need no proxy, where the operator is ours; those that cannot strike here are told, with the reason."""
        if self.wanted.faults is None:
            return
        if lane.given is not None and _refused(lane.given).words():
            self.outcome.notes.append("no faults: of an operator that is refused what it asks for nothing can be said")
            return
        elects = lane.given.elects() if lane.given is not None else False
        impossible = impossible_faults(self.wanted.faults, is_ours=lane.given is not None, elects=elects)
        for why, names in impossible.items():
            which = "no faults" if lane.given is None else f"no {', '.join(names)}"
            self.outcome.notes.append(f"a given cluster, and {which}: {why}")
        left_out = {name for names in impossible.values() for name in names}
        names = [name for name in chosen_faults(self.wanted.faults) if name not in left_out]
        if not names:
            return
        probe = Probe(bed, lane, metrics, self.outcome.account, self.progress)
        probe.names = names
        probe.kills(deadline)
        if probe.tried < len(names):
            self.outcome.doubt(f"there was no time for {', '.join(names[probe.tried :])}: --for gives more")
        for verdict, plan in probe.verdicts(self.outcome.decided, self.wanted.patience):
            self.outcome.verdicts.append(self._checked(verdict, bed.traces(lane, probe.subjects, metrics)))
            self.outcome.plans[verdict.signature] = plan
        self.outcome.points = probe.tried, probe.fired

    def _say_unseen(self, operator: GivenOperator) -> None:
        """What it was not let do, which may be the very cleanup: no finding that needs it stands then; and what was not seen of it."""
        operator.end_standby()
        refused = _refused(operator)
        if why := refused.told():
            self.outcome.doubt(why)
        after = refused.since(self.before)
        self.outcome.verdicts = [self._taken_back(verdict, after) for verdict in self.outcome.verdicts]
        for why in operator.memory.gaps:
            self.outcome.doubt(why)
        if operator.memory.note:
            self.outcome.notes.append(operator.memory.note)

    def _taken_back(self, verdict: Verdict, refused: Refusals) -> Verdict:
        """A finding that a refused call may have made is none; what a map in memory holds needs no call to go."""
        if not verdict.is_finding or verdict.signature.source == "memory":
            return verdict
        found = OBJECT.match(verdict.example) if verdict.signature.source == "api" else None
        trace = (found[2], found[1] or "") if found is not None else ("", "")
        why = refused.chosen(lambda call: may_clean_up(call, self.plurals, trace)).told()
        return replace(verdict, kind=Kind.INCONCLUSIVE, because=why) if why else verdict

    def _checked(self, verdict: Verdict, last: Found) -> Verdict:
        trace = last.get(verdict.signature)
        if (allowed := judging.allowed(verdict, self.wanted.allow)) is not None:
            return allowed
        if verdict.is_finding and self.authored is not None and trace is not None:
            verdict = self.authored().judged(verdict, trace, self.client)
        if verdict.kind is Kind.INCONCLUSIVE:
            self.outcome.doubt(f"{verdict.signature}: {verdict.because}")
        if not verdict.is_finding:
            return verdict
        for path in sorted(trace.paths)[:1] if trace is not None else ():
            document = self.client.get_object(path) if verdict.kind is not Kind.STUCK else None
            if ((document or {}).get("metadata") or {}).get("ownerReferences"):
                because = "it has ownerReferences, and the garbage collector has not taken it yet"
                self.outcome.inconclusive.append(f"{verdict.signature}: {because}")
                return replace(verdict, kind=Kind.INCONCLUSIVE, because=because)
        return verdict

    def _in_memory(self, operator: GivenOperator, listing: Listing, subjects: Sequence[Subject], *, has_metrics: bool) -> Found:
        names = [named for subject in subjects if subject.is_deleted for named in subject.named()]
        dead = {subject.token: subject.round for subject in subjects if subject.is_deleted}
        try:
            found = operator.memory.traces(self.wanted.subjects, names) | operator.memory.names(dead)
        except (GhostkeyError, OSError) as error:
            listing.gap(MEMORY, str(error))
            return {}
        # where /metrics is read, it tells of each series what the registry's map in memory tells of none
        return {s: t for s, t in found.items() if not (has_metrics and "prometheus.metric" in s.place)}


def _is_lost(error: GhostkeyError) -> bool:
    """Whether it says that the cluster can be asked no more, rather than that something was asked in vain."""
    if isinstance(error, AccessDenied):
        return error.status == UNAUTHORIZED
    return isinstance(error, ConfigError) or (isinstance(error, ApiFailed) and is_no_answer(error))


def _refused(operator: GivenOperator) -> Refusals:
    """What it was not let do until now of its work."""
    return Refusals().add(operator.refusals).add(operator.proxy).chosen(is_work)
