"""Facts of files that were read before, by their content: parsing is nine tenths of a run.

What is kept is data, decoded by type, and nothing of it is run; a damaged entry is read anew. Entries are of one engine: another
text of the files that make facts is another folder, and the old one goes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ghostkey.lint import captures, declarations, facts, methods, syntax, walk
from ghostkey.lint.facts import FileFacts

if TYPE_CHECKING:
    from tree_sitter import Parser

ENTRIES = 100_000  # files; with more of them the cache begins anew
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(FileFacts).decode


class FactsCache:
    """Facts by content, in memory for a run, and in a folder for the next one. What cannot be written is worked out again."""

    def __init__(self, folder: Path | None) -> None:
        """`folder` None keeps nothing on disk."""
        self._memory: dict[str, bytes] = {}
        self._folder = folder / _engine() if folder is not None else None
        if self._folder is None or folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for old in folder.iterdir():
                if old != self._folder or sum(1 for _ in old.iterdir()) > ENTRIES:
                    shutil.rmtree(old, ignore_errors=True)
            self._folder.mkdir(exist_ok=True, mode=0o700)
        except OSError:
            self._folder = None

    def facts_of(self, go: Parser, source: bytes, path: str) -> FileFacts:
        """As `declarations.facts_of`."""
        key = hashlib.sha256(source).hexdigest()
        kept = self._memory.get(key) or self._read(key)
        if kept is not None:
            with contextlib.suppress(msgspec.DecodeError, msgspec.ValidationError, RecursionError):
                found = _decode(kept)
                found.path, found.source = path, declarations.lines_of(source)
                self._memory[key] = kept
                return found
        made = declarations.facts_of(go, source, path)
        lines, made.source = made.source, ()
        self._memory[key] = kept = _encode(made)
        made.source = lines
        self._write(key, kept)
        return made

    def _read(self, key: str) -> bytes | None:
        if self._folder is not None:
            with contextlib.suppress(OSError):
                return (self._folder / key).read_bytes()
        return None

    def _write(self, key: str, raw: bytes) -> None:
        if self._folder is None:
            return
        with contextlib.suppress(OSError):
            handle, name = tempfile.mkstemp(dir=self._folder)
            with os.fdopen(handle, "wb") as file:
                file.write(raw)
            Path(name).replace(self._folder / key)


def default_folder() -> Path:
    """Where other programs keep what they can make again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ghostkey" / "lint"


def _engine() -> str:
    """What the facts depend on: the text of the files that make them."""
    texts = [Path(str(module.__file__)).read_bytes() for module in (captures, declarations, facts, methods, syntax, walk)]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]
