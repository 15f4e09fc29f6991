"""What ghostkey keeps on disk between commands, private to the user."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

KEY_BYTES = 32


def state_directory() -> Path:
    """Where ghostkey keeps what must outlive a command: GHOSTKEY_STATE, else the user's state folder."""
    if chosen := os.environ.get("GHOSTKEY_STATE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "ghostkey"


def write_private(path: Path, content: bytes) -> None:
    """Writes a file that only the user can read, whole or not at all, and on the disk before this returns."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    unfinished.replace(path)
    sync_directory(path.parent)


def append_private(path: Path, content: bytes) -> None:
    """Appends to a file and syncs it."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND), "ab") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


def sync_directory(path: Path) -> None:
    """Makes a new name in a directory outlive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True)
class DigestKey:
    """The key of value digests: without it, a plan file does not help to guess a Secret's value."""

    key: bytes
    id: str

    def digest(self, value: str | bytes) -> str:
        """Keyed hash of a value, 32 hex digits."""
        raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        return hmac.new(self.key, raw, hashlib.sha256).hexdigest()[:32]


def digest_key(directory: Path | None = None) -> DigestKey:
    """This user's digest key, made on first use."""
    path = (directory or state_directory()) / "digest.key"
    with contextlib.suppress(OSError):
        if len(key := path.read_bytes()) == KEY_BYTES:
            return _identified(key)
    key = secrets.token_bytes(KEY_BYTES)
    write_private(path, key)
    return _identified(key)


def _identified(key: bytes) -> DigestKey:
    return DigestKey(key, hashlib.sha256(b"ghostkey digest key" + key).hexdigest()[:12])
