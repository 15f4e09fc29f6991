"""`ghostkey guard`."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ghostkey.cli import CONTEXT, Verbs, _guarded, _schema
from ghostkey.cli.completing import complete_receipt
from ghostkey.cli.options import FiniteRange, cluster_options, complete_map, parse_duration, parse_holder
from ghostkey.cli.where import Where
from ghostkey.model.counts import counted
from ghostkey.model.errors import GhostkeyError, NotFound, OutcomeUnknown, Refused, UsageError

if TYPE_CHECKING:
    from ghostkey.guard.caps import Cap
    from ghostkey.guard.plan import KeptOut, Step
    from ghostkey.guard.receipts import GuardReceipt, GuardReceipts
    from ghostkey.kube.client import ApiClient
    from ghostkey.model.plans import Receipt
    from ghostkey.model.refs import Kind, ObjectRef

    MapName = tuple[Kind, str, str]

OUTPUT = click.option("-o", "--output", "form", type=click.Choice(["table", "json"]), default="table", help="How to print.")
APPLY = click.option("--apply", "is_applied", is_flag=True, help="Do it. Without this nothing changes.")


@click.group("guard", cls=Verbs, context_settings=CONTEXT)
def command() -> None:
    """Keep maps from growing past a cap: an admission policy that ratchets.

    Shrinking, edits of values, labels, finalizers and other maps always pass, also where a map is past its cap already. It begins
    as --mode audit, which refuses nothing: `ghostkey guard report` then counts what would have been refused, and to whom.
    """


def _maps_and_caps(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which maps, and how many keys each may have."""
    for option in reversed(
        [
            click.argument("map_words", nargs=-1, metavar="cm/NAME|secret/NAME…", shell_complete=complete_map),
            click.option("--from-scan", is_flag=True, help="The maps in which the last scans of this cluster found something."),
            click.option("--cap", type=click.IntRange(0), metavar="N", help="This cap for the maps named, instead of one worked out."),
            click.option("--headroom", type=FiniteRange(0, 10_000), default=20.0, show_default=True, metavar="P", help="Percent above the most keys it had."),
            click.option("--store", metavar="DIR", help="The store of history that tells how maps grow; by default the user's own."),
            click.option("--mode", type=click.Choice(["audit", "warn", "deny"]), help="What becomes of a write past a cap; audit at first."),
            click.option("--keep-out", "receipts", multiple=True, metavar="RECEIPT", shell_complete=complete_receipt, help="Keep the keys out that this trim removed."),
            click.option("--for", "duration", default="7d", show_default=True, metavar="TIME", help="How long keys are kept out."),
        ]
    ):  # fmt: skip
        function = option(function)
    return function


@command.command("plan", context_settings=CONTEXT)
@_maps_and_caps
@cluster_options
@OUTPUT
def plan(where: Where, form: str, **wanted: Any) -> int:
    """Show the caps with their reasons, what would change, and what the API server says to it. Exit code 1: something would."""
    caps, steps = _planned(where, wanted)
    _print_plan(caps, steps, form)
    return 1 if _tried(where, steps) else 0


@command.command("apply", context_settings=CONTEXT)
@_maps_and_caps
@cluster_options
@APPLY
@OUTPUT
def apply(where: Where, is_applied: bool, form: str, **wanted: Any) -> int:
    """Put the guard into the cluster; without --apply it is only tried.

    Exit code 4: an object was changed by somebody else meanwhile, and what was done is taken back.
    """
    caps, steps = _planned(where, wanted)
    _print_plan(caps, steps, form)
    if not steps:
        return 0
    if not is_applied:
        _tried(where, steps)
        click.echo("nothing was changed, add --apply to do it", err=True)
        return 0
    if wanted["mode"] == "deny":
        click.echo(
            "note: a refused write is answered with 422; an operator that retries it will loop (ghostkey guard report)", err=True
        )
    return _carry_out(where, steps)


@command.command("remove", context_settings=CONTEXT)
@cluster_options
@APPLY
def remove(where: Where, is_applied: bool) -> int:
    """Take the guard away as a whole: binding, policy, all caps, and their kind."""
    from ghostkey.cli.terminal import say
    from ghostkey.guard.plan import plan_removal

    client = where.client()
    steps = plan_removal(client, [one["metadata"]["namespace"] for one in _guarded.caps_in_force(client)])
    for step in steps:
        say(f"  {step}")
    if not steps:
        click.echo("there is no guard in this cluster", err=True)
        return 0
    if not is_applied:
        click.echo("nothing was changed, add --apply to do it", err=True)
        return 0
    return _carry_out(where, steps)


