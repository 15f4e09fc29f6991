"""Memory of a Go process in which words are random, or lead in circles: each word that a census reads may be changed."""

from __future__ import annotations

import functools
import random
from pathlib import Path

from tests.census.pages import Kept, look


@functools.cache
def kept() -> Kept:
    return Kept()


def seeds() -> list[bytes]:
    """No change, one, and many."""
    rng = random.Random(1)
    return [b"", rng.randbytes(12), rng.randbytes(240), rng.randbytes(6000)]


def read(raw: bytes, folder: Path) -> None:
    """Everything that is read of a process."""
    look(kept().process(raw))
