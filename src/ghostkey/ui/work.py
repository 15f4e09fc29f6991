"""What the view of a cluster has done, without any drawing: scan, plan, trim, undo, by the same steps as on the command line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ghostkey import api
from ghostkey.analyses._gauges import gauges
from ghostkey.kube.client import ApiClient
from ghostkey.model.counts import counted
from ghostkey.model.errors import GhostkeyError, UsageError
from ghostkey.model.findings import Finding
from ghostkey.model.plans import Plan, Receipt
from ghostkey.model.refs import Kind, ObjectRef
from ghostkey.model.silences import Silence, listen
from ghostkey.report.words import left, shares
from ghostkey.silences import annotated_silences, check_understood
from ghostkey.store.state import any_key

Spot = tuple[Kind, str, str]


@dataclass(slots=True)
class MapRow:
    """One map with findings. `share` is how full it is, of the limit that it meets first."""

    holder: ObjectRef
    keys: int
    share: float
    findings: list[Finding] = field(default_factory=list)

    @property
    def spot(self) -> Spot:
        """Where it is."""
        return self.holder.kind, self.holder.namespace, self.holder.name

    def count(self, state: str) -> int:
        """How many of its keys are ghosts, or may be: `found` or `suspect`."""
        return sum(one.state == state and one.analysis in api.TRIMMED for one in self.findings)


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan has found: maps with findings, those with the most ghosts first."""

    maps: list[MapRow]
    maps_count: int
    keys_count: int
    silenced: int
    gaps: list[str]
    at: float


@dataclass(frozen=True, slots=True)
class Asked:
    """What is about to be done: its lines, and the word that has it done; none where there is nothing to do."""

    lines: list[str]
    word: str
    act: Callable[[], list[str]]


