"""Heaps of objects of one maker of which few are used.

What it finds
    ConfigMaps and Secrets of a namespace that one maker has made again and again and nobody has taken away: versions with a
    hash behind their name of which Pods use the last, revisions of a Helm release beyond the ten that Helm keeps, tokens of
    one ServiceAccount, what runs of jobs have left (work specs, config checks), locks of leader elections that nobody renews.
    One finding for each heap, with the newest, which must stay.
Why it matters
    Each write of the maker adds one. Lists get slow, etcd fills, informers hold them all; old Secrets keep old passwords.
When it is wrong
    When a program reads them through the API, or a token is used outside of the cluster: that cannot be seen here. Therefore
    it is info, and nothing is ever trimmed by it. What a Pod or workload names, what has a living owner and what another
    object or a value names is never part of a heap.
Example
    60 ConfigMaps `shop-config-*`, of which Deployments and ReplicaSets use two.
Source
    kubernetes-sigs/kustomize api/hasher; Helm 3 storage/driver; home-operations/kopiur#224; kube-logging/logging-operator#976;
    pingcap/tidb-operator#1272
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ghostkey.analyses._base import Analysis, View
from ghostkey.foreign import UnreadableError, decode_json
from ghostkey.model.events import HolderMeta, KeysSeen
from ghostkey.model.findings import Finding, Severity
from ghostkey.model.refs import PODS, UID_PATTERN, KeyRef, ObjectRef

VERSIONS = 5  # unused ones: fewer are what a week of releases leaves, and a way back
RUNS = 20  # unused ones where none is used: that nobody reads them is then less sure
FEW = 2  # unused ones for each that is used, at least
HELM_KEEPS = 10  # revisions, by default
STALE = datetime.timedelta(hours=1)  # of a lock: leases last seconds
SHOWN = 5

# what programs put into names: kustomize's hash, client-go's random suffix, hex, a UUID
_HASH = r"[2456789bcdfghkmt]{10}"
_HEX = r"(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{7,64}"
_RANDOM = r"(?=[a-z]*[0-9])[bcdfghjklmnpqrstvwxz2456789]{5}"
_TIME = r"(?:1[5-9]|20)[0-9]{8}(?:[0-9]{3})?|20[0-9]{6}(?:[t-]?[0-9]{4,6})?z?"
_MACHINE = re.compile(rf"(?:(?<=[-.])|\A)(?:{UID_PATTERN}|{_HASH}|{_TIME}|{_HEX}|{_RANDOM})(?=[-.]|\Z)")
_GLANCE = re.compile(r"(?:(?<=[-.])|\A)(?=[a-z]*[0-9])(?=[0-9]*[a-z]|[0-9]{8})[a-z0-9]{5,}(?=[-.]|\Z)")
_MAYBE = re.compile(r"-(?:[bcdfghjklmnpqrstvwxz]{5}|[bcdfghkmt]{10})\Z")  # the same without a digit: told by its neighbours alone
# words of those that make an object for each run of something
_RUN_WORDS = re.compile(
    r"(?:\A|[-.])(?:work-?spec|config-?check|jobs?|runs?|runner|builds?|tasks?|attempts?|pipeline|workflow|backups?|snapshots?|"
    r"restores?|migrations?|hooks?|reports?|results?)(?=[-.]|\Z)"
)
# named by labels and types, and read through the API: all of them are used
_READ_BY_LABEL = ("argocd.argoproj.io/secret-type", "sealedsecrets.bitnami.com/sealed-secrets-key", "grafana_dashboard")
_OF_OTHERS = ("kubernetes.io/service-account", "bootstrap.")
_TOKEN, _HELM = "kubernetes.io/service-account-token", "helm.sh/release.v1"
_ACCOUNT = "kubernetes.io/service-account.name"
_LEADER = "control-plane.alpha.kubernetes.io/leader"


@dataclass(slots=True)
class _Heap:
    """Objects of one maker; `held` are those that are used, the others may be too many.

    `noun` is what they are called, `why` what makes them alike, `newest` the one that was made last, None where nobody knows.
    """

    template: str
    least: int
    noun: str
    why: str
    members: list[KeysSeen] = field(default_factory=list)
    held: list[KeysSeen] = field(default_factory=list)
    newest: KeysSeen | None = None
    needs_pods: bool = True


def _run(view: View) -> Iterator[Finding]:
    made = _Made(view)
    for heap in [*_releases(made.releases), *_tokens(view, made.tokens), *_leaders(view, made.locks), *_versions(view, made)]:
        if len(heap.members) >= heap.least and FEW * len(heap.held) <= len(heap.members):
            yield _finding(view, heap)


class _Made:
    """ConfigMaps and Secrets sorted by what could have made them, in one walk: a scan has thousands that are none of this."""

    def __init__(self, view: View) -> None:
        self.releases: list[KeysSeen] = []
        self.tokens: list[KeysSeen] = []
        self.locks: list[KeysSeen] = []
        self.versions: list[KeysSeen] = []  # a part of their names looks as if a program had made it
        self.unsure: list[KeysSeen] = []  # or could be a word
        seen_before = None
        glance, maybe = _GLANCE.search, _MAYBE.search
        for seen in view.snapshot.maps:
            meta = seen.meta
            if meta is None or meta is seen_before or seen.path:
                continue
            seen_before = meta  # batches of one map come one after the other
            labels, kind = meta.labels, meta.type
            if not meta.stored_bytes:
                continue  # a map-valued field of another kind
            if kind == _HELM or (labels and (labels.get("owner") == "helm" or labels.get("OWNER") == "TILLER")):
                self.releases.append(seen)
            elif kind == _TOKEN:
                self.tokens.append(seen)
            elif meta.annotations and _LEADER in meta.annotations:
                self.locks.append(seen)
            else:
                name = seen.holder.name
                tail = name[name.rfind("-") + 1 :]
                if tail.isdigit() and len(tail) < 6:
                    continue  # numbered, not versioned
                if glance(name):
                    if not kind.startswith(_OF_OTHERS) and labels.keys().isdisjoint(_READ_BY_LABEL):
                        self.versions.append(seen)
                elif maybe(name):
                    self.unsure.append(seen)


def _meta(seen: KeysSeen) -> HolderMeta:
    assert seen.meta is not None
    return seen.meta


# heaps


def _releases(maps: Sequence[KeysSeen]) -> Iterator[_Heap]:
    """Revisions of Helm releases; the newest and the one that is deployed are held."""
    releases: dict[tuple[str, str], list[KeysSeen]] = {}
    for seen in maps:
        release, _, revision = seen.holder.name.rpartition(".v")
        if release and revision.isdigit():
            releases.setdefault((seen.holder.namespace, release), []).append(seen)
    for (_, release), revisions in releases.items():
        revisions.sort(key=_revision)
        noun = f"revisions of Helm release {release.removeprefix('sh.helm.release.v1.')}"
        heap = _Heap(f"{release}.v*", HELM_KEEPS, noun, "Helm keeps ten by default (--history-max)", needs_pods=False)
        heap.newest = revisions[-1]
        for seen in revisions:
            labels = _meta(seen).labels
            is_deployed = "deployed" in (labels.get("status", ""), labels.get("STATUS", "").lower())
            (heap.held if is_deployed or seen is heap.newest else heap.members).append(seen)
        yield heap


def _revision(seen: KeysSeen) -> int:
    return int(seen.holder.name.rpartition(".v")[2][:18])


def _tokens(view: View, maps: Sequence[KeysSeen]) -> Iterator[_Heap]:
    """Tokens of one ServiceAccount; those that Pods take, and the newest, are held."""
    accounts: dict[tuple[str, str], list[KeysSeen]] = {}
    for seen in maps:
        if account := _meta(seen).annotations.get(_ACCOUNT):
            accounts.setdefault((seen.holder.namespace, account), []).append(seen)
    for (_, account), tokens in accounts.items():
        noun, why = f"tokens of ServiceAccount {account}", "each may be in use outside of the cluster"
        heap = _Heap(f"{account}-token-*", VERSIONS, noun, why, newest=_newest(tokens))
        for seen in tokens:
            (heap.held if seen is heap.newest or _is_mounted(view, seen) else heap.members).append(seen)
        yield heap


def _leaders(view: View, maps: Sequence[KeysSeen]) -> Iterator[_Heap]:
    """Locks of leader elections in a namespace; those that were renewed of late, and the last that was, are held."""
    locks: dict[str, list[tuple[datetime.datetime, KeysSeen]]] = {}
    for seen in maps:
        if (at := _renewed(_meta(seen).annotations[_LEADER])) is not None:
            locks.setdefault(seen.holder.namespace, []).append((at, seen))
    if not locks:
        return
    now = _now(view, [at for found in locks.values() for at, _ in found])
    for found in locks.values():
        why = f"their annotation {_LEADER} says when each was renewed last"
        heap = _Heap("*", VERSIONS, "locks of leader elections", why, needs_pods=False)
        found.sort(key=lambda item: item[0])
        heap.newest = found[-1][1]
        for at, seen in found:
            (heap.held if now - at < STALE or seen is heap.newest else heap.members).append(seen)
        yield heap


def _now(view: View, known: Sequence[datetime.datetime]) -> datetime.datetime:
    """The time of the snapshot; of a dump the last that is told in it."""
    if view.snapshot.cluster:
        return datetime.datetime.now(datetime.UTC)
    made = max((seen.meta.created_at for seen in view.snapshot.maps if seen.meta), default="")
    try:
        return max(*known, datetime.datetime.fromisoformat(made))
    except (ValueError, TypeError):
        return max(known)


def _renewed(text: str) -> datetime.datetime | None:
    try:
        record = decode_json(text)
        at = datetime.datetime.fromisoformat(record["renewTime"])
    except (UnreadableError, LookupError, TypeError, ValueError):
        return None
    return at if at.tzinfo else None


def _versions(view: View, made: _Made) -> Iterator[_Heap]:
    """Objects whose names differ in what a program put there; those that are used in any way are held."""
    groups: dict[tuple[str, str, str], list[KeysSeen]] = {}
    for seen in made.versions:
        holder = seen.holder
        groups.setdefault((holder.kind.kind, holder.namespace, _MACHINE.sub("*", holder.name)), []).append(seen)
    for seen in made.unsure:
        holder = seen.holder
        spot = (holder.kind.kind, holder.namespace, f"{holder.name.rpartition('-')[0]}-*")
        if spot in groups:
            groups[spot].append(seen)
    named = _Named(view) if any(len(found) > VERSIONS for found in groups.values()) else None
    for (_, _, template), found in groups.items():
        if named is not None and len(found) > VERSIONS and "*" in template and any(map(str.isalpha, template)):
            yield _version_heap(view, named, template, found)


def _version_heap(view: View, named: _Named, template: str, found: list[KeysSeen]) -> _Heap:
    noun = f"{found[0].holder.kind.resource} {template}"
    mounted = [seen for seen in found if _is_mounted(view, seen)]
    is_of_runs = _RUN_WORDS.search(template) is not None
    if mounted:
        heap = _Heap(template, VERSIONS, noun, "versions of one object, told apart by what a program put into their names")
    elif is_of_runs:
        heap = _Heap(template, RUNS, noun, "what runs have left, told apart by what a program put into their names")
    else:
        # each may be of a subject of its own, and be read through the API
        return _Heap(template, len(found) + 1, noun, "")
    # made within one second, the one that is used is the newer
    heap.newest = _newest([*mounted, *found])
    for seen in found:
        # a living owner uses it, and of a gone one orphaned-child tells
        is_held = seen is heap.newest or seen in mounted or _meta(seen).owned or named.names(seen)
        (heap.held if is_held else heap.members).append(seen)
    return heap


# use


class _Named:
    """Names that other objects have or that values hold: what is named so may be theirs."""

    def __init__(self, view: View) -> None:
        subjects = view.snapshot.subjects
        own = {number for number, kind in enumerate(subjects.kinds) if kind.group == "" and kind.kind in ("ConfigMap", "Secret")}
        self._names = {
            (subjects.namespaces[row], subjects.names[row]) for row, kind in enumerate(subjects.kind_of) if kind not in own
        }
        self._values = {identity.name for seen in view.snapshot.maps for identity in seen.identities.values() if identity.name}

    def names(self, seen: KeysSeen) -> bool:
        """Whether an object of another kind is called like this one, or like what its name has of its own, or a value names it."""
        name, space = seen.holder.name, seen.holder.namespace
        words = {name, *(found[0] for found in _MACHINE.finditer(name))}
        return name in self._values or any((place, word) in self._names for place in (space, "") for word in words)


def _is_mounted(view: View, seen: KeysSeen) -> bool:
    uses = view.snapshot.uses_of(seen)
    return bool(uses.keys or uses.whole)


def _newest(found: Sequence[KeysSeen]) -> KeysSeen | None:
    """The one that was made last; None where the source does not tell."""
    newest = max(found, key=lambda seen: _meta(seen).created_at)
    return newest if _meta(newest).created_at else None


# what is said


def _finding(view: View, heap: _Heap) -> Finding:
    first = heap.members[0].holder
    holder = ObjectRef(first.kind, first.namespace, heap.template, "", view.snapshot.cluster)
    total = len(heap.members) + len(heap.held)
    stays = f"{heap.newest.holder.name}, the newest, must stay" if heap.newest else "which is the newest is not known"
    blind = _blindness(view, first.namespace) if heap.needs_pods else ""
    made = sorted(_meta(seen).created_at for seen in heap.members if _meta(seen).created_at)
    names = ", ".join(seen.holder.name for seen in heap.members[:SHOWN])
    return Finding(
        analysis="pile-up",
        key=KeyRef(holder, "children", heap.template),
        severity=Severity.INFO,
        message=f"{len(heap.members):,} of {total:,} {heap.noun} {'may be' if blind else 'are'} used by nobody; {stays}",
        evidence=tuple(
            filter(
                None,
                (
                    f"{total:,} {heap.noun} in namespace {first.namespace!r}: {heap.why}",
                    f"in use or the newest: {', '.join(seen.holder.name for seen in heap.held[-SHOWN:])}" if heap.held else "",
                    f"for example {names}",
                    f"made between {made[0]} and {made[-1]}" if made else "",
                    "no Pod or workload names them, they have no owner, and no other object has their name"
                    if heap.needs_pods and not blind
                    else "",
                    f"unknown: {blind}" if blind else "",
                    "whether a program reads them through the API cannot be seen",
                ),
            )
        ),
        state="unknown" if blind else "found",
    )


def _blindness(view: View, namespace: str) -> str:
    """Why it is not known what Pods use; empty when it is."""
    covered = view.snapshot.coverage.get(PODS)
    if covered is None or not covered.covers(namespace) or any(gap.kind == PODS.qualified for gap in view.snapshot.gaps):
        return "Pods were not seen, and may use them"
    return ""


ANALYSIS = Analysis(Severity.INFO, _run)
