"""`ghostkey trim`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli.completing import complete_key
from ghostkey.cli.known import Known, known_options
from ghostkey.cli.options import FiniteRange, ProgressLine, cluster_options, complete_map, even_if_options
from ghostkey.cli.scope import grouped, kinds_option, subject_option
from ghostkey.cli.where import Where
from ghostkey.model.errors import Unsettled, UsageError

if TYPE_CHECKING:
    from ghostkey.api import Outcome, Wanted
    from ghostkey.kube.client import ApiClient
    from ghostkey.model.findings import Finding
    from ghostkey.model.plans import Plan
    from ghostkey.model.refs import Kind
    from ghostkey.model.silences import Silence
    from ghostkey.store.snapshot import Snapshot
    from ghostkey.store.state import DigestKey

SHOWN_KEYS = 10
DEFAULT_MATCH_PERCENT = 95.0  # a regular expression that takes nearly all is more often a slip than a wish


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which keys are to go, in one of several ways to say it."""

    ghosts: bool
    keys: tuple[str, ...]
    pattern: str | None
    plan_file: str | None
    subjects: tuple[str, ...]
    kinds: tuple[str, ...]

    @property
    def names_keys(self) -> bool:
        """Whether it says which keys, other than by a plan."""
        return bool(self.ghosts or self.keys or self.pattern)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a plan may have at most, and whether Pods are asked."""

    max_keys: int | None
    max_percent: float | None
    no_pod_check: bool

    def percent(self, pattern: str | None) -> float | None:
        """The share that a plan may have: an expression may match more than was meant."""
        return DEFAULT_MATCH_PERCENT if pattern and self.max_percent is None else self.max_percent


@click.command("trim", context_settings=CONTEXT)
@click.argument("map_words", nargs=-1, metavar="cm/NAME|secret/NAME", shell_complete=complete_map)
@cluster_options
@grouped(
    "chosen",
    Chosen,
    click.option("--ghosts", is_flag=True, help="Remove the keys that scan reports as ghosts of this map."),
    click.option(
        "--key",
        "keys",
        multiple=True,
        metavar="KEY",
        shell_complete=complete_key,
        help="Remove this key; DOCUMENT/PATH/ENTRY for an entry of a JSON or YAML value.",
    ),
    click.option("--match", "pattern", metavar="REGEX", help="Remove the keys that the expression matches as a whole."),
    click.option("--plan", "plan_file", metavar="FILE", help="Apply a plan that -o json printed; - is stdin."),
    subject_option("With --ghosts: declare what keys are written for."),
    kinds_option("With --ghosts: consider only these kinds as subjects."),
)
@known_options
@click.option("--apply", "is_applied", is_flag=True, help="Do it. Without this the plan is shown and nothing changes.")
@grouped(
    "limits",
    Limits,
    click.option("--max-keys", type=click.IntRange(0), metavar="N", help="Refuse a plan with more keys."),
    click.option(
        "--max-percent",
        type=FiniteRange(0, 100),
        metavar="P",
        help="Refuse a plan with more of the map's keys, or of a document's entries (95 with --match).",
    ),
    click.option("--no-pod-check", is_flag=True, help="Do not look whether Pods use the keys."),
)
@click.option("--receipts", metavar="DIR|cluster", help="Keep the receipt in this folder, or in a Secret beside the map.")
@even_if_options
@click.option(
    "-o", "--output", "form", type=click.Choice(["table", "wide", "json"]), default="table", help="How to print the plan."
)
def command(
    map_words: tuple[str, ...],
    where: Where,
    chosen: Chosen,
    known: Known,
    is_applied: bool,
    limits: Limits,
    receipts: str | None,
    even_if: frozenset[str],
    form: str,
) -> int:
    """Remove keys of one map: all that are planned, or none.

    Shows the plan and what the API server says to it (dry run); --apply carries it out. What was removed is in a receipt
    first, and `ghostkey undo` puts it back. Of keys that are named, or matched, those whose subject lives are told before.
    Exit code 4: the plan is outdated, nothing was changed, or the API server stored something else; 6: whether it was carried
    out could not be learnt, and the receipt is kept.
    """
    from ghostkey import api

    plan_file = chosen.plan_file
    if plan_file is None and not chosen.names_keys:
        raise UsageError("nothing says which keys to remove", "add --ghosts, --key KEY or --match REGEX")
    if plan_file is not None and (chosen.names_keys or map_words):
        raise UsageError("--plan says already what to remove", "leave out the map, --ghosts, --key and --match")
    client = where.client()
    secret = _digest_key(is_kept=is_applied or plan_file is not None or form == "json")
    plan, live, is_blind = _planned(client, map_words, chosen, known, secret)
    if not plan.changes:
        _say_nothing(plan, chosen.pattern, form)
        # "nothing" is no news when something could not be seen
        return 3 if is_blind else 0
    if form != "json" or not is_applied:
        _print_plan(plan, form)
    api.check_limits(plan, limits.max_keys, limits.percent(chosen.pattern))
    what = f"--plan {shlex.quote(plan_file)}" if plan_file else f"{shlex.quote(map_words[0])} -n {plan.holder.namespace} --ghosts"
    again = f"ghostkey trim {what}{where.words(namespace=False)}"
    api.check_guards(client, plan, live, again, even_if=even_if, check_pods=not limits.no_pod_check)
    if not is_applied:
        _try(client, plan, secret, check_pods=not limits.no_pod_check)
        return 0
    place = f" --receipts cluster -n {plan.holder.namespace}" if receipts == "cluster" else _option("--receipts", receipts)
    again = f"{where.words(namespace=False)}{place}"
    _print_outcome(plan, _applied(client, plan, receipts, secret, again, check_pods=not limits.no_pod_check), again, form)
    if not secret.is_kept:
        click.echo("note: this machine's key could not be kept, so that undo will ask for --from-elsewhere", err=True)
    return 0


def _planned(
    client: ApiClient, map_words: tuple[str, ...], chosen: Chosen, known: Known, secret: DigestKey
) -> tuple[Plan, dict[str, Any], bool]:
    """The plan, the map as it is, and whether something could not be seen; tells whose subjects live."""
    from ghostkey import api
    from ghostkey.cli._cluster import one_map
    from ghostkey.cli._living import told_of_living
    from ghostkey.cli.terminal import safe

    progress, is_blind = ProgressLine(), False
    if chosen.plan_file is not None:
        plan = api.load_plan(_read_plan(chosen.plan_file), chosen.plan_file)
        live = api.read_map(client, plan.holder.kind, plan.holder.namespace, plan.holder.name)
        plan = api.renewed(plan, live, secret)
    else:
        kind, name = one_map(map_words)
        wanted: list[Wanted] = []
        if chosen.ghosts:
            wanted, is_blind = _ghosts(client, kind, name, (chosen.kinds, chosen.subjects), known, progress)
        live = api.read_map(client, kind, client.config.namespace, name)
        wanted += [_named(live, key) for key in chosen.keys]
        wanted += _matched(live, chosen.pattern) if chosen.pattern else []
        plan = api.plan(live, kind, wanted, secret, client.config.server)
    plan, told = told_of_living(client, plan, progress)
    progress.done()
    for line in told:
        click.echo(safe(line), err=True)
    return plan, live, is_blind


def _say_nothing(plan: Plan, pattern: str | None, form: str) -> None:
    click.echo(f"nothing to trim in {plan.holder}", err=True)
    if pattern:
        click.echo(f"hint: --match takes an expression of whole keys: '.*{pattern}.*' finds it anywhere", err=True)
    if form == "json":
        _print_plan(plan, form)


def _try(client: ApiClient, plan: Plan, secret: DigestKey, *, check_pods: bool) -> None:
    """Asks the API server by a dry run, and says what it said."""
    from ghostkey import api
    from ghostkey.report.words import left

    keys_left = api.dry_run(client, plan, secret, check_pods=check_pods)
    said = left(plan.shares, keys_left).replace("it has", "the map would have").replace("are left", "would be left")
    click.echo(f"server dry run: accepted, {said}; nothing was changed, add --apply to do it", err=True)


def _applied(client: ApiClient, plan: Plan, receipts: str | None, secret: DigestKey, again: str, *, check_pods: bool) -> Outcome:
    """Carries the plan out. Where its outcome could not be learnt, names the receipt before it raises Unsettled."""
    from ghostkey import api
    from ghostkey.cli._cluster import receipts_at

    try:
        return api.apply(
            client, plan, receipts_at(receipts, client, plan.holder.namespace, secret), secret, check_pods=check_pods
        )
    except Unsettled as unsettled:
        if unsettled.receipt_id:
            _print_receipt(unsettled.kept_at, unsettled.receipt_id, again)
            unsettled.hint = unsettled.hint or "the undo line puts back what is gone, and changes nothing where nothing is"
        raise


def _print_outcome(plan: Plan, outcome: Outcome, again: str, form: str) -> None:
    from ghostkey.report.words import left, shares

    click.echo(
        f"removed {shares(outcome.shares, of_total=False)} from {plan.holder}; {left(outcome.shares, outcome.keys_left)}",
        err=True,
    )
    _print_receipt(outcome.kept_at, outcome.receipt.id, again)
    for note in outcome.notes:
        click.echo(f"note: {note}", err=True)
    if form == "json":
        from ghostkey.cli.output import echo_json

        record = {
            "schema_version": 1,
            "kind": "GhostkeyTrim",
            "receipt": outcome.receipt.id,
            "kept_at": outcome.kept_at,
            "removed": [str(change) for change in plan.changes],
            "keys_left": outcome.keys_left,
            "resource_version": outcome.receipt.resource_version,
            "notes": list(outcome.notes),
        }
        echo_json(record)


def _print_receipt(kept_at: str, receipt_id: str, again: str) -> None:
    click.echo(f"receipt: {kept_at}", err=True)
    click.echo(f"undo:    ghostkey undo {receipt_id}{again}", err=True)


def _digest_key(*, is_kept: bool) -> DigestKey:
    """This machine's key; a plan that is only looked at needs none that lasts, and no folder to keep it in."""
    from ghostkey.store.state import any_key, passing_key

    return any_key() if is_kept else passing_key()


