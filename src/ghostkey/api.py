"""The library's front door: collect, analyse, plan, apply and undo, verify.

>>> snapshot = collect(cluster(load_config()))                     # doctest: +SKIP
>>> findings = analyse(snapshot)                                   # doctest: +SKIP
>>> outcome = apply(client, plan(live, kind, wanted, digest_key()), FileReceipts(), digest_key())  # doctest: +SKIP
>>> undo(client, outcome.receipt, FileReceipts())                  # doctest: +SKIP
>>> verify(client, outcome.receipt.holder, keys, seconds=600)      # doctest: +SKIP
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from ghostkey.analyses import chosen_analyses
from ghostkey.analyses._base import View
from ghostkey.analyses._declared import ObjectLink
from ghostkey.declarations import annotated_links, declared_links, known_by, parse_subject
from ghostkey.inference.account import account_of, living
from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.results import Link
from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import load_config
from ghostkey.model.errors import UsageError
from ghostkey.model.events import Event
from ghostkey.model.findings import Finding, Severity
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, Kind
from ghostkey.second_look import confirm, with_writers
from ghostkey.sources._asked import not_there, nothing_to_judge_by
from ghostkey.sources.live_cluster import LiveCluster, Progress, Scope
from ghostkey.store.snapshot import Snapshot

if TYPE_CHECKING:
    from ghostkey.actions.checks import renewed
    from ghostkey.actions.guards import check_guards
    from ghostkey.actions.plan import Wanted, check_limits, read_map, wanted_by
    from ghostkey.actions.plan import plan_trim as plan
    from ghostkey.actions.receipts import ClusterReceipts, FileReceipts
    from ghostkey.actions.strangers import load_plan
    from ghostkey.actions.trim import Outcome, dry_run
    from ghostkey.actions.trim import apply_trim as apply
    from ghostkey.actions.undo import Candidates, Restored, list_receipts, meant_receipt
    from ghostkey.actions.undo import apply_undo as undo
    from ghostkey.actions.verify import Listener, Readded, Watched
    from ghostkey.actions.verify import watch_keys as verify
    from ghostkey.census.census import Process
    from ghostkey.census.remote import RemoteProcess
    from ghostkey.sources.go_maps import GoMaps
    from ghostkey.sources.manifests import Manifests

__all__ = [
    "TRIMMED",
    "Candidates",
    "ClusterReceipts",
    "FileReceipts",
    "Finding",
    "Link",
    "Listener",
    "ObjectLink",
    "Outcome",
    "Readded",
    "Restored",
    "Scope",
    "Severity",
    "Snapshot",
    "SubjectIndex",
    "Wanted",
    "Watched",
    "account_of",
    "analyse",
    "apply",
    "check_guards",
    "check_limits",
    "cluster",
    "collect",
    "collect_with",
    "confirm",
    "declared_links",
    "dry_run",
    "go_maps",
    "known_by",
    "linked_entries",
    "list_receipts",
    "living",
    "load_config",
    "load_plan",
    "manifests",
    "meant_receipt",
    "missing",
    "parse_subject",
    "plan",
    "read_map",
    "renewed",
    "undo",
    "verify",
    "wanted_by",
    "with_writers",
]  # fmt: skip

TRIMMED = {"ghost-key", "tombstone"}  # analyses whose findings are keys that may go


# actions are imported when they are first asked for: a scan is over in less time than their import would add to it
_ACTIONS = {
    "Candidates": "undo.Candidates", "ClusterReceipts": "receipts.ClusterReceipts", "FileReceipts": "receipts.FileReceipts",
    "Listener": "verify.Listener", "Outcome": "trim.Outcome", "Readded": "verify.Readded", "Restored": "undo.Restored", "Wanted": "plan.Wanted",
    "Watched": "verify.Watched", "apply": "trim.apply_trim", "check_guards": "guards.check_guards", "check_limits": "plan.check_limits", "dry_run": "trim.dry_run",
    "list_receipts": "undo.list_receipts", "meant_receipt": "undo.meant_receipt", "load_plan": "strangers.load_plan", "plan": "plan.plan_trim",
    "read_map": "plan.read_map", "renewed": "checks.renewed", "undo": "undo.apply_undo", "verify": "verify.watch_keys",
    "wanted_by": "plan.wanted_by",
}  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _ACTIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _ACTIONS[name].partition(".")
    found: object = getattr(importlib.import_module(f"ghostkey.actions.{module}"), attribute)
    globals()[name] = found
    return found


class EventSource(Protocol):
    """What `collect` reads: anything that yields events."""

    def events(self) -> Iterable[Event]:
        """All events, once."""
        ...


def cluster(client: ApiClient, scope: Scope | None = None, progress: Progress = lambda _: None) -> LiveCluster:
    """The source of a live cluster."""
    return LiveCluster(client, scope or Scope(), progress)


def manifests(paths: Sequence[str], scope: Scope | None = None, progress: Progress = lambda _: None) -> Manifests:
    """The source of files, folders and archives."""
    from ghostkey.sources.manifests import Manifests

    return Manifests(paths, scope or Scope(), progress)


def collect(source: EventSource, name: str = "") -> Snapshot:
    """The snapshot of everything the source yields. Raises what the source raises; gaps are in the snapshot."""
    snapshot = Snapshot(name)
    snapshot.absorb(source.events())
    return snapshot


def go_maps(process: Process | RemoteProcess, addresses: Collection[int] | None = None) -> GoMaps:
    """The source of the maps in the memory of a process, or of those at some addresses alone.

    Their keys are read now, before a cluster is asked what lives.
    """
    from ghostkey.sources.go_maps import GoMaps

    return GoMaps(process, addresses)


def collect_with(source: EventSource, maps: Sequence[GoMaps], name: str = "") -> Snapshot:
    """The snapshot of a cluster or a dump, and of those maps of processes that may be about its objects."""
    snapshot = collect(source, name)
    index = SubjectIndex(snapshot.subjects) if maps else None
    for several in maps:
        snapshot.absorb(several.events(index.may_stand_in if index is not None else lambda _: True))
    return snapshot


def linked_entries(snapshot: Snapshot, links: Sequence[Link | ObjectLink] = ()) -> set[str]:
    """Holders of the maps in memory whose keys are linked to objects: of others nobody can say whether an entry is a ghost."""
    keyed = [link for link in links if isinstance(link, Link)]
    return {result.seen.holder.name for result in View(snapshot, keyed).entries}


def missing(snapshot: Snapshot, scope: Scope, client: ApiClient | None = None) -> Snapshot:
    """The snapshot, with a gap for everything that the scope names and that is not there; `client` is None for a dump."""
    snapshot.gaps += not_there(snapshot, scope, client)
    if client is None:
        snapshot.notes += nothing_to_judge_by(snapshot, scope)
    return snapshot


def analyse(snapshot: Snapshot, links: Sequence[Link | ObjectLink] = (), only: Sequence[str] = ()) -> list[Finding]:
    """Findings of all analyses (or those named), worst first, then by map and key. Raises UsageError for unknown names.

    Each of several clusters in a dump is judged by itself.
    """
    analyses = chosen_analyses(only)
    found: list[Finding] = []
    for part in snapshot.parts or [snapshot]:
        own = [_of_part(link, part) for link in links]
        keyed = [link for link in own if isinstance(link, Link)]
        view = View(part, [*keyed, *annotated_links(part)], [link for link in own if isinstance(link, ObjectLink)])
        told = [f for analysis in analyses.values() for f in analysis.run(view)]
        if not snapshot.cluster:
            # of a dump, the cluster of a holder is the file that it is told apart by
            told = [dataclasses.replace(f, origin=origin) if (origin := _origin(part, f)) else f for f in told]
        found += told
        if part is not snapshot:
            snapshot.gaps += part.gaps
    return sorted(found, key=_order)


def _of_part(link: Link | ObjectLink, part: Snapshot) -> Link | ObjectLink:
    """The link with the kind as this cluster has it: another may have it in another version."""
    keyed = link.link if isinstance(link, ObjectLink) else link
    known = next((kind for kind in part.kinds if (kind.group, kind.kind) == (keyed.kind.group, keyed.kind.kind)), keyed.kind)
    keyed = dataclasses.replace(keyed, kind=dataclasses.replace(known, known_by=keyed.kind.known_by))
    return dataclasses.replace(link, link=keyed) if isinstance(link, ObjectLink) else keyed


def _origin(part: Snapshot, finding: Finding) -> str:
    return finding.key.holder.cluster or part.origin


def _order(finding: Finding) -> tuple[object, ...]:
    holder = finding.key.holder
    spot = (holder.namespace, holder.kind.kind, holder.name, finding.key.field, finding.key.path, finding.key.key)
    return (-finding.severity, finding.origin, finding.analysis, *spot)


def holder_kinds(words: Sequence[str]) -> tuple[Kind, ...]:
    """The kinds of maps that words such as `cm` and `secrets` name."""
    chosen = []
    for word in words:
        kind = next((kind for kind in (CONFIG_MAPS, SECRETS) if kind.answers_to(word)), None)
        if kind is None:
            raise UsageError(f"{word!r} is no kind of map", "use configmaps or secrets; other kinds' maps come by --field")
        chosen.append(kind)
    return tuple(dict.fromkeys(chosen))
