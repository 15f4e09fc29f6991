"""The Git history of a folder of manifests: who committed which key, and when.

What it reads
    The commits of the current branch, first parents only, and of each commit the files below the folder that it changed, by one
    `git cat-file --batch`: a history takes as long as its changes, whatever the folder holds.
Coverage
    Moments: what was in the cluster between two commits, or never came to it, a repository does not say.
When it is wrong
    When manifests are made by a program from something else, as Helm charts are: then the keys are not in the files.
Source
    git-log(1) --raw, git-cat-file(1) --batch
"""

from __future__ import annotations

import contextlib
import itertools
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from ghostkey.foreign import git
from ghostkey.model.errors import SourceDamaged, place_of
from ghostkey.model.history import DELETED, SEEN, Covered, HistoryEvent, SubjectEvent, Writer
from ghostkey.model.refs import Kind
from ghostkey.sources._archives import FILE_BYTES, is_readable_name
from ghostkey.sources._documents import Documents
from ghostkey.sources._written import kind_of_manifest
from ghostkey.sources.history.common import MAPS, revision_of
from ghostkey.sources.history.dated_dumps import ORIGIN, map_events, mapping
from ghostkey.sources.history.facts import KeyedHash
from ghostkey.sources.history.states import MapStates

ENDING_SECONDS = 10
PAIRS = 20  # times between commits that are told one by one
TOLD = 200  # pieces that could not be read
Holder = tuple[str, str, str]


class _Commit(NamedTuple):
    name: str
    at: int
    author: str
    changes: list[tuple[str, str]]  # path, and the blob that is there now; empty for a file that went


