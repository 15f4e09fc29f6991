"""`ghostkey record`."""

from __future__ import annotations

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli.options import cluster_options, parse_duration, parse_fields
from ghostkey.cli.scope import kinds_option
from ghostkey.cli.where import Where
from ghostkey.model.counts import counted


@click.command("record", context_settings=CONTEXT)
@cluster_options
@click.option("--store", metavar="DIR", help="The store; by default the user's own.")
@click.option("--for", "duration", default="24h", show_default=True, metavar="TIME", help="How long; Ctrl-C ends it as well.")
@kinds_option("Kinds of subjects; by default custom resources, namespaces, nodes, pods.")
@click.option("--field", "fields", multiple=True, metavar="KIND:PATH", help="A map-valued field too: tenants.demo:status.shards.")
def command(
    where: Where,
    store: str | None,
    duration: str,
    kinds: tuple[str, ...],
    fields: tuple[str, ...],
) -> None:
    """Record keys and objects as they change, into the store of history.

    Survives restarts of the API server; what could have been missed meanwhile is said by `ghostkey history gaps`.
    """
    import contextlib
    import secrets
    import signal
    from pathlib import Path

    from ghostkey.kube.discovery import discover, resolve
    from ghostkey.model.refs import CONFIG_MAPS, SECRETS
    from ghostkey.sources.history.facts import KeyedHash
    from ghostkey.sources.history.recorder import Recorder, recorded_kinds
    from ghostkey.store.history import History

    seconds = parse_duration(duration)
    history = History(Path(store) if store else None)
    client = where.client()
    served = discover(client).kinds
    wanted = [resolve(word, served) for word in kinds] or recorded_kinds(served)
    wanted += [resolve(kind, served) for kind, _ in parse_fields(fields)]
    chosen = list(dict.fromkeys([CONFIG_MAPS, SECRETS, *wanted]))

    def ready() -> None:
        click.echo(f"recording {counted(len(chosen), 'kind')} into {history.directory}", err=True)

    recorder = Recorder(client, chosen, KeyedHash(history.secret), parse_fields(fields), where.namespace or "", ready)
    with contextlib.suppress(ValueError):  # not the main thread, as in tests
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda *_: recorder.stop())
    made = history.add(f"record-{secrets.token_hex(8)}", recorder.origin, client.config.server, recorder.events(seconds))
    click.echo(f"{made.key_events:,} key events, {made.subject_events:,} subject events", err=True)