@command.command("undo", context_settings=CONTEXT)
@click.argument("receipt", default="", metavar="[RECEIPT]")
@click.option("--list", "is_list", is_flag=True, help="List what can be put back, and what was.")
@cluster_options
def undo(receipt: str, is_list: bool, where: Where) -> int:
    """Put everything back as it was before the latest apply or remove, or that of RECEIPT. Exit code 4: changed since."""
    from ghostkey.guard.apply import undo as take_back
    from ghostkey.guard.receipts import GuardReceipts

    if is_list:
        return _list_receipts(GuardReceipts())
    client = where.client()
    kept = GuardReceipts()
    found = kept.load(receipt)
    if found.server != client.config.server:
        raise _from_elsewhere(found, client)
    with _led_back(where):
        count = take_back(client, found, kept)
    back = counted(count, "object is as it was", "objects are as they were") if count else "everything was as"
    click.echo(f"{back} before {found.id}{'' if count else ' already'}", err=True)
    return 0


def _list_receipts(kept: GuardReceipts) -> int:
    """Prints the receipts, the latest first; 3 when one of them could not be read."""
    from ghostkey.cli.output import echo_table
    from ghostkey.report.times import in_table

    damaged, rows = False, []
    for receipt in kept.newest_first():
        if isinstance(receipt, GhostkeyError):
            click.echo(f"not seen: {receipt}", err=True)
            damaged = True
            continue
        at = in_table(receipt.created_at, is_local=False)
        rows.append([at, str(len(receipt.steps)), receipt.state, receipt.server, receipt.id])
    echo_table(["AGE", "OBJECTS", "STATE", "SERVER", "ID"], rows)
    if not rows and not damaged:
        click.echo("no receipts", err=True)
    return 3 if damaged else 0


@command.command("report", context_settings=CONTEXT)
@click.argument("logs", nargs=-1, required=True, metavar="AUDIT-LOG…", type=click.Path(path_type=Path))
@OUTPUT
def report(logs: tuple[Path, ...], form: str) -> int:
    """Count from audit logs what was refused, or would have been in audit mode, and to whom.

    Logs are what `ghostkey history import` reads: files, folders and archives, packed, or wrapped by whatever shipped them.
    Exit code 1: something was; 3: not all could be read, or no write of a map is in it.
    """
    from ghostkey.cli.output import echo_json, echo_table
    from ghostkey.cli.terminal import say
    from ghostkey.guard.objects import POLICY
    from ghostkey.guard.report import refused_writes
    from ghostkey.report.times import to_second
    from ghostkey.sources.history.audit.noted import NotedRequests

    requests = NotedRequests(logs)
    found = refused_writes(requests.read(POLICY, ["configmaps", "secrets"]))
    if form == "json":
        refused = [
            {"map": one.map, "namespace": one.namespace, "user": one.user, "count": one.count, "first": one.first, "last": one.last,
             "loops": one.loops, "keys": sorted(one.keys)}
            for one in found
        ]  # fmt: skip
        counts = {"events": requests.events, "unread": requests.unread, "writes": requests.writes,
                  "first": requests.first or None, "last": requests.last or None}  # fmt: skip
        echo_json({"schema_version": 1, "kind": "GhostkeyGuardReport", **counts, "refused": refused})
    else:
        echo_table(
            ["WRITES", "NAMESPACE", "MAP", "BY", "FIRST", "LAST", "KEYS"],
            [
                [
                    f"{one.count:,}",
                    one.namespace,
                    one.map,
                    one.user,
                    *map(to_second, (one.first, one.last)),
                    ", ".join(sorted(one.keys)[:5]) or "-",
                ]
                for one in found
            ],
        )
        for one in found:
            if one.loops:
                say(f"{one.user} tries {one.namespace}/{one.map} again and again, and would go on when refused")
    unread = counted(requests.unread, "piece was", "pieces were")
    about = counted(requests.events, "event") + (f", {unread} not understood" if requests.unread else "")
    about += f", {counted(requests.others, 'file')} without audit events passed over" if requests.others else ""
    if not requests.writes:
        about += ", no write of a ConfigMap or Secret among them" if requests.events else ""
        about += "; so nothing is known of what deny would have refused"
    elif not found:
        writes = counted(requests.writes, "write", "writes")
        about += f"; nothing was past a cap in {writes} of maps from {requests.first} to {requests.last}; "
        about += "what was written before the guard was there it has not judged"
    click.echo(about, err=True)
    return 1 if found else 3 if requests.unread or not requests.writes else 0