class GitTree:
    """Source of the events of one folder of a work tree."""

    origin = ORIGIN

    def __init__(
        self,
        path: Path,
        top: Path,
        digest: KeyedHash,
        fields: Iterable[tuple[str, str]] = (),
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._path, self._progress, self._fields = path.resolve(), progress, list(fields)
        self._below = self._path.relative_to(top).as_posix()
        self._top = top
        self._states = MapStates(ORIGIN, digest)
        self._files: dict[str, tuple[str, dict[Holder, str]]] = {}  # path → its blob, and the objects in it with their UIDs
        self._paths: dict[Holder, set[str]] = {}  # the files in which each object is
        self._gaps: list[Covered] = []
        self._known: dict[tuple[str, str], Kind] = {}

    def events(self) -> Iterator[HistoryEvent]:
        """Events in the order of the commits, then Covered. Raises SourceDamaged when git fails, or no commit is about the folder."""
        moments: list[int] = []
        with _Blobs(self._top) as blobs:
            for number, commit in enumerate(self._commits()):
                if moments and commit.at <= moments[-1]:
                    # its clock was behind that of the commit before, or it was made in the same second
                    commit = commit._replace(at=moments[-1] + 1)  # noqa: PLW2901
                if number % 50 == 0:
                    self._progress(f"read {number:,} commits")
                yield from self._commit(commit, blobs)
                moments.append(commit.at)
        if not moments:
            raise SourceDamaged(
                f"no commit is about manifests in {self._path}", "give the folder of a Git work tree that holds them"
            )
        yield Covered(ORIGIN, "*", "*", moments[0], moments[-1], None, None, False, "")
        if len(moments) <= PAIRS:
            for left, right in itertools.pairwise(moments):
                yield Covered(ORIGIN, "*", "*", left, right, None, None, True, "between two dumps")
        else:
            why = f"between {len(moments):,} commits"
            yield Covered(ORIGIN, "*", "*", moments[0], moments[-1], None, None, True, why)
        yield from self._gaps

    def _commit(self, commit: _Commit, blobs: _Blobs) -> Iterator[HistoryEvent]:
        writer = Writer(user=commit.author, agent="git", audit_id=f"{commit.name[:12]}")
        went: dict[Holder, str] = {}
        came: dict[Holder, dict[str, dict[str, Any]]] = {}
        for path, blob in commit.changes:
            for holder, uid in self._files.pop(path, ("", {}))[1].items():
                self._paths[holder].discard(path)
                went[holder] = uid
            if not blob:
                continue
            place = f"{commit.name[:12]}:{path}"
            found = {}
            for holder, item in self._objects(blobs, blob, place, commit.at):
                found[holder] = str(item["metadata"].get("uid") or "")
                came.setdefault(holder, {})[path] = item
                self._paths.setdefault(holder, set()).add(path)
            if found:
                self._files[path] = blob, found
        for holder in sorted(came.keys() | {holder for holder in went if holder[0] in MAPS and self._paths[holder]}):
            items = came.get(holder, {})
            path = next(iter(items), "")
            signed = writer._replace(audit_id=f"{commit.name[:12]}:{path}") if path else writer
            item = self._whole(holder, items, blobs, commit)
            if holder not in went and len(self._paths[holder]) == len(items):
                yield SubjectEvent(commit.at, None, *holder, self._uid(item), SEEN, *signed, ORIGIN, False)
            try:
                revision = revision_of(item["metadata"].get("resourceVersion"))
                yield from map_events(item, holder, self._states, self._fields, commit.at, revision, signed)
            except Exception as error:  # noqa: BLE001 (a stranger's object is behind it, and all others wait)
                self._gap(commit.at, f"an object was not looked into: this is a bug in ghostkey: {place_of(error)}")
        for holder, uid in sorted(went.items()):
            if not self._paths[holder]:
                del self._paths[holder]
                yield SubjectEvent(commit.at, None, *holder, uid, DELETED, *writer, ORIGIN, False)
                if holder[0] in MAPS:
                    yield from self._states.gone(holder, commit.at, None, writer)

    def _whole(self, holder: Holder, items: dict[str, dict[str, Any]], blobs: _Blobs, commit: _Commit) -> dict[str, Any]:
        """An object as a commit leaves it; a map that is in several files, as a base and what is laid over it, has the keys of all."""
        paths = sorted(self._paths[holder])
        if holder[0] not in MAPS or (len(paths) == 1 and paths[0] in items):
            return next(iter(items.values()))
        parts = []
        for path in paths:
            place = f"{commit.name[:12]}:{path}"
            shown = items.get(path) or dict(self._objects(blobs, self._files[path][0], place, commit.at)).get(holder)
            parts.append(shown or {})
        whole = dict(next(iter(items.values()), parts[0]))
        for name in ("data", "stringData", "binaryData"):
            whole[name] = {key: value for part in parts for key, value in mapping(part, name).items()}
        return whole

    @staticmethod
    def _uid(item: dict[str, Any]) -> str:
        return str(item["metadata"].get("uid") or "")

    def _objects(self, blobs: _Blobs, blob: str, place: str, at: int) -> Iterator[tuple[Holder, dict[str, Any]]]:
        content = blobs.read(blob)
        if content is None:
            self._gap(at, f"{place} is too large, or not in the repository")
            return
        documents = Documents([])
        for item in documents.text_objects(place, content):
            try:
                kind = kind_of_manifest(item, self._known)
            except ValueError:
                continue
            metadata = item["metadata"]
            yield (kind.qualified, str(metadata.get("namespace") or ""), str(metadata["name"])), item
        for gap in documents.all_gaps():
            self._gap(at, f"{gap.what}: {gap.why}"[:300])

    def _gap(self, at: int, why: str) -> None:
        if len(self._gaps) < TOLD:
            self._gaps.append(Covered(ORIGIN, "*", "*", at, at, None, None, True, why))

    # git

    def _commits(self) -> Iterator[_Commit]:
        """Each commit with the files that it changed, oldest first, as git tells them."""
        words = [
            "log", "--first-parent", "--diff-merges=first-parent", "--reverse", "--raw", "--no-abbrev", "--no-renames", "-z",
            "--format=%x01%H %ct %ae", "--", self._below,
        ]  # fmt: skip
        with _git(self._top, *words) as stream:
            commit: _Commit | None = None
            mode = ""
            for piece in _pieces(stream):
                text = piece.decode("utf-8", "surrogateescape")
                if text.lstrip("\n").startswith("\x01"):
                    if commit is not None and commit.changes:
                        yield commit
                    name, seconds, author = [*text.strip("\n\x01").split(" ", 2), "", ""][:3]
                    commit = _Commit(name, int(seconds) * 1_000_000, author, [])
                elif text.lstrip("\n").startswith(":"):
                    mode = text.strip("\n")
                elif commit is not None and mode:
                    # :mode before, mode, blob before, blob, status
                    parts = mode.split(" ")
                    is_file = parts[1].startswith("100")
                    if is_readable_name(text):
                        commit.changes.append((text, parts[3] if is_file and set(parts[3]) != {"0"} else ""))
                    mode = ""
            if commit is not None and commit.changes:
                yield commit


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    """What stands between the zero bytes of a stream."""
    rest = b""
    while block := stream.read(1 << 16):
        *whole, rest = (rest + block).split(b"\0")
        yield from whole
    if rest:
        yield rest


@contextlib.contextmanager
def _git(top: Path, *words: str) -> Iterator[IO[bytes]]:
    """What a git command prints. Raises SourceDamaged when it cannot be started, or fails."""
    try:
        running = subprocess.Popen(
            ["git", "-C", str(top), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=git.environment_of_a_reader()
        )
    except OSError as error:
        raise SourceDamaged(f"git {words[0]} failed: {error}", "install git, or give a folder of dated dumps") from None
    assert running.stdout is not None
    assert running.stderr is not None
    try:
        yield running.stdout
        said = running.stderr.read(4_096).decode(errors="replace").strip()
        if running.wait(ENDING_SECONDS):
            raise SourceDamaged(f"git {words[0]} failed on {top}: {said[-300:]}")
    finally:
        running.stdout.close()
        running.stderr.close()
        if running.poll() is None:
            running.kill()
            running.wait()


class _Blobs:
    """One `git cat-file --batch`, asked for one blob after the other."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._running: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _Blobs:
        try:
            self._running = subprocess.Popen(
                ["git", "-C", str(self._top), "cat-file", "--batch"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=git.environment_of_a_reader(),
            )
        except OSError as error:
            raise SourceDamaged(f"git cat-file failed: {error}", "install git, or give a folder of dated dumps") from None
        return self

    def __exit__(self, *_: object) -> None:
        running = self._running
        if running is not None:
            for pipe in (running.stdin, running.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            try:
                running.wait(ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()

    def read(self, blob: str) -> bytes | None:
        """The content of a blob; None when it is too large, or not there."""
        assert self._running is not None
        assert self._running.stdin is not None
        assert self._running.stdout is not None
        try:
            self._running.stdin.write(blob.encode() + b"\n")
            self._running.stdin.flush()
            head = self._running.stdout.readline().split()
            if len(head) != 3:
                return None
            left = int(head[2])
            content = self._running.stdout.read(left) if left <= FILE_BYTES else None
            while content is None and left:
                left -= len(self._running.stdout.read(min(left, 1 << 20)))
            self._running.stdout.read(1)
        except (OSError, ValueError) as error:
            raise SourceDamaged(f"git cat-file failed on {self._top}: {error}") from None
        return content
