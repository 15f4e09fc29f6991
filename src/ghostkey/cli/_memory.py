"""Ghosts in the memory of processes: what `maps` and `scan --process` share."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from ghostkey.cli.options import ProgressLine
from ghostkey.cli.terminal import safe
from ghostkey.model.errors import GhostkeyError, UsageError

if TYPE_CHECKING:
    from ghostkey.api import Link, ObjectLink
    from ghostkey.cli.where import Where
    from ghostkey.processes import AnyProcess
    from ghostkey.report.findings import Report, Screen
    from ghostkey.sources.go_maps import GoMaps

F = TypeVar("F", bound=Callable[..., Any])


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


@dataclass(frozen=True, slots=True)
class InPod:
    """The options that say how to get to a process in a Pod, as they were given."""

    container: str | None = None
    image: str | None = None
    uid: int | None = None
    is_agreed: bool = False


def pod_options(function: F) -> F:
    """What commands take that read a process; they get it as one `in_pod`."""

    @functools.wraps(function)
    def command(*args: object, container: str | None, image: str | None, uid: int | None, yes: bool, **rest: object) -> object:
        return function(*args, in_pod=InPod(container, image, uid, yes), **rest)

    click.option("--yes", is_flag=True, help="With pod/NAME: agree to the ephemeral container that it takes.")(command)
    click.option(
        "--uid", type=click.IntRange(0), metavar="UID", help="With pod/NAME: the user of the process, where no spec says it."
    )(command)
    click.option("--image", metavar="IMAGE", help="With pod/NAME: an image with python3 for the helper (python:3-slim).")(command)
    click.option("-c", "--container", metavar="NAME", help="With pod/NAME: the container whose process it is.")(command)
    return cast(F, command)


@contextlib.contextmanager
def opened(word: str, where: Where, in_pod: InPod, *, is_watched: bool = False) -> Iterator[AnyProcess]:
    """The process that a word names: a number on this machine, or `pod/NAME`.

    `is_watched`: what it does is to be seen. Raises UsageError then for one of this machine that is stopped, and does nothing.
    """
    from ghostkey import processes

    kind, slash, name = word.partition("/")
    if not slash:
        with processes.opened(process_number(word)) as process:
            if is_watched and _is_stopped(process.pid):
                raise UsageError(f"process {process.pid} is stopped: nothing in it changes", f"kill -CONT {process.pid}")
            yield process
        return
    if kind not in {"pod", "pods", "po"} or not name:
        raise UsageError(f"{word!r} is no process", "write its number, or pod/NAME")
    from ghostkey import pods

    client, progress = where.client(), ProgressLine()

    def agreed(text: str) -> bool:
        is_agreed = _agrees(text, is_agreed=in_pod.is_agreed)
        if is_agreed:
            progress("waiting for the helper in the Pod")
        return is_agreed

    try:
        remote = pods.open_in_pod(
            client, client.config.namespace, name, container=in_pod.container or "", image=in_pod.image or "", uid=in_pod.uid,
            agreed=agreed,
        )  # fmt: skip
    finally:
        progress.done()
    try:
        yield remote
    finally:
        remote.close()


def _agrees(text: str, *, is_agreed: bool) -> bool:
    click.echo(safe(text), err=True)
    if is_agreed or not sys.stdin.isatty():
        return is_agreed
    return click.confirm("add it?", err=True)


@contextlib.contextmanager
def maps_of(words: Sequence[str], where: Where, in_pod: InPod) -> Iterator[list[GoMaps]]:
    """The maps of these processes, whose keys are read now."""
    from ghostkey import api

    with contextlib.ExitStack() as stack:
        yield [api.go_maps(stack.enter_context(opened(word, where, in_pod))) for word in words]


def ghosts_of(
    process: AnyProcess,
    where: Where,
    kinds: Sequence[str],
    subjects: Sequence[str],
    screen: Screen,
    *,
    is_asked: bool,
    addresses: Collection[int] | None = None,
) -> Ghosts | None:
    """The ghost entries of a process, or of its maps at some addresses, by the cluster at hand.

    None where there is no cluster, unless ghosts were asked for.
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
        maps = api.go_maps(process, addresses)
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


def _is_stopped(pid: int) -> bool:
    """Whether a signal has stopped it. One that a debugger holds has words of its own."""
    from ghostkey.processes import state_of

    try:
        return state_of(pid) == "T"
    except OSError:
        return False
