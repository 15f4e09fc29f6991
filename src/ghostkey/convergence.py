"""Whether a map in the memory of a process settles after its operator was mended: as long as what lives, and not growing.

>>> seen = watch(process, found, seconds=120)                      # doctest: +SKIP
>>> print(seen.result, seen.len_per_minute)                        # doctest: +SKIP
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ghostkey.census.census import Process
from ghostkey.census.errors import MemoryFault, NoSuchProcess
from ghostkey.census.gomap import GoMap
from ghostkey.census.remote import RemoteProcess
from ghostkey.model.counts import counted

LOOK_SECONDS = 0.5  # between two looks at the header: some microseconds each


@dataclass(slots=True)
class Convergence:
    """What a map did: its length and slots at the first and last look, and how many of its entries were ghosts before and after.

    Ghosts are None where no cluster tells what lives. `ended`: `` (as planned), `interrupted`, or `gone` (map or process).
    """

    len_first: int = 0
    len_last: int = 0
    len_most: int = 0
    slots_first: int = 0
    slots_last: int = 0
    seconds: float = 0.0
    ghosts_before: int | None = None
    ghosts_after: int | None = None
    ended: str = ""
    why: list[str] = field(default_factory=list)

    @property
    def len_per_minute(self) -> float:
        """How fast it grew, entries a minute."""
        return 60 * (self.len_last - self.len_first) / self.seconds if self.seconds > 0 else 0.0

    @property
    def ghosts_per_minute(self) -> float | None:
        """How fast its ghosts grew; None where they could not be counted."""
        if self.ghosts_after is None or self.ghosts_before is None or self.seconds <= 0:
            return None
        return 60 * (self.ghosts_after - self.ghosts_before) / self.seconds

    @property
    def result(self) -> str:
        """`converged`, `not converged`, or how it ended before that could be said; fills `why`."""
        if self.ended:
            return self.ended
        self.why = list(self._reasons())
        return "not converged" if self.why else "converged"

    def _reasons(self) -> list[str]:
        reasons = []
        if self.ghosts_after is not None:
            if self.ghosts_after:
                reasons.append(f"{self.ghosts_after:,} of {self.len_last:,} entries are about subjects that are gone")
        elif self.len_last > self.len_first:
            reasons.append(f"it grew from {self.len_first:,} to {counted(self.len_last, 'entry', 'entries')}")
        if self.slots_last > self.slots_first and self.len_last <= self.len_first:
            reasons.append(f"its slots grew from {self.slots_first:,} to {self.slots_last:,}, though its entries did not")
        return reasons


def watch(
    process: Process | RemoteProcess, found: GoMap, seconds: float, tell: Callable[[Convergence], None] = lambda _: None
) -> Convergence:
    """What the map did in this time. Ctrl-C ends it early; so does the end of the process, or of the map."""
    seen = Convergence(found.length, found.length, found.length, found.slots, found.slots)
    began = time.monotonic()
    try:
        while (left := began + seconds - time.monotonic()) > 0:
            time.sleep(min(LOOK_SECONDS, left))
            now = process.again(found)
            if now is None:
                seen.ended = "gone"
                break
            process.describe([now])
            seen.len_last, seen.slots_last = now.length, now.slots
            seen.len_most = max(seen.len_most, now.length)
            seen.seconds = time.monotonic() - began
            tell(seen)
    except KeyboardInterrupt:
        seen.ended = "interrupted"
    except (NoSuchProcess, MemoryFault):
        seen.ended = "gone"
    seen.seconds = time.monotonic() - began
    return seen
