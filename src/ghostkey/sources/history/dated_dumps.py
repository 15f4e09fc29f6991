"""Dumps of manifests over time: a folder of dated dumps, or the Git history of a folder of manifests.

What it reads
    Files and folders whose names begin with, or hold, a date (`2026-11-02`, `20261102T1014`, `2026/11/02`, seconds since 1970), each
    a dump as `scan --from` takes it; or the commits of a Git work tree, or of a folder in one (`git_tree`).
Coverage
    Moments, not spans: between two dumps a key may have come and gone unseen, and that is a gap.
    What is missing in a dump has gone only where `scan --from` would have seen it there: its kind was listed in its namespace, and
    nothing of the dump is damaged.
When it is wrong
    When a dump was picked by hand, and looks like one of everything.
Source
    docs/adr/0006-history.md
"""

from __future__ import annotations

import datetime
import itertools
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ghostkey.foreign import git
from ghostkey.model.counts import counted
from ghostkey.model.errors import SourceDamaged, place_of
from ghostkey.model.events import Coverage
from ghostkey.model.history import DELETED, NOBODY, SEEN, Covered, HistoryEvent, SubjectEvent, Writer
from ghostkey.model.refs import Kind
from ghostkey.sources._written import kind_of_manifest
from ghostkey.sources.history.common import MAPS, entries_at, paths_for, revision_of
from ghostkey.sources.history.facts import KeyedHash, decoded
from ghostkey.sources.history.states import MapStates
from ghostkey.sources.live_cluster import Scope
from ghostkey.sources.manifests import Manifests

ORIGIN = "dumps"
Holder = tuple[str, str, str]
GIT_SECONDS = 60
DAY_PARTS = 3  # folders that make a date: of a year, a month and a day
_DATED = re.compile(r"(?<!\d)((?:19|20)\d{2})-?(\d{2})-?(\d{2})(?:[T_ -]?(\d{2})[:h-]?(\d{2})(?:[:m-]?(\d{2}))?)?")
_SINCE_1970 = re.compile(r"(?<!\d)(1\d{9})(?:\d{3})?(?!\d)")  # until 2033
# a folder of a year, of a month in it, of a day, of an hour: `2026` or `year=2026`
_PARTS = [re.compile(rf"(?:[a-z]+=)?({digits})") for digits in ("(?:19|20)\\d\\d", r"\d\d", r"\d\d", r"\d\d")]


class DatedDumps:
    """Source of the events that a sequence of dumps shows."""

    origin = ORIGIN

    def __init__(
        self,
        path: str | Path,
        digest: KeyedHash,
        fields: Iterable[tuple[str, str]] = (),
        progress: Callable[[str], None] = lambda _: None,
        chosen: Sequence[tuple[int, Path]] = (),
    ) -> None:
        """`chosen`: (time, path) of the dumps in the folder, where it has other things whose names are dated."""
        self._path, self._progress = Path(path), progress
        self._fields, self._digest, self._chosen = list(fields), digest, list(chosen)
        self._states = MapStates(ORIGIN, digest)
        self._gaps: list[Covered] = []

    def events(self) -> Iterator[HistoryEvent]:
        """Events in the order of the dumps, then Covered. Raises SourceDamaged when there is no dated dump."""
        if (top := work_tree(self._path)) is not None and not self._dated():
            from ghostkey.sources.history.git_tree import GitTree

            yield from GitTree(self._path, top, self._digest, self._fields, self._progress).events()
            return
        before: dict[Holder, str] | None = None
        last = self._path
        moments: list[int] = []
        for at, path in self._dumps():
            self._progress(f"read {path.name}")
            now: dict[Holder, str] = {}
            known: dict[tuple[str, str], Kind] = {}
            for item in self._objects(path, at):
                try:
                    events = list(self._object(item, at, known, now))
                except Exception as error:  # noqa: BLE001 (a stranger's object is behind it, and all others wait)
                    why = f"an object was not looked into: this is a bug in ghostkey: {place_of(error)}"
                    self._gaps.append(Covered(ORIGIN, "*", "*", at, at, None, None, True, why))
                    continue
                yield from events
            yield from self._missing(path, at, before or {}, now)
            before, last = now, path
            moments.append(at)
        if not moments:
            raise SourceDamaged(
                f"no dated dumps in {self._path}", "name them by date, as 2026-11-02.yaml, or give a Git work tree"
            )
        yield Covered(ORIGIN, "*", "*", moments[0], moments[-1], None, None, False, "")
        yield from self._shown(last, moments[-1])
        for left, right in itertools.pairwise(moments):
            yield Covered(ORIGIN, "*", "*", left, right, None, None, True, "between two dumps")
        yield from self._gaps

    def _shown(self, path: Path, at: int) -> Iterator[Covered]:
        """Of which kinds, and where, the last dump has all there were: what another source has seen, and this one has not, went before."""
        if any(gap.since == at for gap in self._gaps):
            return
        for event in Manifests([str(path)], Scope()).events():
            if isinstance(event, Coverage) and event.is_listed and not event.unseen:
                for namespace in sorted(event.namespaces) if event.namespaces is not None else ["*"]:
                    yield Covered(ORIGIN, event.kind.qualified, namespace, at, at, None, None, False, "")

    def _missing(self, path: Path, at: int, before: dict[Holder, str], now: dict[Holder, str]) -> Iterator[HistoryEvent]:
        """The ends of what the dump before had and this one would have shown; what it would not have shown stays as it was."""
        missing = sorted(before.keys() - now.keys())
        covered: dict[str, Coverage] = {}
        if missing and not any(gap.since == at for gap in self._gaps):
            source = Manifests([str(path)], Scope())
            covered = {event.kind.qualified: event for event in source.events() if isinstance(event, Coverage)}
        unseen: dict[tuple[str, str], int] = {}
        for holder in missing:
            kind, namespace, _ = holder
            if kind not in covered or not covered[kind].covers(namespace):
                now[holder] = before[holder]
                unseen[kind, namespace] = unseen.get((kind, namespace), 0) + 1
                continue
            yield SubjectEvent(at, None, *holder, before[holder], DELETED, *NOBODY, ORIGIN, False)
            if kind in MAPS:
                yield from self._states.gone(holder, at, None)
        for (kind, namespace), count in unseen.items():
            why = f"{path.name} would not have shown {counted(count, 'object')} of the dump before"
            self._gaps.append(Covered(ORIGIN, kind, namespace or "*", at, at, None, None, True, why))

    def _object(
        self,
        item: dict[str, Any],
        at: int,
        known: dict[tuple[str, str], Kind],
        now: dict[Holder, str],
    ) -> Iterator[HistoryEvent]:
        try:
            kind = kind_of_manifest(item, known)
        except ValueError:
            return
        metadata = item["metadata"]
        holder = (kind.qualified, str(metadata.get("namespace") or ""), str(metadata["name"]))
        if holder in now:
            return
        revision = revision_of(metadata.get("resourceVersion"))
        now[holder] = str(metadata.get("uid") or "")
        yield SubjectEvent(at, revision, *holder, now[holder], SEEN, *NOBODY, ORIGIN, False)
        yield from map_events(item, holder, self._states, self._fields, at, revision)

    def _objects(self, path: Path, at: int) -> Iterator[dict[str, Any]]:
        source = Manifests([str(path)], Scope())
        for _, item in source.objects():
            yield item
        for gap in source.gaps:
            self._gaps.append(Covered(ORIGIN, "*", "*", at, at, None, None, True, f"{gap.what}: {gap.why}"[:300]))

    # dumps

    def _dated(self) -> list[tuple[int, Path]]:
        """(time, path) of each dump, oldest first."""
        return self._chosen or dated_in(self._path)

    def _dumps(self) -> Iterator[tuple[int, Path]]:
        if not self._path.is_dir():
            raise SourceDamaged(f"{self._path} is no folder", "give a folder of dated dumps, or a Git work tree")
        yield from self._dated()