command.add_command(_guarded.status)
command.add_command(_schema.command)


def _planned(where: Where, wanted: dict[str, Any]) -> tuple[list[Cap], list[Step]]:
    from ghostkey.cli.options import ProgressLine
    from ghostkey.guard.caps import cap_of
    from ghostkey.guard.plan import plan_guard

    client = where.client()
    maps = [(kind, client.config.namespace, name) for kind, name in parse_holder(wanted["map_words"])]
    if wanted["from_scan"]:
        maps += _scanned(where)
    kept_out = [_kept_out(client, name, wanted["duration"]) for name in wanted["receipts"]]
    if not maps and not kept_out and wanted["mode"] is None:
        raise UsageError("nothing says which maps to guard", "name cm/NAME, or add --from-scan, --keep-out or --mode")
    if wanted["cap"] is not None and not maps:
        raise UsageError(f"no map is named that the cap of {wanted['cap']:,} is for", "name cm/NAME, or leave out --cap")
    caps = []
    progress = ProgressLine()
    for kind, namespace, name in dict.fromkeys(maps):
        progress(f"how {kind.resource}/{name} in {namespace} has grown")
        live = _live_or_awaited(client, (kind, namespace, name), is_capped=wanted["cap"] is not None)
        growth = growth_in(wanted["store"], (kind, namespace, name))
        caps.append(cap_of(kind, live, growth, headroom=wanted["headroom"] / 100, wanted=wanted["cap"]))
    progress.done()
    return caps, plan_guard(client, caps, kept_out, wanted["mode"])


def _live_or_awaited(client: ApiClient, named: MapName, *, is_capped: bool) -> dict[str, Any]:
    """The map as it is. One that is not there yet can have a cap that somebody asks for: it holds from its first write."""
    from ghostkey import api

    kind, namespace, name = named
    try:
        return api.read_map(client, kind, namespace, name)
    except NotFound as error:
        if client.get_object(f"/api/v1/namespaces/{namespace}") is None:
            raise
        if not is_capped:
            raise NotFound(
                str(error), "; ".join(filter(None, [error.hint, "for a map that is yet to be made, add --cap N"]))
            ) from error
    return {"metadata": {"namespace": namespace, "name": name}}


def _scanned(where: Where) -> list[MapName]:
    """The maps in which the last scans of this cluster found something."""
    from ghostkey.cli import findings_file
    from ghostkey.model.refs import CONFIG_MAPS, SECRETS

    kinds = {kind.kind: kind for kind in (CONFIG_MAPS, SECRETS)}
    place = where.words(namespace=False)
    found = {
        (kinds[holder["kind"]], holder["namespace"], holder["name"]): None
        for record, said in findings_file.find("")[0]
        if said == place and (holder := record["holder"])["kind"] in kinds and where.namespace in {None, holder["namespace"]}
    }
    if not found:
        there = f" in namespace {where.namespace}" if where.namespace else ""
        raise UsageError(f"the last scans of this cluster found nothing{there}", f"ghostkey scan{where.words()}")
    return sorted(found, key=lambda one: (one[1], one[0].kind, one[2]))


def growth_in(store: str | None, name: MapName) -> Any:
    """What a history says of a map; None without one. Raises what reading a store that was named does."""
    from ghostkey.guard.caps import Growth
    from ghostkey.model.errors import GhostkeyError
    from ghostkey.store.history import History

    with contextlib.nullcontext() if store else contextlib.suppress(GhostkeyError, OSError):
        history = History(Path(store) if store else None)
        if not history.imports():
            if store:
                raise UsageError(f"the store {history.directory} holds no history", "ghostkey history import --store DIR PATH")
            return None
        from ghostkey.store.engines import DuckEngine
        from ghostkey.story import prepare, story_of

        engine, holder = DuckEngine(history), (name[0].qualified, name[1], name[2])
        prepare(engine, only=holder)
        told = story_of(engine, *holder)
        ghosts = frozenset(row["key"] for row in told.ghosts if not row["path"])
        return Growth(told.peak_of_living, told.forecast.keys_per_day, ghosts) if told.forecast else None
    return None


