"""`ghostkey undo`."""

from __future__ import annotations

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli.options import cluster_options
from ghostkey.cli.where import Where


@click.command("undo", context_settings=CONTEXT)
@click.argument("receipt", default="", metavar="[RECEIPT]")
@cluster_options
@click.option("--receipts", metavar="DIR|cluster", help="Where the receipt is: this folder, or a Secret of the namespace.")
def command(
    receipt: str,
    where: Where,
    receipts: str | None,
) -> int:
    """Put back what a trim removed: the newest one, or RECEIPT (an id, or a file from another machine).

    Touches no other key; doing it twice changes nothing. Exit code 4: a key was written again meanwhile, nothing changed.
    """
    from ghostkey import api
    from ghostkey.cli._cluster import receipts_at

    client = where.client()
    kept = receipts_at(receipts, client, client.config.namespace)
    found = kept.load(receipt)
    if found.server != client.config.server:
        click.echo(f"note: the receipt was made at {found.server}, this is {client.config.server}", err=True)
    done = api.undo(client, found, kept)
    if not done.restored:
        click.echo(f"nothing to undo: all keys of {found.id} are in {found.holder}", err=True)
    else:
        also = f" ({done.present} were there already)" if done.present else ""
        click.echo(f"put {done.restored} keys back into {found.holder}{also}", err=True)
    return 0