def _option(name: str, value: str | None) -> str:
    return f" {name} {shlex.quote(value)}" if value else ""


def _ghosts(
    client: ApiClient,
    kind: Kind,
    name: str,
    said: tuple[tuple[str, ...], tuple[str, ...]],
    known: Known,
    progress: ProgressLine,
) -> tuple[list[Wanted], bool]:
    """Ghosts of the map that are sure and that nobody has silenced, and whether something could not be seen.

    `said` are the words of --kinds and --subject.
    """
    from ghostkey import api
    from ghostkey.cli._cluster import findings_of_map

    silences = known.silences()
    found, snapshot, _ = findings_of_map(client, kind, name, *said, progress)
    progress.done()
    findings = _unsilenced([finding for finding in found if finding.analysis in api.TRIMMED], silences, snapshot)
    for gap in snapshot.gaps[:5]:
        click.echo(f"not seen: {gap.what}: {gap.why}", err=True)
    unknown = sum(finding.state == "unknown" for finding in findings)
    if unknown:
        one, many = "key may be a ghost, which cannot be known; it is", "keys may be ghosts, which cannot be known; they are"
        click.echo(f"{unknown:,} {one if unknown == 1 else many} left alone", err=True)
    wanted = [api.wanted_by(finding) for finding in findings if finding.state == "found"]
    return wanted, bool(snapshot.gaps)


