"""The library's front door: collect, analyse, plan, apply and undo, verify.

>>> snapshot = collect(cluster(load_config()))                     # doctest: +SKIP
>>> findings = analyse(snapshot)                                   # doctest: +SKIP
>>> outcome = apply(client, plan(live, kind, wanted, digest_key()), FileReceipts(), digest_key())  # doctest: +SKIP
>>> undo(client, outcome.receipt, FileReceipts())                  # doctest: +SKIP
>>> verify(client, outcome.receipt.holder, keys, seconds=600)      # doctest: +SKIP
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from ghostkey.analyses import chosen_analyses
from ghostkey.analyses._base import View
from ghostkey.analyses._declared import ObjectLink, is_made_by
from ghostkey.inference.account import account_of
from ghostkey.inference.evidence import PROVEN_BITS
from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.infer import is_exempt
from ghostkey.inference.results import Link
from ghostkey.inference.template import parse_template
from ghostkey.kube.client import ApiClient
from ghostkey.kube.config import load_config
from ghostkey.kube.discovery import resolve
from ghostkey.kube.fields import writer_of
from ghostkey.model.errors import GhostkeyError, NotFound, UsageError
from ghostkey.model.events import Event, Gap, KeysSeen
from ghostkey.model.expressions import declared
from ghostkey.model.findings import Finding, Severity
from ghostkey.model.refs import CONFIG_MAPS, GO_MAPS, SECRETS, Kind, ObjectRef
from ghostkey.sources._asked import not_there
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
    from ghostkey.actions.undo import Candidates, Restored, list_receipts
    from ghostkey.actions.undo import apply_undo as undo
    from ghostkey.actions.verify import Listener, Readded, Watched
    from ghostkey.actions.verify import watch_keys as verify
    from ghostkey.census.census import Process
    from ghostkey.census.remote import RemoteProcess
    from ghostkey.sources.go_maps import GoMaps
    from ghostkey.sources.manifests import Manifests

__all__ = [
    "PROVEN_BITS",
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
    "load_config",
    "load_plan",
    "manifests",
    "missing",
    "parse_subject",
    "plan",
    "read_map",
    "renewed",
    "undo",
    "verify", "wanted_by",
]  # fmt: skip

ANNOTATION = "ghostkey.dev/subject"
TRIMMED = {"ghost-key", "tombstone"}  # analyses whose findings are keys that may go
CONFIRM_HOLDERS = 200  # maps read again to see that their ghosts are still there; beyond this a scan takes no second look
BUSY_SECONDS = 3.0  # a map written this recently may be in the middle of its operator's clean-up
SETTLE_SECONDS = 2.0  # the stale-cache window of controller-runtime clients: 100 ms to 2 s


# actions are imported when they are first asked for: a scan is over in less time than their import would add to it
_ACTIONS = {
    "Candidates": "undo.Candidates", "ClusterReceipts": "receipts.ClusterReceipts", "FileReceipts": "receipts.FileReceipts",
    "Listener": "verify.Listener", "Outcome": "trim.Outcome", "Readded": "verify.Readded", "Restored": "undo.Restored", "Wanted": "plan.Wanted",
    "Watched": "verify.Watched", "apply": "trim.apply_trim", "check_guards": "guards.check_guards", "check_limits": "plan.check_limits", "dry_run": "trim.dry_run",
    "list_receipts": "undo.list_receipts", "load_plan": "strangers.load_plan", "plan": "plan.plan_trim",
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


def go_maps(process: Process | RemoteProcess) -> GoMaps:
    """The source of the maps in the memory of a process; their keys are read now, before a cluster is asked what lives."""
    from ghostkey.sources.go_maps import GoMaps

    return GoMaps(process)


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


def confirm(source: LiveCluster, findings: Sequence[Finding], wait: Callable[[float], None] = time.sleep) -> list[Finding]:
    """The findings that still hold when their maps are read again, with the writer of each key.

    A map that was written within BUSY_SECONDS gets SETTLE_SECONDS before the second look: its operator may be at work.
    Only keys of maps are looked at; findings about whole objects pass through.
    """
    holders = list(dict.fromkeys(f.key.holder for f in findings if _is_of_map(f)))[:CONFIRM_HOLDERS]
    if not holders:
        return list(findings)
    again = _by_place(source.reread(holders))
    if any(_is_busy(seen) for seen in again.values()):
        wait(SETTLE_SECONDS)
        again = _by_place(source.reread(holders))
    asked = set(holders)
    return [confirmed for finding in findings if (confirmed := _confirmed(finding, asked, again)) is not None]


def _is_of_map(finding: Finding) -> bool:
    """Whether it is about a key of a map in the cluster: not of a whole object, nor of a process."""
    return finding.key.field != "children" and finding.key.holder.kind != GO_MAPS


def _by_place(batches: Iterable[KeysSeen]) -> dict[tuple[object, ...], KeysSeen]:
    return {_place(seen.holder, seen.field, seen.path): seen for seen in batches}


def _place(holder: ObjectRef, field: str, path: tuple[str, ...]) -> tuple[object, ...]:
    return holder.kind, holder.namespace, holder.name, field, path


def _confirmed(finding: Finding, asked: set[ObjectRef], again: dict[tuple[object, ...], KeysSeen]) -> Finding | None:
    ref = finding.key
    if ref.holder not in asked or not ref.key:
        return finding
    seen = again.get(_place(ref.holder, ref.field, ref.path))
    if seen is None or ref.key not in seen.key_set:
        return None
    top = ref.path[0] if ref.path else ref.key
    writer = writer_of(seen.meta.field_owners, top) if seen.meta else None
    if writer is None:
        said = "managedFields name no owner of the key"
        return dataclasses.replace(finding, evidence=(*finding.evidence, said))
    said = f"written by {writer.manager} ({writer.operation}), whose last write of this map was at {writer.time}"
    named = f"{writer.manager} {writer.time}"
    return dataclasses.replace(finding, writer=named, evidence=(*finding.evidence, said))


def _is_busy(seen: KeysSeen) -> bool:
    newest = max((owner.time for owner in seen.meta.field_owners), default="") if seen.meta else ""
    if not newest:
        return False
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(newest)
    return age.total_seconds() < BUSY_SECONDS


def with_writers(snapshot: Snapshot, findings: Sequence[Finding]) -> list[Finding]:
    """The findings with the writer of each key, for sources that keep managedFields."""
    named: list[Finding] = []
    parts = {
        part.origin: {_place(seen.holder, seen.field, seen.path): seen for seen in part.maps}
        for part in [snapshot, *snapshot.parts]
    }
    for finding in findings:
        holder = finding.key.holder
        places = parts.get("" if holder.cluster else finding.origin, parts[""])
        is_key = _is_of_map(finding)
        confirmed = _confirmed(finding, {holder}, places) if is_key else finding
        if confirmed is not None:
            named.append(confirmed)
    return named


# declared links


def parse_subject(text: str, kinds: tuple[Kind, ...], holder: ObjectRef | None = None, origin: str = "") -> Link:
    """The link that `tenants.demo={namespace}.{name}` declares; raises UsageError or GhostkeyError when it cannot."""
    _, word, template = _subject_words(text)
    parts = declared(template)
    spot = (holder.kind.kind, holder.namespace, holder.name) if holder else None
    # several clusters of a dump may have a kind in several versions
    distinct = {(kind.group, kind.kind): kind for kind in reversed(kinds)}
    kind = dataclasses.replace(resolve(word, tuple(distinct.values())), known_by=parts.expression)
    return Link(kind, parse_template(parts.template), spot, origin or f"--subject {text}")


def _subject_words(text: str) -> tuple[str, str, str]:
    """(kind of the objects that are named so, or nothing for keys; kind of the subjects; template)."""
    words, found, template = text.partition("=")
    objects, colon, word = words.rpartition(":")
    if not found or not word.strip() or (colon and not objects.strip()):
        hint = "for example --subject 'tenants={namespace}.{name}', or for whole objects 'secrets:tenants={name}-token'"
        raise UsageError(f"subject {text!r} is not KIND=TEMPLATE", hint)
    return objects.strip(), word.strip(), template.strip()


def known_by(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """(kind, expression) of declared subjects that keys know by their fields, for the scope of a source."""
    parts = [(word, declared(template).expression) for _, word, template in map(_subject_words, texts)]
    return tuple(dict.fromkeys((word, expression) for word, expression in parts if expression))


def declared_links(texts: Sequence[str], snapshot: Snapshot, holders: Sequence[ObjectRef] = ()) -> list[Link | ObjectLink]:
    """Links of `--subject`: for the maps named on the command line, or any map with a live match when none is named.

    Where nothing of the kind is left, that is any map whose keys all look so. Where a dump knows no such kind, that is a gap.
    """
    links: list[Link | ObjectLink] = []
    for text in texts:
        objects, _, _ = _subject_words(text)
        try:
            if objects:
                link = parse_subject(text.partition(":")[2], snapshot.kinds, origin=f"--subject {text}")
                links.append(ObjectLink(resolve(objects, tuple(dict.fromkeys((*snapshot.kinds, CONFIG_MAPS, SECRETS)))), link))
                continue
            found = [parse_subject(text, snapshot.kinds, holder) for holder in holders or [None]]  # type: ignore[list-item]
        except NotFound:
            if snapshot.cluster:
                raise
            why = "the dump holds no object, no list and no definition of such a kind"
            snapshot.gaps.append(Gap(f"--subject {text}", why))
            continue
        if holders or snapshot.subjects.has(found[0].kind):
            links += found
        else:
            links += _without_live(found[0], snapshot, text)
    return links


def _without_live(link: Link, snapshot: Snapshot, text: str) -> list[Link | ObjectLink]:
    """The link for each map that it must be about though nothing of the kind is left; a gap when no map is."""
    found: list[Link | ObjectLink] = [
        dataclasses.replace(link, holder=(seen.holder.kind.kind, seen.holder.namespace, seen.holder.name))
        for seen in snapshot.maps
        if not seen.path and not is_exempt(seen) and is_made_by(link.template, seen, snapshot.subjects.all_namespaces)
    ]
    if not found:
        hint = f"ghostkey scan cm/NAME -n NAMESPACE --subject {text!r} looks into that one"
        snapshot.gaps.append(
            Gap(
                f"--subject {text}",
                f"no {link.kind.resource} are left, and no map shows by its keys that it is for them",
                hint=hint,
            )
        )
    return list(dict.fromkeys(found))


def annotated_links(snapshot: Snapshot) -> list[Link]:
    """Links that the maps themselves declare; one that cannot be understood becomes a gap, and inference goes on."""
    links: list[Link] = []
    done: set[tuple[str, str, str]] = set()
    for seen in snapshot.maps:
        text = seen.meta.annotations.get(ANNOTATION, "") if seen.meta else ""
        holder = seen.holder
        spot = (holder.kind.kind, holder.namespace, holder.name)
        if not text or spot in done:
            continue
        done.add(spot)
        for part in filter(None, (piece.strip() for piece in text.split(";"))):
            try:
                links.append(parse_subject(part, snapshot.kinds, holder, f"annotation {ANNOTATION}"))
            except GhostkeyError as error:
                snapshot.gaps.append(Gap(f"annotation {ANNOTATION} of {holder} was not understood", str(error), hint=error.hint))
    return links


def holder_kinds(words: Sequence[str]) -> tuple[Kind, ...]:
    """The kinds of maps that words such as `cm` and `secrets` name."""
    chosen = []
    for word in words:
        kind = next((kind for kind in (CONFIG_MAPS, SECRETS) if kind.answers_to(word)), None)
        if kind is None:
            raise UsageError(f"{word!r} is no kind of map", "use configmaps or secrets; other kinds' maps come by --field")
        chosen.append(kind)
    return tuple(dict.fromkeys(chosen))
