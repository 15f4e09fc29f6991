"""Dumps of manifests over time: a folder of dated dumps, or the Git history of a folder of manifests.

What it reads
    Files and folders whose names begin with, or hold, a date (`2026-11-02`, `20261102T1014`), each a dump as `scan --from`
    takes it; or the commits of a Git work tree, each as the files were then.
Coverage
    Moments, not spans: between two dumps a key may have come and gone unseen, and that is a gap.
When it is wrong
    When a dump holds only some of the objects that the one before it held: what is missing looks deleted.
Source
    git-log(1), git-archive(1)
"""

from __future__ import annotations

import datetime
import io
import itertools
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from ghostkey.model.errors import SourceDamaged, place_of
from ghostkey.model.history import DELETED, SEEN, Covered, HistoryEvent, SubjectEvent, Writer
from ghostkey.model.refs import Kind
from ghostkey.sources._written import kind_of_manifest
from ghostkey.sources.history.common import entries_at, paths_for, revision_of
from ghostkey.sources.history.states import KeyedHash, MapStates, decoded
from ghostkey.sources.live_cluster import Scope
from ghostkey.sources.manifests import Manifests
from ghostkey.store.scratch import scratch_directory

ORIGIN = "dumps"
GIT_SECONDS = 600
_DATED = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})(?:[T_ -]?(\d{2})[:h-]?(\d{2})(?:[:m-]?(\d{2}))?)?")


class DatedDumps:
    """Source of the events that a sequence of dumps shows."""

    origin = ORIGIN

    def __init__(
        self,
        path: str | Path,
        digest: KeyedHash,
        fields: Iterable[tuple[str, str]] = (),
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._path, self._progress = Path(path), progress
        self._fields = list(fields)
        self._states = MapStates(ORIGIN, digest)
        self._gaps: list[Covered] = []

    def events(self) -> Iterator[HistoryEvent]:
        """Events in the order of the dumps, then Covered. Raises SourceDamaged when there is no dated dump."""
        before: dict[tuple[str, str, str], str] | None = None
        moments: list[int] = []
        for at, path, author in self._dumps():
            self._progress(f"read {path.name}")
            now: dict[tuple[str, str, str], str] = {}
            known: dict[tuple[str, str], Kind] = {}
            writer = Writer(user=author, agent="git" if author else "")
            for item in self._objects(path, at):
                try:
                    events = list(self._object(item, at, known, now, writer))
                except Exception as error:  # noqa: BLE001 (a stranger's object is behind it, and all others wait)
                    why = f"an object was not looked into: this is a bug in ghostkey: {place_of(error)}"
                    self._gaps.append(Covered(ORIGIN, "*", "*", at, at, None, None, True, why))
                    continue
                yield from events
            for holder in sorted((before or {}).keys() - now.keys()):
                yield SubjectEvent(at, None, *holder, (before or {})[holder], DELETED, *writer, ORIGIN, False)
                if holder[0] in ("configmaps", "secrets"):
                    yield from self._states.gone(holder, at, None, writer)
            before = now
            moments.append(at)
        if not moments:
            raise SourceDamaged(
                f"no dated dumps in {self._path}", "name them by date, as 2026-11-02.yaml, or give a Git work tree"
            )
        yield Covered(ORIGIN, "*", "*", moments[0], moments[-1], None, None, False, "")
        for left, right in itertools.pairwise(moments):
            yield Covered(ORIGIN, "*", "*", left, right, None, None, True, "between two dumps")
        yield from self._gaps

    def _object(
        self,
        item: dict[str, Any],
        at: int,
        known: dict[tuple[str, str], Kind],
        now: dict[tuple[str, str, str], str],
        writer: Writer,
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
        yield SubjectEvent(at, revision, *holder, now[holder], SEEN, *writer, ORIGIN, False)
        if kind.qualified in ("configmaps", "secrets"):
            is_secret = kind.qualified == "secrets"
            data = decoded(_mapping(item, "data"), is_base64=is_secret)
            data |= decoded(_mapping(item, "stringData"), is_base64=False)
            content = {"data": data, "binaryData": decoded(_mapping(item, "binaryData"), is_base64=True)}
            yield from self._states.changes(holder, content, at, revision, writer)
        for path in paths_for(self._fields, kind.qualified):
            yield from self._states.field_entries(holder, path, entries_at(item, path) or {}, at, revision, writer)

    def _objects(self, path: Path, at: int) -> Iterator[dict[str, Any]]:
        source = Manifests([str(path)], Scope())
        for _, item in source.objects():
            yield item
        for gap in source.gaps:
            self._gaps.append(Covered(ORIGIN, "*", "*", at, at, None, None, True, f"{gap.what}: {gap.why}"[:300]))

    # dumps

    def _dumps(self) -> Iterator[tuple[int, Path, str]]:
        """(time, path, author) of each dump, oldest first."""
        if not self._path.is_dir():
            raise SourceDamaged(f"{self._path} is no folder", "give a folder of dated dumps, or a Git work tree")
        if (self._path / ".git").exists():
            yield from self._commits()
            return
        dated = [(at, path) for path in self._path.iterdir() if (at := dated_name(path.name)) is not None]
        for at, path in sorted(dated):
            yield at, path, ""

    def _commits(self) -> Iterator[tuple[int, Path, str]]:
        """The files as they were at each commit of the current branch, first parents only, in a folder of their own."""
        log = self._git("log", "--first-parent", "--reverse", "--format=%H %ct %ae").decode("utf-8", "replace")
        for line in log.splitlines():
            commit, seconds, author = line.split(" ", 2)
            with scratch_directory("git") as folder:
                packed = io.BytesIO(self._git("archive", "--format=tar", commit))
                try:
                    with tarfile.open(fileobj=packed) as archive:
                        archive.extractall(folder, filter=_only_files)  # noqa: S202 (the filter is stricter than `data`)
                except (tarfile.TarError, OSError, ValueError) as error:
                    raise SourceDamaged(f"commit {commit[:12]} of {self._path} could not be unpacked: {error}") from None
                yield int(seconds) * 1_000_000, folder, author

    def _git(self, *words: str) -> bytes:
        try:
            done = subprocess.run(
                ["git", "-C", str(self._path), *words], capture_output=True, timeout=GIT_SECONDS, check=False
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SourceDamaged(f"git {words[0]} failed: {error}", "install git, or give a folder of dated dumps") from None
        if done.returncode:
            raise SourceDamaged(f"git {words[0]} failed on {self._path}: {done.stderr.decode(errors='replace').strip()[-300:]}")
        return done.stdout


def dated_name(name: str) -> int | None:
    """The date in a name, as microseconds in UTC; None when there is none."""
    found = _DATED.search(name)
    if found is None:
        return None
    try:
        moment = datetime.datetime(*(int(part or 0) for part in found.groups()), tzinfo=datetime.UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        return None
    return int(moment.timestamp()) * 1_000_000


def _only_files(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    """Files and folders; a link is no manifest, and may lead out of the folder."""
    return tarfile.data_filter(member, folder) if member.isreg() or member.isdir() else None


def _mapping(item: dict[str, Any], name: str) -> dict[str, Any]:
    found = item.get(name)
    return (
        {str(key): value if isinstance(value, str) else str(value) for key, value in found.items()}
        if isinstance(found, dict)
        else {}
    )
