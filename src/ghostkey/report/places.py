"""Where a finding is to be seen: the line of a file, or for a cluster a path that stays the same from scan to scan."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ghostkey.foreign._lines import ObjectLines, object_lines
from ghostkey.foreign.messages import without_messages
from ghostkey.model.findings import Finding
from ghostkey.model.refs import GO_MAPS, ObjectRef
from ghostkey.store.snapshot import Snapshot

FILE_BYTES = 4 << 20  # of files whose lines are counted: manifests that people write; a dump of a cluster is only named


@dataclass(frozen=True, slots=True)
class Place:
    """A path, relative to the current folder where that can be, and a line of it, from 1; `is_file` tells files from clusters."""

    path: str
    line: int
    is_file: bool

    @property
    def uri(self) -> str:
        """The path as a URI reference; absolute ones with their scheme."""
        return ("file://" if self.path.startswith("/") else "") + quote(self.path)


class Places:
    """Finds the places of findings; reads each file once, when it is first asked for."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._origins: dict[tuple[str, ...], str] = {}
        for seen in snapshot.maps:
            if seen.meta is not None and seen.meta.origin:
                self._origins[_spot(seen.holder)] = seen.meta.origin
                self._origins.setdefault(_spot(seen.holder)[:3], seen.meta.origin)
        self._is_live = bool(snapshot.cluster)
        self._lines: dict[str, list[ObjectLines]] = {}

    def of(self, finding: Finding) -> Place:
        """The place of one finding."""
        holder = finding.key.holder
        origin = self._origins.get(_spot(holder)) or self._origins.get(_spot(holder)[:3], "")
        if holder.kind == GO_MAPS:
            return Place(f"process/{holder.cluster}", 1, False)
        file = "" if self._is_live else _file_of(origin)
        if not file:
            return Place(
                "/".join(filter(None, ("kubernetes", holder.namespace, holder.kind.qualified, f"{holder.name}.yaml"))), 1, False
            )
        return Place(_relative(file), self._line(file if file == origin else "", finding), True)

    def _line(self, file: str, finding: Finding) -> int:
        if not file:
            return 1  # within an archive
        if file not in self._lines:
            self._lines[file] = _read(file)
        holder = finding.key.holder
        found = [it for it in self._lines[file] if it.kind == holder.kind.kind and it.name == holder.name]
        # a manifest may leave the namespace to whoever applies it
        found = [it for it in found if it.namespace == holder.namespace] or [it for it in found if not it.namespace]
        if not found:
            return 1
        top = finding.key.path[0] if finding.key.path else finding.key.key
        return found[0].keys.get(top, found[0].line)


def all_places(snapshot: Snapshot, findings: Sequence[Finding]) -> list[Place]:
    """The places of findings, in their order."""
    places = Places(snapshot)
    return [places.of(finding) for finding in findings]


def _spot(holder: ObjectRef) -> tuple[str, ...]:
    return holder.kind.qualified, holder.namespace, holder.name, holder.uid


def _file_of(origin: str) -> str:
    """The file of an origin such as `dump.tar.gz:prod/cm.yaml`; empty when there is none, as for standard input."""
    end = len(origin)
    while end > 0:
        if os.path.isfile(origin[:end]):
            return origin[:end]
        end = origin.rfind(":", 0, end)
    return ""


def _relative(path: str) -> str:
    try:
        absolute, here = Path(os.path.abspath(path)), Path.cwd()
    except OSError:  # the current folder has gone
        return Path(path).as_posix()
    return absolute.relative_to(here).as_posix() if absolute.is_relative_to(here) else absolute.as_posix()


def _read(file: str) -> list[ObjectLines]:
    try:
        with open(file, "rb") as handle:
            content = handle.read(FILE_BYTES + 1)
    except OSError:
        return []
    if len(content) > FILE_BYTES or content[:2] == b"\x1f\x8b":
        return []
    return list(object_lines(bytes(without_messages(content)[0])))
