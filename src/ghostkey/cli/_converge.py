"""`ghostkey verify --process`: whether a map in memory settles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ghostkey.census.gomap import GoMap
    from ghostkey.cli._memory import InPod
    from ghostkey.cli.where import Where
    from ghostkey.convergence import Convergence
    from ghostkey.processes import AnyProcess

COUNTING = "counting its ghosts in the cluster"


def converge(
    process_word: str, map_word: str | None, where: Where, in_pod: InPod, seconds: float, kinds: Sequence[str], form: str
) -> int:
    """Watches one map of a process and tells whether it converged: 0, or 1 when not; 130 by Ctrl-C, 4 when it is gone."""
    from ghostkey import convergence, processes
    from ghostkey.census.errors import NoSuchProcess
    from ghostkey.cli._memory import opened
    from ghostkey.cli.countdown import Countdown
    from ghostkey.cli.options import ProgressLine
    from ghostkey.cli.terminal import safe

    word = processes.asked_for(map_word)
    progress = ProgressLine()
    with opened(process_word, where, in_pod, is_watched=True) as process:
        progress("looking for the map")
        census = process.census()
        process.name_types(census.maps)
        chosen = processes.named(process, census, word)
        found = chosen[0]
        progress(COUNTING)
        before = _ghosts(process, found, where, kinds)
        progress.done()
        words = f"watching {found.holder} ({found.type or 'map'}, len {found.length:,}) of {process.name}"
        click.echo(safe(words + processes.not_watched(chosen)), err=True)
        latest = [found.length]

        def tell(seen: Convergence) -> None:
            latest[0] = seen.len_last

        with Countdown(seconds, lambda: f"watching {found.holder}: len {latest[0]:,}", progress):
            seen = convergence.watch(process, found, seconds, tell)
        seen.ghosts_before = before
        if not seen.ended and before is not None:
            progress(COUNTING)
            try:
                seen.ghosts_after = _ghosts(process, found, where, kinds)
            except NoSuchProcess:
                seen.ended = "gone"
        progress.done()
    result = seen.result
    _tell(result, seen, found, form)
    return {"converged": 0, "not converged": 1, "interrupted": 130}.get(result, 4)


def _ghosts(process: AnyProcess, found: GoMap, where: Where, kinds: Sequence[str]) -> int | None:
    """How many entries of the map are ghosts; None where no cluster says so, its keys are about no objects, or some are hidden."""
    from ghostkey.cli._memory import ghosts_of
    from ghostkey.report.findings import Screen

    told = ghosts_of(process, where, kinds, (), Screen(), is_asked=bool(kinds), addresses={found.address})
    return told.count(found.address) if told is not None else None


def _tell(result: str, seen: Convergence, found: GoMap, form: str) -> None:
    from ghostkey.cli.output import echo_json
    from ghostkey.cli.terminal import say

    if form == "json":
        per_minute = seen.ghosts_per_minute
        echo_json(
            {
                "schema_version": 1,
                "kind": "GhostkeyVerifyProcess",
                "result": result,
                "why": seen.why,
                "holder": found.holder,
                "type": found.type or None,
                "address": hex(found.address),
                "seconds": round(seen.seconds, 1),
                "len_before": seen.len_first,
                "len_after": seen.len_last,
                "len_most": seen.len_most,
                "len_per_minute": round(seen.len_per_minute, 2),
                "slots_before": seen.slots_first,
                "slots_after": seen.slots_last,
                "ghosts_before": seen.ghosts_before,
                "ghosts_after": seen.ghosts_after,
                "ghosts_per_minute": None if per_minute is None else round(per_minute, 2),
            }
        )
        return
    ghosts = (
        ", ghosts not counted (its keys are linked to no objects of a cluster)"
        if seen.ghosts_before is None
        else f", ghosts {seen.ghosts_before} → "
    )
    if seen.ghosts_before is not None:
        ghosts += "?" if seen.ghosts_after is None else str(seen.ghosts_after)
        if seen.ghosts_per_minute is not None:
            ghosts += f" ({seen.ghosts_per_minute:+,.0f} a minute)"
    reasons = f"{'; '.join(seen.why)}; " if seen.why else ""
    say(
        f"{result}: {reasons}len {seen.len_first:,} → {seen.len_last:,} ({seen.len_per_minute:+,.0f} a minute), "
        f"slots {seen.slots_first:,} → {seen.slots_last:,}{ghosts} in {seen.seconds:.0f} s"
    )
