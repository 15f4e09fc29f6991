"""`ghostkey explain`."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Any

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli._history import past_options
from ghostkey.cli.completing import complete_finding, complete_key
from ghostkey.cli.options import ProgressLine, cluster_options, local_option
from ghostkey.cli.scope import kinds_option, subject_option
from ghostkey.cli.where import Where
from ghostkey.model.counts import counted
from ghostkey.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ghostkey.api import Link, ObjectLink
    from ghostkey.model.events import KeysSeen
    from ghostkey.model.refs import Kind
    from ghostkey.store.snapshot import Snapshot
    from ghostkey.story.opening import Past


SHOWN_GROUPS = 20  # of findings that are alike


@click.command("explain", context_settings=CONTEXT)
@click.argument("what", metavar="FINDING|ANALYSIS|cm/NAME", shell_complete=complete_finding)
@click.argument("key", default="", metavar="[KEY]", shell_complete=complete_key)
@cluster_options
@kinds_option("With cm/NAME: consider only these kinds as subjects.")
@subject_option("With cm/NAME: declare what keys are written for.")
@past_options
@click.option("--html", "page_file", metavar="FILE", help="Write the story as one page that needs no network.")
@click.option("--field", "fields", multiple=True, metavar="KIND:PATH", help="A map-valued field too: tenants.demo:status.shards.")
@click.option("-o", "--output", "form", type=click.Choice(["text", "json"]), default="text", help="How to print a story.")
@local_option
def command(
    what: str,
    key: str,
    where: Where,
    kinds: tuple[str, ...],
    past: Past,
    page_file: str | None,
    form: str,
    is_local: bool,
) -> int:
    """Show the evidence of a finding, what an analysis means, or the whole story of a map or a key.

    FINDING is an id of the last scan, or its beginning. With cm/NAME [KEY] the map is looked at anew; with --from or --store
    its history is told: who wrote a key, when its subject went, and why the key is still there.
    """
    if past.paths and not past.store and "/" in what and _are_dumps(past):
        return _explain_map(what, key, where, kinds, past, is_local=is_local)
    if past:
        return _tell(what, key, where, past, page_file, form, is_local=is_local)
    if "/" in what:
        return _explain_map(what, key, where, kinds, past, is_local=is_local)
    from ghostkey.analyses import all_analyses, page
    from ghostkey.cli.findings_file import find
    from ghostkey.cli.terminal import say_page
    from ghostkey.model.nearest import nearest
    from ghostkey.report.evidence import chain_lines

    if what in all_analyses():
        say_page(f"{what}: {page(what)}")
        return 0
    found, damaged = find(what)
    for error in damaged:
        click.echo(f"not seen: {error}", err=True)
    if len(found) == 1:
        record, place = found[0]
        _say_times(chain_lines(record, where.words(namespace=False) or place), is_local=is_local)
        return 0
    known = ", ".join(sorted(all_analyses()))
    if found:
        raise UsageError(f"{len(found)} findings of the last scans begin with {what!r}", "write more of the id")
    raise UsageError(
        f"no finding {what!r} in the last scans, and no analysis of that name",
        f"{nearest(what, all_analyses())} ghostkey scan gives the ids of what it finds; analyses: {known}".strip(),
    )


def _are_dumps(past: Past) -> bool:
    """Whether all paths are dumps without a date, from which a map is explained as `scan --from` looks at it."""
    from pathlib import Path

    from ghostkey.sources.history.open import DUMP, parts_of
    from ghostkey.sources.history.remote import is_remote
    from ghostkey.story.opening import LIVE

    return not past.sort and all(
        path != LIVE and not is_remote(path) and all(sort == DUMP for _, sort in parts_of(Path(path))) for path in past.paths
    )


def _tell(what: str, key: str, where: Where, past: Past, page_file: str | None, form: str, *, is_local: bool) -> int:
    """The story of a map, or of one key, from its history; 1 when keys outlive their subject."""
    from pathlib import Path

    from ghostkey import story as stories
    from ghostkey.cli._history import one_holder
    from ghostkey.report import page, text
    from ghostkey.story.opening import opened

    holder, named, progress = one_holder((what,), where.namespace), key, ProgressLine()
    with opened(holder, past, where.client, progress) as asked:
        path, key = stories.key_named(asked, *holder, key)
        told = stories.story_of(asked, *holder, key, path)
        progress.done()
        if not told.keys and (named or not told.writers):
            raise UsageError(
                f"the history has no key {named!r} of {what} in namespace {holder[1]!r}"
                if named
                else f"the history has no {what} in namespace {holder[1]!r}",
                (not named and stories.meant(asked, *holder)) or "name the namespace with -n",
            )
        moments = stories.timeline(asked, told, key, path) if key else []
    if page_file:
        names = [*past.paths, *([past.store] if past.store else [])]
        options = "".join(f" --from {shlex.quote(path)}" for path in past.paths)
        options += f" --store {shlex.quote(past.store)}" if past.store else ""
        from ghostkey.cli.output import write_page

        write_page(Path(page_file), page.page(told, made_at=time.time_ns() // 1000, sources=names, options=options))
        click.echo(f"wrote {page_file}", err=True)
    if form == "json":
        import dataclasses

        from ghostkey.cli.output import echo_json

        holder_record = {
            "kind": stories.kind_name(told.kind),
            "resource": told.kind,
            "namespace": told.namespace,
            "name": told.name,
        }
        record: dict[str, Any] = {
            **dataclasses.asdict(told), "schema_version": 1, "kind": "GhostkeyStory", "holder": holder_record,
        }  # fmt: skip
        # keys of JSON objects are text
        record["links"] = list(told.links.values())
        record["others"] = [row for rows in told.others.values() for row in rows]
        record["subjects"] = list(told.subjects.values())
        record["timeline"] = [dataclasses.asdict(moment) for moment in moments]
        echo_json(record)
    else:
        _say_times(text.key_lines(told, key, moments) if key else text.map_lines(told), is_local=is_local)
    return 1 if told.ghosts else 0


def _say_times(lines: Iterable[str], *, is_local: bool) -> None:
    """Prints lines, their times by this machine's clock where that is asked for."""
    from ghostkey.cli.terminal import say
    from ghostkey.report.times import localised

    say(*(localised(line) if is_local else line for line in lines))


