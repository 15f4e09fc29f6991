"""`ghostkey verify`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli._converge import converge
from ghostkey.cli._memory import InPod, pod_options
from ghostkey.cli.completing import complete_receipt
from ghostkey.cli.countdown import Countdown
from ghostkey.cli.options import ProgressLine, cluster_options, complete_map, parse_duration
from ghostkey.cli.scope import grouped, kinds_option
from ghostkey.cli.where import Where
from ghostkey.model.counts import counted
from ghostkey.model.errors import UsageError
from ghostkey.report import words

if TYPE_CHECKING:
    from ghostkey import api
    from ghostkey.kube.client import ApiClient
    from ghostkey.model.plans import Receipt, Removed
    from ghostkey.model.refs import ObjectRef

TOLD_KEYS = 5  # keys that come back are named as they come; a map written anew would name thousands


@dataclass(frozen=True, slots=True)
class Trimmed:
    """Which trimmed keys are watched, and whether the first that is back is enough."""

    receipt: str | None
    receipts: str | None
    fail_fast: bool


@dataclass(frozen=True, slots=True)
class Memory:
    """The map of a process that is watched instead."""

    process: str | None
    map_word: str | None


@click.command("verify", context_settings=CONTEXT)
@click.argument("map_words", nargs=-1, metavar="[cm/NAME|secret/NAME]", shell_complete=complete_map)
@cluster_options
@pod_options
@click.option("--for", "duration", default="10m", show_default=True, metavar="TIME", help="How long to watch.")
@grouped(
    "trimmed",
    Trimmed,
    click.option(
        "--from-receipt",
        "receipt",
        shell_complete=complete_receipt,
        metavar="RECEIPT",
        help="Trimmed keys: those of this receipt (by default the newest one, of the map when one is named).",
    ),
    click.option("--receipts", metavar="DIR|cluster", help="Where the receipt is."),
    click.option("--fail-fast", is_flag=True, help="End at the first key that is back."),
)
@grouped(
    "memory",
    Memory,
    click.option("--process", "process", metavar="PID|pod/NAME", help="Watch a map in the memory of this Go process instead."),
    click.option("--map", "map_word", metavar="HOLDER|TYPE|ADDRESS", help="With --process: which map."),
)
@kinds_option("Consider only these kinds as subjects when counting ghosts.")
@click.option("-o", "--output", "form", type=click.Choice(["table", "json"]), default="table", help="How to print the result.")
def command(
    map_words: tuple[str, ...],
    where: Where,
    in_pod: InPod,
    duration: str,
    trimmed: Trimmed,
    memory: Memory,
    kinds: tuple[str, ...],
    form: str,
) -> int:
    """Watch that trimmed keys stay gone, through reconciles and restarts of the operator.

    Restart the operator while it runs: what lives in its memory comes back then. Result: converged (exit 0), re-added
    (exit 1, with the manager that did it) or still growing (exit 1). Ctrl-C tells what was seen so far (exit 130 or 1).

    With --process a map in memory is watched: converged (as long as what lives, exit 0) or not (exit 1, and by how much a minute).
    """
    from ghostkey.cli._cluster import receipts_at, trim_of
    from ghostkey.cli.output import echo_json
    from ghostkey.cli.terminal import say

    seconds = parse_duration(duration)
    if memory.process is not None:
        if map_words or trimmed.receipt or trimmed.receipts or trimmed.fail_fast:
            raise UsageError("--process watches a map in memory, not keys of a map in the cluster", "name it with --map")
        return converge(memory.process, memory.map_word, where, in_pod, seconds, kinds, form)
    if memory.map_word is not None:
        raise UsageError("--map names a map in the memory of a process", "add --process PID")
    client = where.client()
    kept = trim_of(receipts_at(trimmed.receipts, client, client.config.namespace), trimmed.receipt, map_words, client)
    client.config.namespace = kept.holder.namespace
    outcome = _watch(client, kept, duration, kinds, is_first_enough=trimmed.fail_fast)
    if form == "json":
        echo_json(outcome.record())
    else:
        say(outcome.line())
        if outcome.seen.is_gone:
            click.echo(f"{kept.holder} was deleted meanwhile", err=True)
        elif not outcome.seen.writes and outcome.result == "converged":
            click.echo(
                "note: nobody wrote this map meanwhile, so that its operator was not put to the test: restart it as you verify",
                err=True,
            )
    return {"converged": 0, "interrupted": 130, "gone": 4}.get(outcome.result, 1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of trimmed keys; `ghosts_after` is None where nobody waited for another look."""

    seen: api.Watched
    trimmed: int
    inner_back: list[str]
    ghosts_before: int
    ghosts_after: int | None

    @property
    def back(self) -> int:
        """How many trimmed keys came back."""
        return len(self.seen.readded) + len(self.inner_back)

    @property
    def result(self) -> str:
        """One word for it all."""
        if self.back:
            return "re-added"
        # a map that is gone has no key that could come back, which is not what was to be shown
        if self.seen.is_interrupted or self.seen.is_gone:
            return "interrupted" if self.seen.is_interrupted else "gone"
        return "still growing" if (self.ghosts_after or 0) > self.ghosts_before else "converged"

    def record(self) -> dict[str, object]:
        """As JSON says it."""
        import msgspec

        seen = self.seen
        return {
            "schema_version": 1,
            "kind": "GhostkeyVerify",
            "result": self.result,
            "seconds": round(seen.seconds, 1),
            "trimmed": self.trimmed,
            "readded": [msgspec.to_builtins(found) for found in seen.readded.values()] or self.inner_back,
            "writes": seen.writes,
            "writers": seen.writers,
            "keys_before": seen.first_count,
            "keys_after": seen.last_count,
            "ghosts_before": self.ghosts_before,
            "ghosts_after": self.ghosts_after,
            "is_gone": seen.is_gone,
        }

    def line(self) -> str:
        """As a terminal shows it."""
        seen = self.seen
        writers = ", ".join(f"{name} ({count})" for name, count in sorted(seen.writers.items())) or "anybody"
        after = "?" if self.ghosts_after is None else self.ghosts_after
        return (
            f"{self.result}: {self.back} of {self.trimmed} trimmed keys came back in {words.seconds(seen.seconds)}; "
            f"{counted(seen.writes, 'write')} by {writers}; "
            f"keys {seen.first_count} → {seen.last_count}, ghosts {self.ghosts_before} → {after}"
        )