def _unsilenced(findings: list[Finding], silences: list[Silence], snapshot: Snapshot) -> list[Finding]:
    """The findings that nobody silences. Raises Refused where the map's own word on it cannot be understood."""
    from ghostkey.cli.terminal import safe
    from ghostkey.model.silences import listen
    from ghostkey.report.findings import where
    from ghostkey.silences import annotated_silences, check_understood

    silences = [*silences, *annotated_silences(snapshot)]
    check_understood(snapshot, {finding.key.holder for finding in findings})
    heard = listen(findings, silences)
    if heard.silenced:
        count, silence = len(heard.silenced), heard.silenced[0].silence
        click.echo(safe(f"{count:,} {'key is' if count == 1 else 'keys are'} silenced and left alone ({silence})"), err=True)
    for item in heard.expired[:SHOWN_KEYS]:
        click.echo(safe(f"no longer silenced: {where(item.finding)} ({item.silence})"), err=True)
    return heard.spoken


def _named(live: dict[str, Any], key: str) -> Wanted:
    from ghostkey.api import Wanted

    *path, last = key.split("/")
    top = path[0] if path else last
    field = "binaryData" if top in (live.get("binaryData") or {}) else "data"
    return Wanted(field, last, tuple(path))


def _matched(live: dict[str, Any], pattern: str) -> list[Wanted]:
    import re

    from ghostkey.actions.plan import FIELDS, Wanted

    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--match {pattern!r} is no regular expression: {error}") from None
    reason = f"matches {pattern}"
    return [Wanted(f, key, (), reason) for f in FIELDS for key in live.get(f) or () if expression.fullmatch(key)]


def _read_plan(plan_file: str) -> bytes:
    import sys
    from pathlib import Path

    from ghostkey.actions.strangers import PLAN_BYTES

    try:
        if plan_file == "-":
            return sys.stdin.buffer.read(PLAN_BYTES + 1)
        with Path(plan_file).open("rb") as handle:
            return handle.read(PLAN_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read plan {plan_file}: {error.strerror}") from None


def _print_plan(plan: Plan, form: str) -> None:
    from ghostkey.cli.terminal import safe, say
    from ghostkey.report.words import shares

    if form == "json":
        from ghostkey.cli.output import echo_json

        document = {"schema_version": 1, "kind": "GhostkeyPlan", "plan": plan}
        echo_json(document)
        return
    shown = plan.changes if form == "wide" else plan.changes[:SHOWN_KEYS]
    say(f"{plan.holder}: remove {shares(plan.shares)} by {plan.strategy}")
    width = max(len(safe(str(change))) for change in shown)
    for change in shown:
        say(f"  - {safe(str(change)):{width}}  {change.value_bytes:>7,} B  {change.reason}")
    if len(shown) < len(plan.changes):
        click.echo(f"  … and {len(plan.changes) - len(shown)} more (-o wide lists all)")
