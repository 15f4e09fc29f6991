"""A lesson's folder: there as a whole, or not at all."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from ghostkey.model.errors import GhostkeyError, Refused


def check(target: Path, *, is_forced: bool) -> None:
    """Raises Refused where a folder is there already, and is not to be replaced; a file is never."""
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise Refused(f"{target} is there, and is no folder", "name another with --out")
    if target.is_dir() and any(target.iterdir()) and not is_forced:
        raise Refused(f"{target} is there already", "--force replaces it, --out DIR names another")


def write(target: Path, files: Mapping[str, str], *, is_forced: bool) -> None:
    """Writes the files into a folder beside the target, which then takes its place. Raises Refused, and GhostkeyError for a full disk."""
    check(target, is_forced=is_forced)
    mark = secrets.token_hex(4)
    made, old = target.with_name(f".{target.name}.{mark}"), target.with_name(f".{target.name}.{mark}.old")
    try:
        made.mkdir(parents=True)
        for name, text in files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        if target.is_dir():
            target.rename(old)
        made.rename(target)
    except OSError as error:
        if old.is_dir() and not target.exists():
            old.rename(target)
        raise GhostkeyError(
            f"cannot write {target}: {error.strerror or error}", "make room there, or name another: --out DIR"
        ) from None
    finally:
        for left in (made, old):
            shutil.rmtree(left, ignore_errors=True)
