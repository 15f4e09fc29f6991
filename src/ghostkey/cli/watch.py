"""`ghostkey watch`."""

from __future__ import annotations

from dataclasses import dataclass

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli.known import Known, watch_options
from ghostkey.cli.options import cluster_options, parse_duration
from ghostkey.cli.scope import grouped, kinds_option, subject_option
from ghostkey.cli.where import Where
from ghostkey.model.errors import UsageError


@dataclass(frozen=True, slots=True)
class LookedAt:
    """What is watched beside ConfigMaps, and as what subjects are known."""

    secrets: bool
    kinds: tuple[str, ...]
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Telling:
    """Who is told of what is new, when, and by whom of several watchers."""

    events: bool
    reports: bool
    notify: str | None
    notify_insecure: bool
    patience: str
    lease: str
    lease_namespace: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """Where history is, or is recorded."""

    store: str | None
    record: str | None
    record_every: str


@click.command("watch", context_settings=CONTEXT)
@cluster_options
@click.option("--listen", default="127.0.0.1:9464", show_default=True, metavar="HOST:PORT", help="Serve metrics here.")
@grouped(
    "looked_at",
    LookedAt,
    click.option("--secrets", is_flag=True, help="Secrets too: their keys are counted, their values never kept."),
    kinds_option(),
    subject_option(),
)
@grouped(
    "telling",
    Telling,
    click.option("--events", is_flag=True, help="Write a Kubernetes Event on a map for what is new of it."),
    click.option("--reports", is_flag=True, help="Write Reports of openreports.io, one for each map, owned by it."),
    click.option(
        "--notify",
        envvar="GHOSTKEY_NOTIFY",
        metavar="URL",
        help="Post what is new to this webhook (Slack's JSON); better given as GHOSTKEY_NOTIFY, as it is a secret.",
    ),
    click.option("--notify-insecure", is_flag=True, help="Allow a webhook without TLS that is not on this machine."),
    click.option("--patience", default="10s", show_default=True, metavar="TIME", help="Tell only what has lasted so long."),
    click.option(
        "--lease", default="ghostkey-watch", show_default=True, metavar="NAME", help="Of several, who has this Lease tells."
    ),
    click.option("--lease-namespace", metavar="NS", help="Where it is; by default the namespace of the context, or of the Pod."),
)
@grouped(
    "kept",
    Kept,
    click.option("--store", metavar="DIR", help="A store of history, for seconds until full."),
    click.option("--record", metavar="DIR", help="Record history into this store, as ghostkey record does, and forecast by it."),
    click.option(
        "--record-every", default="15m", show_default=True, metavar="TIME", help="Put into the store what is recorded so often."
    ),
)
@click.option(
    "--logs",
    multiple=True,
    metavar="NS/deploy/NAME|NS/SELECTOR",
    help="Follow the log of this operator: panics, requests too large, conflicts, refusals are counted, and told.",
)
@click.option(
    "--web",
    is_flag=False,
    flag_value="",
    metavar="[HOST:PORT]",
    help="Serve a page of maps by urgency and their findings here; by default 127.0.0.1:9465. Elsewhere than on this machine it "
    "asks for the token that is in GHOSTKEY_WEB_TOKEN.",
)
@watch_options
def command(
    where: Where,
    listen: str,
    looked_at: LookedAt,
    telling: Telling,
    kept: Kept,
    logs: tuple[str, ...],
    web: str | None,
    known: Known,
) -> None:
    """Watch a cluster and serve metrics of every map: keys, ghost keys, bytes, limits.

    Looks again when something has changed, with the inference of scan. Writes nothing to the cluster without --events, --reports
    or --notify; then a Lease, so that of several watchers one tells, and nothing twice. SIGTERM ends it.
    """
    import contextlib
    import os
    import secrets as random
    import signal
    import socket
    import time
    from collections.abc import Sequence
    from typing import Any

    from ghostkey import api
    from ghostkey.cli.terminal import safe
    from ghostkey.model.findings import Finding, Severity
    from ghostkey.model.refs import CONFIG_MAPS, SECRETS, ObjectRef
    from ghostkey.report.findings import encoded
    from ghostkey.report.formats.openreports import report_of
    from ghostkey.watch.notify import parse_webhook
    from ghostkey.watch.operators import parse_operator
    from ghostkey.watch.run import Options, Watcher
    from ghostkey.watch.server import parse_listen
    from ghostkey.watch.web import DEFAULT, parse_web

    def make_report(holder: ObjectRef, findings: Sequence[Finding]) -> dict[str, Any]:
        is_failure = lambda one: one.state == "found" and one.severity >= Severity.WARNING  # noqa: E731
        return report_of(holder, findings, is_failure, int(time.time()), names_keys=holder.kind != SECRETS)

    record_seconds = _record_seconds(kept)
    token = os.environ.get("GHOSTKEY_WEB_TOKEN", "").strip()  # of a file, whose last line ends
    client = where.client()
    options = Options(
        namespace=where.namespace or "",
        holders=(CONFIG_MAPS, SECRETS) if looked_at.secrets else (CONFIG_MAPS,),
        subject_kinds=looked_at.kinds,
        known_by=api.known_by(looked_at.subjects),
        declared=looked_at.subjects,
        silences=tuple(known.silences()),
        listen=parse_listen(listen),
        writes_events=telling.events,
        notify=parse_webhook(telling.notify, may_be_plain=telling.notify_insecure) if telling.notify else None,
        lease=(telling.lease_namespace or client.config.namespace or "default", telling.lease),
        identity=f"{socket.gethostname()}_{random.token_hex(4)}",
        store=kept.record or kept.store,
        record_seconds=record_seconds,
        patience_seconds=parse_duration(telling.patience),
        web=None if web is None else parse_web(web or DEFAULT, token),
        web_token=token,
        encode=encoded,
        make_report=make_report if telling.reports else None,
        operators=tuple(parse_operator(text) for text in dict.fromkeys(logs)),
    )
    watcher = Watcher(client, options, lambda text: click.echo(safe(text), err=True))
    with contextlib.suppress(ValueError):  # not the main thread, as in tests
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda *_: watcher.stop())
    watcher.run()


def _record_seconds(kept: Kept) -> float:
    """How often what is recorded goes into the store; 0 where nothing is recorded."""
    if not kept.record:
        return 0.0
    if kept.store:
        raise UsageError("--record is a store, too: forecasts are by it", "leave out --store")
    seconds = parse_duration(kept.record_every)
    if not seconds:
        raise UsageError("--record-every 0 never puts anything into the store", "write 15m, or leave out --record")
    return seconds
