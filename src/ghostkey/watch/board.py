"""What the page shows: maps by urgency, and the findings of each, packed, since few of them are ever looked at."""

from __future__ import annotations

import datetime
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ghostkey.model.findings import Finding, Severity
from ghostkey.model.refs import SECRETS
from ghostkey.watch.look import Look, MapFindings

SCHEMA_VERSION = 1
ROWS = 200  # maps in one answer; a search finds the others
FINDINGS_MOST = 1000  # of one map
PACKED_BYTES = 32 << 20  # of all findings that are kept
GAPS_MOST = 50
SEARCH_SECONDS = 1.0
WEEK_SECONDS = 7 * 86400
NEARLY_FULL = 0.8

Encode = Callable[[Sequence[Finding]], bytes]


@dataclass(frozen=True, slots=True)
class _Kept:
    """Findings of one map: as a number that tells whether they are others, counted, and as packed JSON."""

    mark: int
    ghosts: int
    suspects: int
    count: int
    is_loud: bool
    packed: bytes
    left_out: int


_NOTHING = _Kept(0, 0, 0, 0, False, zlib.compress(b"[]"), 0)


class Board:
    """Is told what the watcher sees, by its threads, and answers those of the server. Of a Secret's findings it keeps counts alone."""

    def __init__(self, cluster: str, encode: Encode) -> None:
        """`encode` makes a JSON list of findings, all its characters visible."""
        self._cluster, self._encode = cluster, encode
        self._sizes: dict[str, tuple[int, int, int]] = {}
        self._full_at: dict[str, float] = {}
        self._found: dict[str, _Kept] = {}
        self._look: dict[str, Any] = {"at": None, "seconds": None, "gaps": [], "gaps_left_out": 0}
        self._lock = threading.Lock()

    def set_map(self, spot: str, keys: int, used_bytes: int, allowed_bytes: int) -> None:
        """Notes the size of a map; `spot` is `NAMESPACE/configmaps/NAME`."""
        with self._lock:
            self._sizes[spot] = keys, used_bytes, allowed_bytes

    def remove_map(self, spot: str) -> None:
        """Forgets a map that is gone."""
        with self._lock:
            for known in (self._sizes, self._full_at, self._found):
                known.pop(spot, None)

    def set_forecast(self, spot: str, seconds: float | None) -> None:
        """Notes when a map will be full; None where its history does not tell."""
        with self._lock:
            if seconds is None:
                self._full_at.pop(spot, None)
            else:
                self._full_at[spot] = time.time() + seconds

    def take(self, look: Look) -> None:
        """Takes what a look has found in the place of what the one before had."""
        found: dict[str, _Kept] = {}
        room = PACKED_BYTES
        for spot, own in look.maps.items():
            kept = found[spot] = self._pack(own, self._found.get(spot), room)
            room -= len(kept.packed)
        gaps = [{"what": gap.what, "why": gap.why, "hint": gap.hint} for gap in look.gaps[:GAPS_MOST]]
        told = {"at": _time(look.at), "seconds": round(look.seconds, 3), "gaps": gaps}
        with self._lock:
            self._found = {spot: kept for spot, kept in found.items() if spot in self._sizes}
            self._look = {**told, "gaps_left_out": len(look.gaps) - len(gaps)}

    def _pack(self, own: MapFindings, before: _Kept | None, room: int) -> _Kept:
        findings = own.findings
        mark = hash(tuple((one.fingerprint, one.state, one.severity, one.message, one.evidence) for one in findings))
        least = max(0, len(findings) - FINDINGS_MOST) if room > 0 else len(findings)
        # one that was left out for want of room comes when there is some, and the other way round
        if before is not None and before.mark == mark and before.left_out == least:
            return before
        shown = findings[:FINDINGS_MOST] if room > 0 else []
        raw = _counted(findings) if own.holder.kind == SECRETS else self._encode(shown)
        left_out = 0 if own.holder.kind == SECRETS else len(findings) - len(shown)
        is_loud = any(one.state == "found" and one.severity >= Severity.WARNING for one in findings)
        return _Kept(mark, own.ghosts, own.suspects, len(findings), is_loud, zlib.compress(raw, 1), left_out)

    def overview(self, search: str = "") -> bytes:
        """JSON of the most urgent maps, of all or of those that have a text in their names or in findings of theirs."""
        with self._lock:
            spots, look = list(self._sizes), self._look
        is_cut = False
        if search:
            spots, is_cut = self._matching(spots, search.lower())
        rows = sorted(filter(None, map(self._row, spots)), key=_urgency)
        document = {
            "schema_version": SCHEMA_VERSION,
            "kind": "GhostkeyWatch",
            "cluster": self._cluster,
            "look": look,
            "maps_count": len(rows),
            "search_is_cut": is_cut,
            "ghosts": sum(row["ghosts"] for row in rows),
            "suspects": sum(row["suspects"] for row in rows),
            "maps": rows[:ROWS],
        }
        return msgspec.json.encode(document)

    def has(self, spot: str) -> bool:
        """Whether there is such a map."""
        with self._lock:
            return spot in self._sizes

    def findings(self, spot: str, story: str | None = None) -> bytes | None:
        """JSON of one map with its findings; None when there is no such map. `story` is where its story is, if anywhere."""
        row = self._row(spot)
        if row is None:
            return None
        with self._lock:
            kept = self._found.get(spot, _NOTHING)
        is_secret = f"/{SECRETS.qualified}/" in spot
        return msgspec.json.encode(
            {
                "schema_version": SCHEMA_VERSION,
                "kind": "GhostkeyWatchMap",
                **{name: value for name, value in row.items() if name != "findings"},
                "is_secret": is_secret,
                "story": story,
                "findings_left_out": kept.left_out,
                "findings": msgspec.Raw(zlib.decompress(kept.packed)),
            }
        )

    def _matching(self, spots: Sequence[str], text: str) -> tuple[list[str], bool]:
        """Those that match, and whether there was no time to look at all."""
        until = time.monotonic() + SEARCH_SECONDS
        found = [spot for spot in spots if text in spot]
        inside = msgspec.json.encode(text)[1:-1]
        named = set(found)
        for spot, kept in list(self._found.items()):
            if spot not in named and inside in zlib.decompress(kept.packed).lower():
                found.append(spot)
            if time.monotonic() > until:
                return found, True
        return found, False

    def _row(self, spot: str) -> dict[str, Any] | None:
        with self._lock:
            size, kept, full_at = self._sizes.get(spot), self._found.get(spot, _NOTHING), self._full_at.get(spot)
        if size is None:
            return None
        keys, used, allowed = size
        namespace, _, label = spot.partition("/")
        return {
            "namespace": namespace,
            "map": label,
            "keys": keys,
            "bytes": used,
            "limit_bytes": allowed,
            "full_at": full_at and _time(full_at),
            "ghosts": kept.ghosts,
            "suspects": kept.suspects,
            "findings": kept.count,
            "urgency": _word(used, allowed, full_at, kept),
        }


URGENCIES = ("full soon", "nearly full", "ghosts", "findings", "suspects", "quiet")


def _word(used: int, allowed: int, full_at: float | None, kept: _Kept) -> str:
    if full_at is not None and full_at - time.time() < WEEK_SECONDS:
        return "full soon"
    if allowed and used >= NEARLY_FULL * allowed:
        return "nearly full"
    if kept.ghosts:
        return "ghosts"
    return "findings" if kept.is_loud else "suspects" if kept.count else "quiet"


def _urgency(row: dict[str, Any]) -> tuple[object, ...]:
    share = row["bytes"] / row["limit_bytes"] if row["limit_bytes"] else 0
    ranks = URGENCIES.index(row["urgency"]), row["full_at"] or "~", -row["ghosts"], -row["suspects"], -share
    return (*ranks, row["namespace"], row["map"])


def _counted(findings: Sequence[Finding]) -> bytes:
    counts = Counter((one.analysis, one.state, str(one.severity)) for one in findings)
    rows = [{"analysis": a, "state": s, "severity": v, "count": count} for (a, s, v), count in counts.items()]
    return msgspec.json.encode(rows)


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
