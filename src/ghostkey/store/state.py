"""What ghostkey keeps on disk between commands, private to the user.

Folders and files must be the user's own and not writable by others, and are never reached through somebody else's link:
what stands in them is written back into clusters. Windows has neither modes nor owners of this kind; there the profile's
own protection has to do.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import hmac
import os
import secrets
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from ghostkey.model.errors import GhostkeyError, SourceDamaged

KEY_BYTES = 32
KEY_SECONDS = 5.0  # for another process to finish writing the key it has just made
# O_NONBLOCK: a planted pipe must not hold a reader up
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_ADD = os.O_RDWR | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}


class StateUnsafe(GhostkeyError):
    """A file or folder of the state is somebody else's, or others may write it."""


def state_directory() -> Path:
    """Where ghostkey keeps what must outlive a command: GHOSTKEY_STATE, else the user's state folder."""
    if chosen := os.environ.get("GHOSTKEY_STATE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "ghostkey"


def private_directory(path: Path) -> Path:
    """The folder, made if it is not there. Raises StateUnsafe when it is not the user's alone to write, OSError when it cannot be made."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    check_directory(path)
    return path


def check_directory(path: Path) -> None:
    """Raises StateUnsafe when a folder is somebody else's, or others may write into it."""
    for found in (path.lstat(), path.stat()):
        _check(path, found, stat.S_IWGRP | stat.S_IWOTH)


def _check(path: Path, found: os.stat_result, forbidden: int) -> None:
    if not hasattr(os, "geteuid"):
        return
    if found.st_uid != os.geteuid():
        raise StateUnsafe(
            f"{path} belongs to another user (uid {found.st_uid})", "name a folder of your own with GHOSTKEY_STATE or --receipts"
        )
    if not stat.S_ISLNK(found.st_mode) and found.st_mode & forbidden:
        raise StateUnsafe(f"{path} may be written by others (mode {found.st_mode & 0o777:04o})", f"chmod go-w {path}")


def read_private(path: Path, limit: int) -> bytes:
    """The content of a file of the state. Raises OSError, StateUnsafe, or SourceDamaged when it is larger than `limit` or no file."""
    handle = os.open(path, _READ)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise SourceDamaged(f"{path} is no file")
        _check(path, found, stat.S_IWGRP | stat.S_IWOTH)
        if found.st_size > limit:
            raise SourceDamaged(f"{path} holds {found.st_size:,} bytes, more than {limit:,}")
        return file.read(limit)


def write_private(path: Path, content: bytes) -> None:
    """Writes a file that only the user can read, whole or not at all, and on the disk before this returns."""
    unfinished = _written_beside(path, content)
    try:
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def create_private(path: Path, content: bytes) -> None:
    """As `write_private`, for a file that must not be there yet; raises FileExistsError, and changes nothing, when it is."""
    unfinished = _written_beside(path, content)
    try:
        # a second name is given only where there is none: whoever is first wins, and nobody sees half a file
        os.link(unfinished, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    sync_directory(path.parent)


def _written_beside(path: Path, content: bytes) -> Path:
    private_directory(path.parent)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(unfinished, _NEW, 0o600), "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    return unfinished


def append_private(path: Path, content: bytes) -> None:
    """Appends to a file of the user's and syncs it. What was cut off in the middle of a line before stays a line of its own."""
    handle = os.open(path, _ADD)
    with os.fdopen(handle, "r+b", buffering=0) as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise SourceDamaged(f"{path} is no file")
        _check(path, found, stat.S_IWGRP | stat.S_IWOTH)
        if found.st_size:
            file.seek(-1, os.SEEK_END)
            content = content if file.read(1) == b"\n" else b"\n" + content
        file.write(content)
        os.fsync(handle)


def sync_directory(path: Path) -> None:
    """Makes a new name in a directory outlive a power cut; where directories cannot be synced (Windows), the file system has to do."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # some network file systems cannot either
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True)
class DigestKey:
    """This machine's key: of value digests (without it a plan file does not help to guess a Secret's value) and of receipts' seals."""

    key: bytes
    id: str
    is_kept: bool = True

    def __repr__(self) -> str:
        return f"DigestKey({self.id})"

    def digest(self, value: str | bytes) -> str:
        """Keyed hash of a value, 32 hex digits."""
        raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        return hmac.new(self.key, raw, hashlib.sha256).hexdigest()[:32]

    def seal(self, content: bytes) -> str:
        """Proof that this machine wrote the content."""
        return hmac.new(self.key, b"ghostkey receipt\0" + content, hashlib.sha256).hexdigest()


def digest_key(directory: Path | None = None) -> DigestKey:
    """This user's digest key, made on first use, the same in all processes.

    Raises OSError, StateUnsafe, or SourceDamaged when the file that should hold it does not.
    """
    path = (directory or state_directory()) / "digest.key"
    deadline = time.monotonic() + KEY_SECONDS
    while True:
        with contextlib.suppress(FileNotFoundError):
            check_directory(path.parent)
            key = read_private(path, 1 << 16)
            if len(key) == KEY_BYTES:
                return _identified(key)
            if time.monotonic() > deadline or key:
                raise SourceDamaged(
                    f"{path} is damaged: it holds {len(key)} bytes, not {KEY_BYTES}",
                    "put back a copy of it, or remove it: plans and receipts made before are then those of another machine",
                )
        with contextlib.suppress(FileExistsError):
            create_private(path, secrets.token_bytes(KEY_BYTES))


def passing_key() -> DigestKey:
    """A key that is kept nowhere, for when there is nothing to keep, or nowhere to keep it."""
    return _identified(secrets.token_bytes(KEY_BYTES), is_kept=False)


def any_key() -> DigestKey:
    """The digest key, or one that passes where it cannot be kept (a read-only home). Raises what `digest_key` does but OSError."""
    try:
        return digest_key()
    except OSError:
        return passing_key()


def _identified(key: bytes, *, is_kept: bool = True) -> DigestKey:
    return DigestKey(key, hashlib.sha256(b"ghostkey digest key" + key).hexdigest()[:12], is_kept)