def _explain_map(what: str, key: str, where: Where, kinds: tuple[str, ...], past: Past, *, is_local: bool) -> int:
    """The findings of a map and why its other keys are none; from the dump that `past` names, else from the cluster."""
    from ghostkey.cli._cluster import findings_in_dump, findings_of_map, one_map
    from ghostkey.cli.terminal import safe, say
    from ghostkey.report.evidence import OF_A_DUMP, group_lines
    from ghostkey.report.findings import finding_record, grouped

    client = None if past.paths else where.client()
    namespace = client.config.namespace if client else where.namespace or "default"
    kind, name = one_map((what,))
    progress = ProgressLine()
    if client is None:
        findings, snapshot, links, live = findings_in_dump(past.paths, kind, namespace, name, (kinds, past.subjects), progress)
    else:
        findings, snapshot, links = findings_of_map(client, kind, name, kinds, past.subjects, progress)
        live = None
    progress.done()
    chosen = [finding for finding in findings if not key or str(finding.key) == key or finding.key.key == key]
    groups = grouped(chosen)
    place = where.words(namespace=False) if client else OF_A_DUMP
    for members in groups[:SHOWN_GROUPS]:
        _say_times(group_lines([*map(finding_record, members)], place), is_local=is_local)
    if len(groups) > SHOWN_GROUPS:
        say(f"… and {counted(len(groups) - SHOWN_GROUPS, 'other sort')} of findings; name a KEY")
    if not chosen:
        if key:
            shown = live if client is None else client.get_object(kind.path(namespace, name))
            _check_key(shown or {}, kind, what, key)
        spot = (kind, namespace, name)
        own = [seen for seen in snapshot.maps if (seen.holder.kind, seen.holder.namespace, seen.holder.name) == spot]
        lines = [f"no finding is about {what}{f' {key}' if key else ''}"]
        words = where.words(namespace=True) + "".join(f" --from {shlex.quote(path)}" for path in past.paths)
        lines += _account_lines(what, key, snapshot, own, links, words)
        say(*dict.fromkeys(lines))
    for gap in snapshot.gaps[:5]:
        click.echo(f"not seen: {gap.what}: {gap.why}", err=True)
    for note in snapshot.notes:
        click.echo(safe(f"note: {note}"), err=True)
    return 3 if snapshot.gaps else 1 if chosen else 0


def _account_lines(
    what: str, key: str, snapshot: Snapshot, own: list[KeysSeen], links: Sequence[Link | ObjectLink], words: str
) -> list[str]:
    """Why a key, or the keys of a map, are not called ghosts; `own` are the fields and documents of the map."""
    from ghostkey import api

    lines: list[str] = []
    keyed = [link for link in links if isinstance(link, api.Link)]
    index = api.SubjectIndex(snapshot.subjects)
    for seen in own:
        if key and key not in seen.keys:
            continue
        account = api.account_of(snapshot, seen, key, keyed, index)
        lines += [f"  it is for {subject}, which lives: {template}" for subject, template in account.subjects]
        lines += [f"  {account.spared}"] if account.spared else []
        if account.subjects:
            continue
        for found in account.nearest:
            lines.append(
                f"  {found.template} of {found.kind.qualified}: {found.verdict.bits:.1f} bits, {found.verdict.enough:g} are enough; "
                f"{found.live} of {found.made} such keys have a live object"
            )
            lines += [f"    {sentence}" for sentence in found.verdict.sentences]
        if account.nearest and not account.spared:
            best = account.nearest[0]
            lines.append(f"  to declare it: ghostkey explain {what}{words} --subject '{best.kind.qualified}={best.template}'")
        if not account.nearest and not key:
            lines.append("  no name or UID of a live object stands in enough of its keys")
    return lines


def _check_key(live: dict[str, Any], kind: Kind, what: str, key: str) -> None:
    """Raises NotFound when a map has neither such a key nor, in a document, such an entry."""
    from ghostkey.actions.documents import entry_text
    from ghostkey.model.errors import GhostkeyError, NotFound
    from ghostkey.model.refs import SECRETS

    fields = [live.get(field) or {} for field in ("data", "binaryData")]
    if any(key in values for values in fields):
        return
    for top, text in fields[0].items():
        if not key.startswith(f"{top}/"):
            continue
        if kind == SECRETS:
            raise UsageError(
                f"entries of documents in {what} are part of its secret: ghostkey does not say which there are",
                f"ghostkey explain {what} {top}",
            )
        *path, last = key.removeprefix(f"{top}/").split("/")
        try:
            entry_text(text, path, last)
        except (LookupError, ValueError, TypeError, GhostkeyError):
            continue
        return
    place = live.get("metadata", {}).get("namespace", "")
    raise NotFound(f"{what} has no key {key!r}", f"ghostkey blame {what} -n {place} lists its keys")
