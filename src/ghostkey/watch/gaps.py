"""Whether what is found no more is gone, or may only be hidden by what was not seen."""

from __future__ import annotations

from collections.abc import Iterable

from ghostkey.model.counts import counted
from ghostkey.model.events import Gap
from ghostkey.watch.look import Look

TOLD = 3  # gaps of which the words are told

LASTING = 60.0  # times the patience: an API that was down as the watcher began is back by then; a right that is missing is not


def gap_words(gaps: Iterable[Gap]) -> str:
    """A sentence about what could not be seen, the first of it in the other side's words; empty where nothing is missing."""
    told = sorted({f"{gap.what}: {gap.why}" for gap in gaps})
    if not told:
        return ""
    more = f"; and {counted(len(told) - TOLD, 'more gap')}" if len(told) > TOLD else ""
    hint = "; `ghostkey rbac --for watch` prints the rights" if any("403" in words for words in told) else ""
    return f"not seen: {'; '.join(told[:TOLD])}{more}{hint}"


class KnownGaps:
    """Remembers the gaps that there were at the beginning and ever since: what they hide was hidden before, too."""

    def __init__(self, patience: float) -> None:
        self._lasting_seconds = LASTING * patience
        self._first: set[str] | None = None
        self._began = 0.0

    def hide(self, look: Look) -> bool:
        """Whether something may be missing in this look that is there: looks come in their order, each once."""
        gaps = {gap.what for gap in look.gaps}
        if self._first is None:
            self._first, self._began = gaps, look.began
        self._first &= gaps  # one that is over and comes again is new
        return not gaps <= self._first or (bool(gaps) and look.began - self._began < self._lasting_seconds)