def _watch(client: ApiClient, kept: Receipt, duration: str, kinds: tuple[str, ...], *, is_first_enough: bool) -> Outcome:
    """Watches the keys of a receipt, and counts the map's ghosts before and after."""
    from ghostkey import api
    from ghostkey.cli._cluster import findings_of_map
    from ghostkey.cli.terminal import safe

    holder, seconds = kept.holder, parse_duration(duration)
    keys = [item.key for item in kept.removed if not item.path]
    inner = [item for item in kept.removed if item.path and item.path[0]]
    progress, seen, told = ProgressLine(), api.Watched(), 0

    def ghosts() -> int:
        findings, _, _ = findings_of_map(client, holder.kind, holder.name, kinds, (), progress)
        return sum(finding.analysis in api.TRIMMED and finding.state == "found" for finding in findings)

    def tell(found: api.Readded) -> None:
        nonlocal told
        told += 1
        if told > TOLD_KEYS:
            return
        progress.done()
        named = f"by {found.manager} ({found.operation}) at {found.time}"
        by = named if found.manager else "by somebody managedFields do not name"
        click.echo(safe(f"{found.key} is back, written {by}"), err=True)

    before = ghosts()
    progress.done()

    def begin() -> None:
        trimmed = counted(len(keys) or len(inner), "trimmed key")
        click.echo(f"watching {trimmed} of {holder} for {duration}", err=True)

    with Countdown(seconds, lambda: f"watching {holder}: {seen.writes} writes, {told} keys back", progress):
        api.verify(client, holder, keys, seconds, listener=api.Listener(begin, tell, is_first_enough), seen=seen)
    if told > TOLD_KEYS:
        click.echo(f"… and {told - TOLD_KEYS} more (-o json lists all)", err=True)
    is_inner_asked = inner and not seen.is_gone and not seen.is_interrupted
    inner_back = _inner_back(client, holder, inner) if is_inner_asked else []
    # who ends it by hand wants to know what was seen, and not to wait for another look at the cluster
    after = None if seen.is_interrupted else 0 if seen.is_gone else ghosts()
    progress.done()
    return Outcome(seen, len(keys) + len(inner), inner_back, before, after)


def _inner_back(client: ApiClient, holder: ObjectRef, inner: list[Removed]) -> list[str]:
    """Entries of documents that are there again at the end."""
    from ghostkey.actions import documents

    live = client.get_object(holder.kind.path(holder.namespace, holder.name)) or {}
    back = []
    for item in inner:
        text = (live.get(item.field) or {}).get(item.path[0], "")
        try:
            documents.entry_text(text, item.path[1:], item.key)
        except KeyError:
            continue
        back.append("/".join((*item.path, item.key)))
    return back
