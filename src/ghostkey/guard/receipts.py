"""Receipts of guards: what each object was before, kept before anything is written. They hold caps and policies, and no values."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ghostkey.guard.plan import Step
from ghostkey.model.errors import GhostkeyError, NotFound, SourceDamaged
from ghostkey.store.state import read_private, state_directory, write_private

BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class GuardReceipt:
    """`steps` were planned, `done` were carried out: their `after` is what the API server stored.

    `begun` steps were sent, or were about to be when the last word was written down: that of them which is not in `done` may have
    been carried out. `state`: pending, applied, failed or undone.
    """

    id: str
    server: str
    created_at: str
    steps: tuple[Step, ...]
    done: tuple[Step, ...]
    state: str = "pending"
    begun: int = 0

    @property
    def touched(self) -> tuple[Step, ...]:
        """The steps that were carried out, and the one that may have been."""
        return (*self.done, *self.steps[len(self.done) : self.begun])


class GuardReceipts:
    """A folder of receipts, each a private file `ID.guard`."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or state_directory() / "guards"

    def new_id(self, created_at: str) -> str:
        """An id that sorts by time."""
        stamp = "".join(character for character in created_at[:26] if character.isdigit()).ljust(20, "0")
        return f"guard-{stamp[:8]}t{stamp[8:]}z-{secrets.token_hex(4)}"

    def save(self, receipt: GuardReceipt) -> Path:
        """Writes and syncs the file in place of the one before; where it is."""
        path = self.directory / f"{receipt.id}.guard"
        try:
            write_private(path, msgspec.json.encode(receipt))
        except OSError as error:
            raise GhostkeyError(
                f"cannot keep the receipt {path}: {error.strerror or error}",
                "make room there, or name another folder: GHOSTKEY_STATE",
            ) from None
        return path

    def load(self, name: str = "") -> GuardReceipt:
        """The receipt of an id, or of the one id that begins so; the latest that is in force without one."""
        found = [path for path in self._paths() if path.stem.startswith(name)]
        if not name:
            found = [path for path in found if self._read(path).state in {"applied", "pending"}][:1]
        if len(found) != 1:
            what = "no receipt of a guard" if not found else f"{len(found)} receipts of guards"
            raise NotFound(f"{what} in {self.directory} is called {name!r}" if name else f"{what} is in force in {self.directory}", "ghostkey guard status lists them")  # fmt: skip
        return self._read(found[0])

    def _paths(self) -> list[Path]:
        return sorted(self.directory.glob("guard-*.guard"), reverse=True)

    @staticmethod
    def _read(path: Path) -> GuardReceipt:
        try:
            return msgspec.json.decode(read_private(path, BYTES), type=GuardReceipt)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise SourceDamaged(
                f"receipt {path} is damaged: {error}", "remove it; ghostkey guard remove takes the guard away"
            ) from None
