"""When a map that is near a limit will be full, where a history is at hand that knows it."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ghostkey.model.errors import GhostkeyError, UsageError
from ghostkey.model.findings import Finding

if TYPE_CHECKING:
    from ghostkey.store.history import History
    from ghostkey.story import Forecast

ANALYSES = ("size-limit", "managed-fields-dropped")
MAPS = 20  # asked for: each takes a query over its history
AGREES = 0.1  # how far the last size of a history may be from that of the map: beyond, it is of another map or another time


def with_dates(findings: Sequence[Finding], store: str | None) -> list[Finding]:
    """The findings, those about limits with the day on which the map is full at the rate of its history.

    The history is that of `store`, else the user's own. Raises what reading a store that was named does.
    """
    near = [finding for finding in findings if finding.analysis in ANALYSES][:MAPS]
    if not near:
        return list(findings)
    dated = {}
    # the user's own store is a help that is not missed
    with contextlib.nullcontext() if store else contextlib.suppress(GhostkeyError, OSError):
        dated = dict(_dated(near, store))
    return [dated.get(finding.fingerprint, finding) for finding in findings]


def _dated(near: Sequence[Finding], store: str | None) -> Iterator[tuple[str, Finding]]:
    from ghostkey.store.history import History
    from ghostkey.story import when

    history = History(Path(store) if store else None)
    if not history.imports():
        if store:
            raise UsageError(f"the store {history.directory} holds no history", "ghostkey history import --store DIR PATH")
        return
    for finding in near:
        law = _law(history, finding)
        if law is None or law.full_at is None or abs(law.bytes - _size(finding)) > AGREES * _size(finding):
            continue
        said = f"full {days_words(law, time.time_ns() // 1000)} at the rate of its history, {when(law.full_at)}"
        evidence = f"{law.bytes_per_day:,.0f} bytes and {law.keys_per_day:,.1f} keys a day; binds first: {law.binding}"
        yield (
            finding.fingerprint,
            dataclasses.replace(
                finding, message=f"{finding.message}; {said}", evidence=(*finding.evidence, f"history: {evidence}; {said}")
            ),
        )


def days_words(law: Forecast, now: int) -> str:
    """`in 9 days (6–14)`: from now to the day on which a map is full, and the bounds of the 80 % interval of that."""
    from ghostkey.story import DAY

    middle, low, high = (
        max(0, round((at - now) / DAY)) if at is not None else 0 for at in (law.full_at, law.full_low, law.full_high)
    )
    return f"in {middle} {'day' if middle == 1 else 'days'} ({low}–{high})"


def _size(finding: Finding) -> int:
    return max(1, finding.value_bytes)


def _law(history: History, finding: Finding) -> Forecast | None:
    """How the map of a finding grows; None when the history does not know it."""
    from ghostkey.store.engines import DuckEngine
    from ghostkey.story import growth_of

    holder = finding.key.holder
    return growth_of(DuckEngine(history), (holder.kind.qualified, holder.namespace, holder.name))
