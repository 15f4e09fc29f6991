"""Receipts of guards: what each object was before, kept before anything is written. They hold caps and policies, and no values."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ghostkey.guard.plan import Step
from ghostkey.model.errors import GhostkeyError, NotFound, SourceDamaged
from ghostkey.model.nearest import nearest
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
        paths = self._paths()
        found = [path for path in paths if path.stem.startswith(name)]
        if not name:
            found = [path for path in found if self._read(path).state in {"applied", "pending"}][:1]
        if len(found) == 1:
            return self._read(found[0])
        if not paths:
            what, hint = f"{self.directory} holds no receipt of a guard", "ghostkey guard apply cm/NAME --apply writes one"
            raise NotFound(what, f"{hint}; ghostkey guard remove takes away a guard that others put there")
        if not name:
            what, hint = (
                f"every guard with a receipt in {self.directory} has been undone",
                "ghostkey guard status shows what is left",
            )
            raise NotFound(what, f"{hint}; ghostkey guard remove takes it away")
        what = f"{len(found)} receipts of guards begin with" if found else "no receipt of a guard is called"
        hint = "write more of the id" if found else nearest(name, (path.stem for path in paths))
        if "/" in name:
            hint = "a guard goes back as a whole, by its receipt"
        raise NotFound(
            f"{what} {name!r} in {self.directory}", f"{hint}; ghostkey guard undo --list shows them".removeprefix("; ")
        )

    def newest_first(self) -> Iterator[GuardReceipt | GhostkeyError]:
        """All receipts, the latest first; the error instead of one that cannot be read."""
        for path in self._paths():
            try:
                yield self._read(path)
            except GhostkeyError as error:
                yield error

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