class Work:
    """A cluster, what is silenced in it, and where receipts are kept."""

    def __init__(
        self,
        client: ApiClient,
        scope: api.Scope,
        subjects: Sequence[str] = (),
        silences: Iterable[Silence] = (),
        receipts: api.FileReceipts | None = None,
    ) -> None:
        self.client, self._scope, self._subjects, self._silences = client, scope, tuple(subjects), list(silences)
        self._receipts = receipts or api.FileReceipts()

    def scan(self, tell: Callable[[str], None] = lambda _: None) -> Scanned:
        """What is there now, with a second look at each finding. Raises what a scan raises."""
        source = api.cluster(self.client, self._scope, tell)
        snapshot = api.missing(api.collect(source, self.client.config.server), self._scope, self.client)
        tell("looking for ghosts")
        found = [one for one in api.analyse(snapshot, api.declared_links(self._subjects, snapshot)) if self._is_wanted(one)]
        heard = listen(found, [*self._silences, *annotated_silences(snapshot)])
        rows: dict[Spot, MapRow] = {}
        sizes = {(seen.holder.kind, seen.holder.namespace, seen.holder.name): seen for seen in reversed(snapshot.maps)}
        for finding in api.confirm(source, heard.spoken):
            holder = finding.key.holder
            spot = holder.kind, holder.namespace, holder.name
            if spot not in rows:
                seen = sizes.get(spot)
                full = gauges(seen) if seen is not None else []
                keys = seen.meta.key_count if seen is not None and seen.meta is not None else 0
                rows[spot] = MapRow(holder, keys, full[0].share if full else 0.0)
            rows[spot].findings.append(finding)
        maps = sorted(rows.values(), key=lambda row: (-row.count("found"), -row.share, row.spot[1:]))
        gaps = [f"{gap.what}: {gap.why}" for gap in snapshot.gaps]
        return Scanned(maps, len(sizes), snapshot.key_count, len(heard.silenced), gaps, time.monotonic())

    def _is_wanted(self, finding: Finding) -> bool:
        return not self._scope.namespace or finding.key.holder.namespace == self._scope.namespace

    # trim

    def plan(self, spot: Spot) -> Asked:
        """A plan for the ghosts of a map as they are now, and what the API server says to it. Raises what `trim` raises."""
        source = api.cluster(self.client, self._scope)
        snapshot = api.collect(source, self.client.config.server)
        links = api.declared_links(self._subjects, snapshot)
        found = [one for one in api.analyse(snapshot, links) if one.analysis in api.TRIMMED and _spot(one) == spot]
        silences = [*self._silences, *annotated_silences(snapshot)]
        check_understood(snapshot, {one.key.holder for one in found})
        spoken = listen(api.confirm(source, found), silences).spoken
        kind, namespace, name = spot
        live = api.read_map(self.client, kind, namespace, name)
        wanted = [api.wanted_by(one) for one in spoken if one.state == "found"]
        if not wanted:
            return Asked([f"{ObjectRef(kind, namespace, name)} has no ghost that is sure: nothing to trim"], "", list)
        key = any_key()
        plan = api.plan(live, kind, wanted, key, self.client.config.server)
        again = f"ghostkey trim {kind.resource.removesuffix('s')}/{name} -n {namespace} --ghosts"
        api.check_guards(self.client, plan, live, again, even_if=frozenset())
        rest = api.dry_run(self.client, plan, key)
        lines = [f"remove {shares(plan.shares)} of {plan.holder}, by {plan.strategy}", ""]
        lines += [f"- {change}  {change.value_bytes:,} B  {change.reason}" for change in plan.changes]
        said = left(plan.shares, rest).replace("it has", "the map would have").replace("are left", "would be left")
        lines += ["", f"server dry run: accepted, {said}", "a receipt is written first, and u puts everything back"]
        return Asked(lines, str(len(plan.changes)), lambda: self._apply(plan))

    def _apply(self, plan: Plan) -> list[str]:
        key = any_key()
        outcome = api.apply(self.client, plan, self._receipts, key)
        removed = (
            f"removed {shares(outcome.shares, of_total=False)} from {plan.holder}; {left(outcome.shares, outcome.keys_left)}"
        )
        return [removed, f"receipt: {outcome.kept_at}", f"undo:    ghostkey undo {outcome.receipt.id}", *_notes(outcome.notes)]

    # undo

    def undo(self, spot: Spot | None) -> Asked:
        """What would put back the latest trim that is in force, of one map or of all. Raises what `undo` raises."""
        receipt = api.Candidates(self.client, self._receipts, spot).latest()
        if receipt is None:
            return Asked(["nothing to undo: every trim has been undone"], "", list)
        lines = [f"put {counted(len(receipt.keys), 'key')} back into {receipt.holder}", ""]
        lines += [f"+ {key}" for key in receipt.keys]
        lines += ["", f"receipt {receipt.id}, made {receipt.created_at}"]
        return Asked(lines, str(len(receipt.keys)), lambda: self._undo(receipt))

    def _undo(self, receipt: Receipt) -> list[str]:
        done = api.undo(self.client, receipt, self._receipts)
        if not done.restored:
            return [f"nothing to undo: all keys of {receipt.id} are in {receipt.holder}", *_notes(done.notes)]
        return [f"put {counted(done.restored, 'key')} of {receipt.id} back into {receipt.holder}", *_notes(done.notes)]


def chain(finding: Finding) -> list[str]:
    """The evidence of a finding, as `ghostkey explain` tells it."""
    steps = [f"{number}. {step}" for number, step in enumerate(finding.evidence, 1)]
    name = str(finding.key) or finding.key.field
    head = f"{finding.analysis} {finding.fingerprint} ({finding.severity}, {finding.state})"
    return [head, f"{finding.key.holder}: {name}", "", finding.message, *steps]


def failure(error: GhostkeyError) -> list[str]:
    """What went wrong, and where it leads back to."""
    lines = [f"error: {error}", *([f"hint: {error.hint}"] if error.hint else [])]
    receipt, kept_at = getattr(error, "receipt_id", ""), getattr(error, "kept_at", "")
    return [*lines, *([f"receipt: {kept_at}", f"undo:    ghostkey undo {receipt}"] if receipt else [])]


def scope_of(namespace: str, kinds: Sequence[str], holders: Sequence[str], subjects: Sequence[str]) -> api.Scope:
    """The scope of a scan. Raises UsageError for kinds that hold no keys."""
    chosen = api.holder_kinds(holders) if holders else api.Scope().holders
    if not chosen:
        raise UsageError("no kind of map is left to look into")
    return api.Scope(namespace=namespace, holders=chosen, subject_kinds=tuple(kinds), known_by=api.known_by(subjects))


def _spot(finding: Finding) -> Spot:
    holder = finding.key.holder
    return holder.kind, holder.namespace, holder.name


def _notes(notes: Iterable[str]) -> list[str]:
    return [f"note: {note}" for note in notes]
