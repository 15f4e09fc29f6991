"""The parts of a lesson, one file each: what is written, and how it was tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

HELD, FAILED, UNTRIED, NONE = "held", "failed", "not tried", "none"


@dataclass(frozen=True, slots=True)
class Part:
    """One part: `state` HELD (tried, and it held), UNTRIED (written, and `said` why not tried), FAILED (tried, did not hold, and so
    is not written), or NONE (there is nothing to write, and `said` why)."""

    name: str
    state: str
    said: str
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_written(self) -> bool:
        """Whether its files are handed over."""
        return self.state in {HELD, UNTRIED} and bool(self.files)