def map_events(
    item: dict[str, Any],
    holder: tuple[str, str, str],
    states: MapStates,
    fields: Iterable[tuple[str, str]],
    at: int,
    revision: int | None,
    writer: Writer = NOBODY,
) -> Iterator[HistoryEvent]:
    """What an object as it was at a time says of the keys in it."""
    kind = holder[0]
    if kind in MAPS:
        data = decoded(mapping(item, "data"), is_base64=kind == "secrets")
        data |= decoded(mapping(item, "stringData"), is_base64=False)
        content = {"data": data, "binaryData": decoded(mapping(item, "binaryData"), is_base64=True)}
        yield from states.changes(holder, content, at, revision, writer)
    for path in paths_for(fields, kind):
        yield from states.field_entries(holder, path, entries_at(item, path) or {}, at, revision, writer)


def work_tree(path: Path) -> Path | None:
    """The top of the Git work tree in which a folder lies, or the folder itself where it is a repository without one; else None."""
    folder = path.resolve()
    if is_repository(folder):
        return folder
    return next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), None)


def is_repository(folder: Path) -> bool:
    """Whether a folder holds what Git keeps of a repository, as `git clone --bare` and --mirror make it."""
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()


def has_commits(path: Path) -> bool:
    """Whether at least two commits are about a folder of a work tree: one is no history."""
    words = ["git", "-C", str(path), "log", "-2", "--format=%h", "--first-parent", "--", "."]
    try:
        found = subprocess.run(words, capture_output=True, timeout=GIT_SECONDS, check=False, env=git.environment_of_a_reader())
    except (OSError, subprocess.TimeoutExpired):
        return False
    return len(found.stdout.split()) > 1


def dated_in(folder: Path) -> list[tuple[int, Path]]:
    """(time, path) of each dump in a folder, oldest first."""
    return sorted(_dated_in(folder, ()))


def _dated_in(folder: Path, before: tuple[str, ...]) -> Iterator[tuple[int, Path]]:
    """Those of a folder that has, with the folders around it, so much of a date in its name."""
    for path in folder.iterdir():
        at = dated_name(path.name)
        if at is not None and not before:
            yield at, path
            continue
        part = _PARTS[len(before)].fullmatch(path.name) if len(before) < len(_PARTS) and path.is_dir() else None
        if part is None:
            continue
        parts = (*before, part[1])
        deeper = list(_dated_in(path, parts))
        if deeper:
            yield from deeper
        elif (
            len(parts) >= DAY_PARTS
            and (at := dated_name("-".join(parts[:DAY_PARTS]) + f"T{[*parts, '00'][DAY_PARTS]}:00")) is not None
        ):
            yield at, path


def dated_name(name: str) -> int | None:
    """The date in a name, as microseconds in UTC; None when there is none."""
    for found in _DATED.finditer(name):
        try:
            moment = datetime.datetime(*(int(part or 0) for part in found.groups()), tzinfo=datetime.UTC)  # type: ignore[misc,arg-type]
        except ValueError:
            continue
        return int(moment.timestamp()) * 1_000_000
    seconds = _SINCE_1970.search(name)
    return int(seconds[1]) * 1_000_000 if seconds else None


def mapping(item: dict[str, Any], name: str) -> dict[str, Any]:
    """A field of an object, empty where it is no map."""
    found = item.get(name)
    return (
        {str(key): value if isinstance(value, str) else str(value) for key, value in found.items()}
        if isinstance(found, dict)
        else {}
    )
