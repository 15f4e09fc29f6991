"""Writes the edits that rules suggest, and keeps those alone that make their finding go and bring no other."""

from __future__ import annotations

import collections
import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ghostkey.lint.edits import Edit
from ghostkey.lint.findings import Finding
from ghostkey.lint.run import lint_files
from ghostkey.lint.source import files_of_folder
from ghostkey.model.errors import UsageError

GOFMT_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Fixed:
    """Findings that are mended, and the content of each file that changes: path from the root → text."""

    findings: tuple[Finding, ...]
    files: dict[str, bytes]


def fix(root: Path, findings: Iterable[Finding], cache: Path | None = None) -> Fixed:
    """What to write in a folder. Everything is linted again with every rule before it is believed: an edit after which its finding
    stays, or another one appears, is left out. Nothing is written; see `write`.
    """
    before = dict(files_of_folder(root))
    tree = _Tree(dict(before), cache)
    mended = tree.mend([finding for finding in findings if finding.edits])
    changed = {path: _formatted(tree.sources[path], old) for path, old in before.items() if tree.sources[path] != old}
    return Fixed(tuple(mended), changed)


class _Tree:
    """Sources as they become, and what is found in them."""

    def __init__(self, sources: dict[str, bytes], cache: Path | None) -> None:
        self.sources = sources
        self._cache = cache
        self._known = self._told(sources)

    def mend(self, findings: list[Finding]) -> list[Finding]:
        """All of them at once; where that fails, each half by itself."""
        changed = _applied(self.sources, [edit for finding in findings for edit in finding.edits]) if findings else None
        if changed is not None:
            told = self._told(self.sources | changed)
            if told <= self._known and told.isdisjoint(finding.fingerprint for finding in findings):
                self.sources |= changed
                self._known = told
                return findings
        if len(findings) < 2:
            return []
        middle = len(findings) // 2
        return self.mend(findings[:middle]) + self.mend(findings[middle:])

    def _told(self, sources: dict[str, bytes]) -> set[str]:
        return {finding.fingerprint for finding in lint_files(sources.items(), level="B", cache=self._cache).findings}


def write(root: Path, fixed: Fixed) -> None:
    """Each file at once, with the mode it had. Raises UsageError with the file's name; those before it are written."""
    for path, content in fixed.files.items():
        file = root if root.is_file() else root / path
        try:
            handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(content)
                shutil.copymode(file, name)
                os.replace(name, file)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name)
                raise
        except OSError as error:
            raise UsageError(f"cannot write {file}: {error.strerror}") from None


def _applied(sources: dict[str, bytes], edits: Sequence[Edit]) -> dict[str, bytes] | None:
    """The files that edits change, from the last line to the first; None where a line is no longer what was read."""
    changed: dict[str, bytes] = {}
    by_path = collections.defaultdict(list)
    for edit in edits:
        by_path[edit.path].append(edit)
    for path, own in by_path.items():
        lines = sources[path].split(b"\n") if path in sources else []
        for edit in sorted(own, key=lambda one: -one.line):
            at = _line_of(lines, edit)
            if at is None:
                return None
            text = lines[at]
            end = b"\r" if text.endswith(b"\r") else b""
            indent = text[: len(text) - len(text.lstrip())]
            lines[at : at + 1] = [indent + new.encode() + end for new in edit.new.split("\n")]
        changed[path] = b"\n".join(lines)
    return changed


def _line_of(lines: list[bytes], edit: Edit) -> int | None:
    """Where the line stands that is edited: where it stood, or below it by what edits before this one put in, if it is the only one."""
    old = edit.old.encode()
    if old and edit.line <= len(lines) and lines[edit.line - 1].strip() == old:
        return edit.line - 1
    found = [at for at, text in enumerate(lines) if text.strip() == old]
    return found[0] if old and len(found) == 1 else None


def _formatted(content: bytes, before: bytes) -> bytes:
    """As gofmt has it, where there is one and the file was so before."""
    gofmt = shutil.which("gofmt")
    if gofmt is None:
        return content
    texts = []
    for text in (before, content):
        try:
            done = subprocess.run([gofmt], input=text, capture_output=True, check=False, timeout=GOFMT_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            return content
        texts.append(done.stdout if done.returncode == 0 else None)
    return texts[1] if texts[0] == before and texts[1] is not None else content
