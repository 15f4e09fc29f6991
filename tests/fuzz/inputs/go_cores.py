"""Core dumps of a Go process, damaged in their headers, notes and pages."""

from __future__ import annotations

from pathlib import Path

from ghostkey.census.census import open_core
from tests.census.pages import look
from tests.fuzz.inputs.go_memory import kept


def seeds() -> list[bytes]:
    """A small core dump, and a smaller one."""
    return [kept().core(), kept().core(2)]


def read(raw: bytes, folder: Path) -> None:
    """The dump, beside the executable that it names, and beside one that is named for it."""
    path = folder / "core"
    path.write_bytes(raw)
    process = open_core(str(path), str(kept().program))
    try:
        look(process)
    finally:
        process.close()
