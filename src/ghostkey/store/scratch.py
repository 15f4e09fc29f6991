"""Folders that live as long as the work in them: gone at its end, and at the next start where it was killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where whoever is killed leaves its folder to the system
    fcntl = None  # type: ignore[assignment]

PREFIX = "ghostkey-"
LOCK = ".in-use"
YOUNG_SECONDS = 60  # a folder without a lock may be one that is being made


@contextlib.contextmanager
def scratch_directory(purpose: str) -> Iterator[Path]:
    """A private folder `ghostkey-PURPOSE-…` among the temporary files; those that killed processes left are removed first."""
    sweep(Path(tempfile.gettempdir()), f"{PREFIX}{purpose}-*")
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{purpose}-"))
    try:
        with claimed(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Says that a folder is in use, as long as this process and its helpers live: the kernel takes it back from the dead."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
        (folder / LOCK).unlink(missing_ok=True)


def sweep(parent: Path, pattern: str) -> None:
    """Removes our own folders of this pattern that nobody claims any more."""
    for folder in parent.glob(pattern):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or not folder.is_dir() or _is_in_use(folder):
                continue
            shutil.rmtree(folder)


def _is_in_use(folder: Path) -> bool:
    found = folder.stat()
    if fcntl is None or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
        return True
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return time.time() - found.st_mtime < YOUNG_SECONDS
    try:
        # not by process id: a container that shares the folder has ids of its own
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
