"""`ghostkey undo`."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli.completing import complete_receipt
from ghostkey.cli.options import cluster_options, local_option, parse_holder
from ghostkey.cli.where import Where
from ghostkey.model.counts import counted
from ghostkey.model.errors import GhostkeyError, Refused, Unsettled, UsageError

if TYPE_CHECKING:
    from ghostkey import api
    from ghostkey.model.plans import Receipt
    from ghostkey.model.refs import Kind

    MapName = tuple[Kind, str, str]

SHOWN_KEYS = 10


@click.command("undo", context_settings=CONTEXT)
@click.argument("what", default="", metavar="[RECEIPT | cm/NAME | secret/NAME]", shell_complete=complete_receipt)
@cluster_options
@click.option("--list", "is_list", is_flag=True, help="List the trims that can be undone, and those that were.")
@click.option("--receipts", metavar="DIR|cluster", help="Where the receipt is: this folder, or a Secret of the namespace.")
@click.option("--from-elsewhere", is_flag=True, help="Apply a receipt that another machine has written.")
@click.option("-o", "--output", "form", type=click.Choice(["table", "json"]), default="table", help="How to print --list.")
@local_option
def command(what: str, where: Where, is_list: bool, receipts: str | None, from_elsewhere: bool, form: str, is_local: bool) -> int:
    """Put back what a trim removed: the latest one (of a map), or RECEIPT: an id, or a file, as ./FILE.

    Touches no other key. Called again it puts back the trim before. Exit code 4: a key was written again meanwhile, nothing
    changed, or the API server took it out again; 6: whether it was carried out could not be learnt.
    """
    from ghostkey import api
    from ghostkey.cli._cluster import named_receipt, receipts_at

    named = _map_of(what)
    if is_list and receipts != "cluster" and named is None:
        return _list(api.FileReceipts(Path(receipts) if receipts else None), None, form, is_local=is_local)
    client = where.client()
    kept = receipts_at(receipts, client, client.config.namespace)
    of_map = (named[0], client.config.namespace, named[1]) if named else None
    if is_list:
        return _list(kept, of_map, form, is_local=is_local)
    if what and named is None:
        found = named_receipt(what, kept)
    else:
        try:
            latest = api.Candidates(client, kept, of_map).latest()
        except Refused as refused:
            place = f"{where.words()}{f' --receipts {shlex.quote(receipts)}' if receipts else ''}"
            refused.hint = re.sub(r"(ghostkey undo [-\w]+)", lambda found: found[1] + place, refused.hint)
            raise
        if latest is None:
            click.echo(f"nothing to undo: every trim{f' of {what}' if what else ''} has been undone", err=True)
            return 0
        found = latest
    if found.server != client.config.server:
        click.echo(f"note: the receipt was made at {found.server}, this is {client.config.server}: another cluster?", err=True)
    if not found.is_ours and not from_elsewhere:
        _show(found)
    word = what if what and named is None else found.id
    place = f" --receipts {shlex.quote(receipts)}" if receipts else ""
    space = f" -n {shlex.quote(client.config.namespace)}" if receipts == "cluster" and not where.namespace else ""
    again = f"ghostkey undo {shlex.quote(word)}{where.words()}{space}{place}"
    try:
        done = api.undo(client, found, kept, from_elsewhere=from_elsewhere)
    except Refused as refused:
        # the words that lead to this receipt again, from wherever it came
        refused.hint = refused.hint.replace(f"ghostkey undo {found.id}", f"{again} --from-elsewhere")
        raise
    except Unsettled as unsettled:
        again += " --from-elsewhere" if from_elsewhere else ""
        click.echo(f"receipt: {found.id}\nundo:    {again}", err=True)
        unsettled.hint = unsettled.hint or "the undo line may be run again: what is back already is left alone"
        raise
    _say(found, done)
    return 0


def _map_of(what: str) -> tuple[Kind, str] | None:
    """The map that a word names; None for an id or a file."""
    try:
        return parse_holder((what,))[0] if "/" in what else None
    except UsageError:
        return None


def _say(found: Receipt, done: api.Restored) -> None:

    if not done.restored:
        click.echo(f"nothing to undo: all keys of {found.id} are in {found.holder}", err=True)
    else:
        also = f" ({done.present:,} {'was' if done.present == 1 else 'were'} there already)" if done.present else ""
        click.echo(f"put {counted(done.restored, *_words_of(found))} of {found.id} back into {found.holder}{also}", err=True)
    for note in done.notes:
        click.echo(f"note: {note}", err=True)


def _words_of(found: Receipt) -> tuple[str, str]:
    """What a receipt's items are called, one and many."""
    entries = sum(bool(item.path) for item in found.removed)
    if entries == len(found.removed):
        return "entry", "entries"
    return ("key", "keys") if not entries else ("key or entry", "keys and entries")


def _show(found: Receipt) -> None:
    """A stranger's receipt, before anything is done with it."""

    click.echo(f"receipt {found.id}, from elsewhere, made {found.created_at} at {found.server}", err=True)
    click.echo(f"  puts {counted(len(found.keys), 'key')} into {found.holder}", err=True)
    for key in found.keys[:SHOWN_KEYS]:
        click.echo(f"  + {key}", err=True)
    if len(found.keys) > SHOWN_KEYS:
        click.echo(f"  … and {len(found.keys) - SHOWN_KEYS:,} more", err=True)


def _list(kept: api.FileReceipts | api.ClusterReceipts, named: MapName | None, form: str, *, is_local: bool) -> int:
    """Prints the receipts, the latest first; 3 when one of them could not be read."""
    from ghostkey import api
    from ghostkey.cli.output import echo_json, echo_table
    from ghostkey.report.times import in_table

    damaged = 0
    records = []
    for receipt in api.list_receipts(kept, named):
        if isinstance(receipt, GhostkeyError):
            click.echo(f"not seen: {receipt}", err=True)
            damaged += 1
            continue
        records.append(
            {
                "id": receipt.id,
                "created_at": receipt.created_at,
                "map": str(receipt.holder),
                "server": receipt.server,
                "keys": len(receipt.keys),
                "state": receipt.state,
                "from_elsewhere": not receipt.is_ours,
            }
        )
    if form == "json":
        document = {"schema_version": 1, "kind": "GhostkeyReceiptList", "receipts": records}
        echo_json(document)
    elif records:
        rows = []
        for record in records:
            state = str(record["state"]) + (" (from elsewhere)" if record["from_elsewhere"] else "")
            at = in_table(str(record["created_at"]), is_local=is_local)
            rows.append([at, str(record["map"]), str(record["keys"]), state, str(record["id"])])
        echo_table(["MADE" if is_local else "AGE", "MAP", "KEYS", "STATE", "ID"], rows)
    elif not damaged:
        click.echo("no receipts", err=True)
    return 3 if damaged else 0
