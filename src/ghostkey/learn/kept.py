"""Incidents that were learnt from, one private file each: their pattern, where and when. No key, and of a Secret no name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ghostkey.learn.incident import Incident, Pattern
from ghostkey.model.errors import GhostkeyError
from ghostkey.model.findings import Finding
from ghostkey.store.state import read_private, state_directory, write_private

FOLDER = "incidents"
BYTES = 1 << 16
MOST = 1_000  # incidents that are read
_DAMAGE = (OSError, GhostkeyError, msgspec.MsgspecError, ValueError, RecursionError)
_ID = re.compile(r"\d{4}-\d\d-\d\d-[a-z0-9-]{1,60}")


@dataclass(frozen=True, slots=True)
class Kept:
    """One incident as it is kept: `place` is its namespace, `map` empty for a Secret."""

    id: str
    at: str
    place: str
    map: str
    pattern: Pattern

    def __str__(self) -> str:
        return f"incident {self.at[:10]} in {self.place or 'the cluster'}"


def keep(incident: Incident) -> Path:
    """Keeps an incident, in place of what was kept of it before; where. Raises OSError and GhostkeyError as writing does.

    A receipt does not say what keys were for: what a scan has said of the same incident before stays.
    """
    named = "" if incident.is_secret else incident.map if incident.name else ""
    path = state_directory() / FOLDER / f"{incident.id}.json"
    pattern = incident.pattern
    if not (pattern.template and pattern.subject) and (before := _kept_at(path)) is not None:
        pattern = before.pattern
    kept = Kept(incident.id, incident.at, incident.namespace, named, pattern)
    write_private(path, msgspec.json.encode(kept))
    return path


def all_kept() -> tuple[list[Kept], list[str]]:
    """All incidents, the newest first, and a line for each file that is damaged."""
    found: list[Kept] = []
    damaged: list[str] = []
    folder = state_directory() / FOLDER
    paths = sorted((path for path in folder.glob("*.json") if not path.name.startswith(".")), reverse=True)
    for path in paths[:MOST]:
        try:
            found.append(_read(path))
        except _DAMAGE as error:
            words = getattr(error, "strerror", None) or str(error)
            damaged.append(f"incident {path} is damaged, and passed over: {words}")
    return sorted(found, key=lambda one: one.at, reverse=True), damaged


def _read(path: Path) -> Kept:
    kept = msgspec.json.decode(read_private(path, BYTES), type=Kept)
    if kept.id != path.stem or not _ID.fullmatch(kept.id):
        raise ValueError("it is not what its name says")
    return kept


def _kept_at(path: Path) -> Kept | None:
    """What is kept there; None where there is nothing, or nothing that can be read."""
    try:
        return _read(path)
    except _DAMAGE:
        return None


def pattern_of(finding: Finding) -> Pattern:
    """The pattern of a finding; empty where its subject is not known."""
    if finding.attribution is None or not finding.attribution.kinds:
        return Pattern()
    return Pattern(finding.attribution.template, finding.attribution.kinds[0].qualified, manager_of(finding.writer))


def manager_of(writer: str) -> str:
    """The field manager out of what a finding says of its writer: a manager and a time."""
    return writer.rpartition(" ")[0] or writer


def like(pattern: Pattern, known: Iterable[Kept], place: tuple[str, str] = ("", "")) -> Kept | None:
    """The latest incident of that pattern in another map than (namespace, map)."""
    return next((one for one in known if one.pattern.is_like(pattern) and (one.place, one.map) != place), None)
