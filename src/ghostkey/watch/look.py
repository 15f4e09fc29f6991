"""One look for ghosts at everything that is held: the analyses of a scan, and what each map has of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ghostkey import api
from ghostkey.model.events import Gap
from ghostkey.model.findings import Finding, Severity
from ghostkey.model.refs import CONFIG_MAPS, SECRETS, ObjectRef
from ghostkey.model.silences import Silence, listen
from ghostkey.silences import annotated_silences
from ghostkey.store.snapshot import Snapshot
from ghostkey.watch.maps import Maps
from ghostkey.watch.subjects import Subjects

GHOSTS = "ghost-key"


@dataclass(slots=True)
class MapFindings:
    """What was found of one map, worst first. `told` are findings that somebody is to hear of, by fingerprint; `all_ids` all of them."""

    holder: ObjectRef
    ghosts: int = 0
    suspects: int = 0
    findings: list[Finding] = field(default_factory=list)
    told: dict[str, Finding] = field(default_factory=dict)
    all_ids: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Look:
    """What one look has found, by the maps that something was found of. What is silenced is not among it.

    `at` is in seconds since the epoch, `began` by the monotonic clock.
    """

    maps: dict[str, MapFindings]
    gaps: list[Gap]
    seconds: float
    at: float
    began: float
    cpu_seconds: float


def map_label(holder: ObjectRef) -> str:
    """`configmaps/NAME`, as caps of a guard name a map."""
    return f"{holder.kind.qualified}/{holder.name}"


def spot_of(holder: ObjectRef) -> str:
    """`NAMESPACE/configmaps/NAME`."""
    return f"{holder.namespace}/{map_label(holder)}"


class Looker:
    """Looks again and again; keeps of a look only what is told of it."""

    def __init__(
        self, server: str, maps: Maps, subjects: Subjects, declared: Sequence[str] = (), silences: Sequence[Silence] = ()
    ) -> None:
        self._server, self._maps, self._subjects = server, maps, subjects
        self._declared, self._silences = declared, list(silences)

    def look(self) -> Look:
        """What is there now. Raises GhostkeyError when the API server does not answer."""
        began, cpu = time.monotonic(), time.thread_time()
        snapshot = Snapshot(self._server)
        # maps first, as in a scan: a subject that is made meanwhile is never missed for a key that was already there
        snapshot.absorb(self._maps.events())
        self._subjects.refresh()
        snapshot.absorb(self._subjects.events())
        self._subjects.complete(snapshot)
        found = api.analyse(snapshot, api.declared_links(self._declared, snapshot))
        heard = listen(found, [*self._silences, *annotated_silences(snapshot)])
        for seen in (*snapshot.maps, *snapshot.veiled):
            seen.forget_key_set()  # 84 of 410 MB, of a million keys
        return Look(
            _by_map(heard.spoken), list(snapshot.gaps), time.monotonic() - began, time.time(), began, time.thread_time() - cpu
        )


def _by_map(findings: Iterable[Finding]) -> dict[str, MapFindings]:
    by_map: dict[str, MapFindings] = {}
    for finding in findings:
        holder = finding.key.holder
        if holder.kind not in (CONFIG_MAPS, SECRETS) or finding.key.field == "children":
            continue
        own = by_map.setdefault(spot_of(holder), MapFindings(holder))
        fingerprint = finding.fingerprint
        own.all_ids.add(fingerprint)
        own.findings.append(finding)
        if finding.analysis == GHOSTS:
            own.ghosts += finding.state == "found"
            own.suspects += finding.state == "suspect"
        if finding.state == "found" and finding.severity >= Severity.WARNING:
            own.told[fingerprint] = finding
    return by_map
