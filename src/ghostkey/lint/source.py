"""Go files of a folder, or of any revision of a Git repository; nothing is built, nothing is fetched."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ghostkey.foreign import git
from ghostkey.model.errors import SourceDamaged, UsageError

FILE_BYTES = 4 << 20  # no person wrote a larger file
FILES = 200_000
ASIDE = frozenset({"vendor", "third_party", "thirdparty", "testdata", "node_modules", ".git"})
GIT_SECONDS = 120


def is_read(path: str) -> bool:
    """Whether a file is Go that somebody wrote here."""
    return (
        path.endswith(".go") and not path.rpartition("/")[2].startswith("zz_generated") and ASIDE.isdisjoint(path.split("/")[:-1])
    )


def files_of_folder(root: Path) -> Iterator[tuple[str, bytes]]:
    """Path from the root, with slashes, and content; links are not followed. Raises UsageError where there is nothing."""
    if root.is_file():
        yield root.name, _content(root)
        return
    if not root.is_dir():
        raise UsageError(f"{root} is no folder and no file", "name a folder of Go files, or ./...")
    count = 0
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - ASIDE)
        for name in sorted(names):
            file = Path(folder, name)
            path = file.relative_to(root).as_posix()
            if is_read(path) and file.is_file() and not file.is_symlink() and file.stat().st_size <= FILE_BYTES:
                count += 1
                if count > FILES:
                    raise UsageError(f"{root} has more than {FILES:,} Go files", "name a folder within it")
                yield path, _content(file)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SourceDamaged(f"cannot read {file}: {error.strerror}") from None


def files_of_revision(root: Path, revision: str) -> Iterator[tuple[str, bytes]]:
    """The same of a revision, below the folder that is named. Raises UsageError when Git does not know it."""
    listed = _git(root, "ls-tree", "-r", "-z", "--full-name", "--end-of-options", revision, "--", ".").split(b"\0")
    prefix = _git(root, "rev-parse", "--show-prefix").decode().strip()
    wanted = []
    for line in listed:
        head, _, name = line.partition(b"\t")
        path = name.decode(errors="replace").removeprefix(prefix)
        if head.split()[1:2] == [b"blob"] and is_read(path):
            wanted.append((path, head.split()[2]))
    if not wanted:
        return
    asked = b"".join(digest + b"\n" for _, digest in wanted)
    answer = _git(root, "cat-file", "--batch", given=asked)
    at = 0
    for path, _ in wanted:
        end = answer.index(b"\n", at)
        words = answer[at:end].split()
        at = end + 1
        if words[-1] == b"missing":
            continue  # a partial clone: what is not here is not fetched
        size = int(words[2])
        if size <= FILE_BYTES:
            yield path, answer[at : at + size]
        at += size + 1


def _git(root: Path, *arguments: str, given: bytes | None = None) -> bytes:
    place = root if root.is_dir() else root.parent
    try:
        done = subprocess.run(
            ["git", "-C", str(place), *arguments],
            input=given,
            capture_output=True,
            check=False,
            timeout=GIT_SECONDS,
            env=git.environment_of_a_reader(),
        )
    except FileNotFoundError:
        raise UsageError("git is not installed", "it reads revisions; without it, lint a folder") from None
    except subprocess.TimeoutExpired:
        raise SourceDamaged(f"git {arguments[0]} did not end within {GIT_SECONDS} s") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().partition("\n")[0].removeprefix("fatal: ")
        raise UsageError(f"git {arguments[0]}: {said}", "git log shows the revisions there are")
    return done.stdout
