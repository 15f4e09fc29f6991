"""Ghosts in the memory of processes: what `maps` and `scan --process` share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ghostkey.model.errors import GhostkeyError, UsageError

if TYPE_CHECKING:
    from ghostkey.api import Link, ObjectLink
    from ghostkey.census.census import Process
    from ghostkey.cli.where import Where
    from ghostkey.report.findings import Report, Screen
    from ghostkey.sources.go_maps import GoMaps


@dataclass(frozen=True, slots=True)
class Ghosts:
    """The findings in the memory of a process, the maps that were looked into, and what was declared of them."""

    report: Report
    maps: GoMaps
    links: Sequence[Link | ObjectLink]

    def count(self, address: int) -> int | None:
        """How many ghosts the map at an address has; None where that is not known: its keys are about nothing, or are hidden."""
        from ghostkey import api

        name = self.maps.name_of(address)
        own = [finding for finding in self.report.heard.spoken if finding.key.holder.name == name]
        if any(finding.state == "unknown" for finding in own) or name not in api.linked_entries(self.report.snapshot, self.links):
            return None
        return sum(finding.state == "found" for finding in own)


def process_number(word: str) -> int:
    """The number of a process, as it was typed."""
    if not word.isascii() or not word.isdecimal() or not 0 < int(word) < 1 << 31:
        raise UsageError(f"{word!r} is no process", "write its number: ghostkey maps 4711; pgrep -a NAME lists processes by name")
    return int(word)


@contextlib.contextmanager
def maps_of(words: Sequence[str]) -> Iterator[list[GoMaps]]:
    """The maps of the processes of these numbers, whose keys are read now."""
    from ghostkey import api, processes

    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(processes.opened(process_number(word))) for word in words]
        yield [api.go_maps(process) for process in opened]


def ghosts_of(
    process: Process, where: Where, kinds: Sequence[str], subjects: Sequence[str], screen: Screen, *, is_asked: bool
) -> Ghosts | None:
    """The ghost entries of a process by the cluster at hand; None where there is no cluster, unless ghosts were asked for.

    Raises what the cluster raises when they were asked for; else that is a line on stderr.
    """
    from ghostkey import api
    from ghostkey.model.findings import Severity
    from ghostkey.model.silences import Heard
    from ghostkey.report.findings import Report

    try:
        client = where.client()
    except GhostkeyError:
        if is_asked or where.kubeconfig or where.context:
            raise
        return None  # nobody has a cluster here
    try:
        maps = api.go_maps(process)
        source = api.cluster(client, api.Scope(subject_kinds=tuple(kinds), known_by=api.known_by(subjects)))
        snapshot = api.missing(
            api.collect_with(source, [maps], client.config.server), api.Scope(subject_kinds=tuple(kinds)), client
        )
        links = api.declared_links(subjects, snapshot)
    except GhostkeyError as error:
        if is_asked:
            raise
        click.echo(f"not looked for ghosts: {error}", err=True)
        return None
    found = maps.confirm(api.analyse(snapshot, links, ["ghost-entry"]))
    shown = [finding for finding in found if finding.severity >= Severity.WARNING]
    return Ghosts(Report(snapshot, shown, Heard(found, [], []), Severity.WARNING, screen), maps, links)