def _kept_out(client: ApiClient, name: str, duration: str) -> KeptOut:
    from ghostkey.cli._cluster import named_receipt, receipts_at
    from ghostkey.guard.plan import KeptOut
    from ghostkey.model.refs import CONFIG_MAPS

    found = named_receipt(name, receipts_at(None, client, client.config.namespace))
    if found.server != client.config.server and not _is_here(client, found.holder):
        raise _from_elsewhere(found, client)
    if found.state == "undone":
        raise Refused(
            f"the trim of receipt {found.id} was undone: its keys are in {found.holder}", "trim again, and keep those keys out"
        )
    if found.holder.kind != CONFIG_MAPS:
        raise Refused(f"{found.holder} is a Secret, whose keys are named nowhere else", "a cap alone keeps it from growing")
    keys = tuple(item.key for item in found.removed if not item.path)
    if not keys:
        raise Refused(
            f"receipt {found.id} removed no key as a whole", "what is within a document has no name that could be kept out"
        )
    if not (seconds := parse_duration(duration)):
        raise UsageError("keys that are kept out for no time are not kept out", "say for how long: --for 7d")
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    stamp = until.strftime("%Y-%m-%dT%H:%M:%SZ")
    return KeptOut(f"{found.holder.kind.resource}/{found.holder.name}", found.holder.namespace, keys, stamp, found.id)


def _from_elsewhere(found: Receipt | GuardReceipt, client: ApiClient) -> Refused:
    return Refused(f"receipt {found.id} was made at {found.server}, this is {client.config.server}", "choose its --context")


def _is_here(client: ApiClient, holder: ObjectRef) -> bool:
    """Whether the very map is in this cluster: one cluster may be reached by several addresses."""
    live = client.get_object(holder.kind.path(holder.namespace, holder.name))
    return live is not None and live["metadata"].get("uid") == holder.uid


def _print_plan(caps: list[Cap], steps: list[Step], form: str) -> None:
    from ghostkey.cli.output import echo_json
    from ghostkey.cli.terminal import say

    if form == "json":
        held = [{"map": c.map, "namespace": c.namespace, "keys": c.keys, "cap": c.cap, "reason": c.reason} for c in caps]
        after = [{"verb": step.verb, "path": f"{step.path}/{step.name}", "after": step.after} for step in steps]
        echo_json({"schema_version": 1, "kind": "GhostkeyGuardPlan", "caps": held, "steps": after})
        return
    for cap in caps:
        say(f"{cap.namespace}/{cap.map}: cap {cap.cap:,} ({cap.reason})")
    for step in steps:
        say(f"  {step}")
    if not steps:
        click.echo("the guard is as wanted already", err=True)


def _tried(where: Where, steps: list[Step]) -> bool:
    from ghostkey.guard.apply import dry_run

    if steps:
        dry_run(where.client(), steps)
        click.echo("server dry run: accepted", err=True)
    return bool(steps)


def _carry_out(where: Where, steps: list[Step]) -> int:
    from ghostkey.guard.apply import apply_steps
    from ghostkey.guard.receipts import GuardReceipts

    with _led_back(where):
        receipt = apply_steps(where.client(), steps, GuardReceipts())
    click.echo(f"done: {counted(len(receipt.done), 'object')}", err=True)
    _print_undo(where, receipt.id)
    return 0


@contextlib.contextmanager
def _led_back(where: Where) -> Iterator[None]:
    """Says how to go back from a write of which nobody knows what became."""
    try:
        yield
    except OutcomeUnknown as unknown:
        if unknown.receipt_id:
            click.echo(f"receipt: {unknown.kept_at}", err=True)
            _print_undo(where, unknown.receipt_id)
            unknown.hint = unknown.hint or "the undo line puts back what was changed, and may be run again"
        raise


def _print_undo(where: Where, receipt_id: str) -> None:
    click.echo(f"undo:    ghostkey guard undo {receipt_id}{where.words(namespace=False)}", err=True)
