"""`ghostkey ui`."""

from __future__ import annotations

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli.known import Known, watch_options
from ghostkey.cli.options import cluster_options
from ghostkey.cli.scope import holders_option, kinds_option, subject_option
from ghostkey.cli.where import Where
from ghostkey.model.errors import UsageError, with_extra


@click.command("ui", context_settings=CONTEXT)
@cluster_options
@kinds_option()
@holders_option
@subject_option()
@click.option("--receipts", metavar="DIR", help="Keep receipts in this folder.")
@watch_options
def command(
    where: Where,
    kinds: tuple[str, ...],
    holders: tuple[str, ...],
    subjects: tuple[str, ...],
    receipts: str | None,
    known: Known,
) -> int:
    """Scan, explain, plan, trim and undo in the terminal, full screen (extra `ui`).

    Nothing is changed before the plan was shown, the API server has accepted a dry run of it, and the number of its keys was
    typed. Rights: those of scan, and those of trim where it is used.
    """
    import sys
    from pathlib import Path

    from ghostkey import api

    try:
        from ghostkey.ui.cluster import ClusterView
        from ghostkey.ui.work import Work, scope_of
    except ModuleNotFoundError as error:
        raise UsageError(f"ui needs {error.name}, which is not installed", with_extra("ui")) from None
    if not all(stream is not None and stream.isatty() for stream in (sys.__stdin__, sys.__stderr__)):
        raise UsageError("ui needs a terminal", "ghostkey scan prints the same as lines")
    silences = known.silences()
    scope = scope_of(where.namespace or "", kinds, holders, subjects)
    view = ClusterView(Work(where.client(), scope, subjects, silences, api.FileReceipts(Path(receipts) if receipts else None)))
    code = view.run()
    view.hand.join()
    return code or 0
