"""Directories of control planes that nobody is left to remove."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

DIRECTORY_PREFIX = "ghostkey-control-plane-"
ABANDONED_SECONDS = 120


def sweep_abandoned() -> None:
    """Removes directories of control planes whose supervisor was itself killed; their processes died with it."""
    for path in Path(tempfile.gettempdir()).glob(f"{DIRECTORY_PREFIX}*"):
        with contextlib.suppress(OSError):
            # a control plane that is just being started has a directory, but no process yet
            if time.time() - path.stat().st_mtime < ABANDONED_SECONDS:
                continue
        if not any(str(path).encode() in line for line in _command_lines()):
            shutil.rmtree(path, ignore_errors=True)


def _command_lines() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        # a process may end between its name and its line
        with contextlib.suppress(OSError):
            yield path.read_bytes()
