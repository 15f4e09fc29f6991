"""`ghostkey blame`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli._history import past_options
from ghostkey.cli.options import cluster_options, complete_map, local_option
from ghostkey.cli.where import Where

if TYPE_CHECKING:
    from ghostkey.story.opening import Past


@click.command("blame", context_settings=CONTEXT)
@click.argument("map_words", nargs=-1, required=True, metavar="cm/NAME|secret/NAME", shell_complete=complete_map)
@cluster_options
@past_options
@click.option("-o", "--output", "form", type=click.Choice(["table", "json"]), default="table", help="How to print.")
@local_option
def command(
    map_words: tuple[str, ...],
    where: Where,
    past: Past,
    form: str,
    is_local: bool,
) -> int:
    """Show who wrote each key of a map last, when, and how that is known.

    With --from or --store from the history, which knows users and times; else from the managedFields of the live object,
    which know managers and one time for each.
    """
    from ghostkey.cli.output import echo_json, echo_table
    from ghostkey.model.errors import NotFound
    from ghostkey.story import is_known, meant, present_keys, when

    if past:
        from ghostkey.cli._history import one_holder
        from ghostkey.cli.options import ProgressLine
        from ghostkey.story.opening import opened

        holder = one_holder(map_words, where.namespace)
        progress = ProgressLine()
        with opened(holder, past, where.client, progress) as asked:
            progress.done()
            found = present_keys(asked, *holder)
            if not found and not is_known(asked, *holder):
                hint = meant(asked, *holder) or "name the namespace with -n"
                raise NotFound(f"the history has no {map_words[0]} in namespace {holder[1]!r}", hint)
        rows = [_record(row, when((row["is_written"] and row["last_known_set_at"]) or row["last_set_at"])) for row in found]
    else:
        rows = _live(map_words, where)
    if form == "json":
        echo_json({"schema_version": 1, "kind": "GhostkeyBlame", "keys": rows})
        return 0
    if not rows:
        click.echo("no keys are known", err=True)
        return 0
    table = [
        [_when(row, is_local=is_local), row["writer"] or "?", row["manager"] or "?", row["source"], row["key"]] for row in rows
    ]
    echo_table(["WRITTEN", "BY", "MANAGER", "TOLD BY", "KEY"], table)
    return 0


def _when(row: dict[str, Any], *, is_local: bool) -> str:
    """When a key was written; of one that was only seen to be there, that it was before that."""
    from ghostkey.report.times import in_table

    if not (seen := row["written_before"]):
        return in_table(row["written_at"], is_local=is_local)
    return f"{'<' if is_local else '>'} {in_table(seen, is_local=is_local)}"


def _record(row: dict[str, Any], at: str) -> dict[str, Any]:
    path = f"{row['path']}/" if row["path"] else ""
    return {
        "key": path + row["key"], "field": row["field"], "writer": row["writer"] or "", "manager": row["manager"] or "",
        "agent": row["agent"] or "", "written_at": at if row["is_written"] else "?",
        "written_before": None if row["is_written"] else at, "audit_id": row["audit_id"] or "", "source": row["origin"],
        "writes": row["writes"],
    }  # fmt: skip


def _live(map_words: tuple[str, ...], where: Where) -> list[dict[str, Any]]:
    import msgspec

    from ghostkey.actions.plan import FIELDS, read_map
    from ghostkey.cli._cluster import one_map
    from ghostkey.kube.fields import field_owners, writer_of

    client = where.client()
    kind, name = one_map(map_words)
    live = read_map(client, kind, client.config.namespace, name)
    managed = msgspec.json.encode(live["metadata"].get("managedFields") or [])
    rows = []
    for field in FIELDS:
        owners = field_owners(managed, field)
        for key in sorted(live.get(field) or ()):
            writer = writer_of(owners, key)
            rows.append(
                {
                    "key": key, "field": field, "writer": "", "manager": writer.manager if writer else "", "agent": "",
                    "written_at": writer.time if writer else "?", "written_before": None, "audit_id": "",
                    "source": "managedFields", "writes": None,
                }
            )  # fmt: skip
    return rows
