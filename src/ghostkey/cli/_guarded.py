"""`ghostkey guard status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli.options import ProgressLine, cluster_options
from ghostkey.cli.where import Where
from ghostkey.model.counts import counted
from ghostkey.model.history import rfc3339_now

if TYPE_CHECKING:
    from ghostkey.kube.client import ApiClient


@click.command("status", context_settings=CONTEXT)
@cluster_options
@click.option("-o", "--output", "form", type=click.Choice(["table", "json"]), default="table", help="How to print.")
def status(where: Where, form: str) -> int:
    """Show the mode, and for each map its cap, what it has, and why.

    Exit code 1: a map is past its cap, or the guard is not in force; 3: not all was seen.
    """
    from ghostkey.cli.output import echo_json, echo_table
    from ghostkey.guard import objects
    from ghostkey.guard.plan import mode_of, shortfalls

    client = where.client()
    binding = client.get_object(f"{objects.BINDING_PATH}/{objects.POLICY}")
    progress = ProgressLine()
    rows = [row for one in caps_in_force(client) for row in _rows(client, one, progress)]
    progress.done()
    mode = mode_of(binding) if binding else "none"
    short = shortfalls(client)
    if form == "json":
        echo_json({"schema_version": 1, "kind": "GhostkeyGuard", "mode": mode, "not_in_force": short, "maps": rows})
    else:
        click.echo(f"mode: {mode}")
        echo_table(["NAMESPACE", "MAP", "KEYS", "WHY"], [_cells(row) for row in rows])
    if not rows and mode != "none":
        click.echo("no map has a cap: ghostkey guard apply cm/NAME -n NS --apply", err=True)
    for words in short:
        click.echo(f"not in force: {words}", err=True)
    if short:
        back = "audit" if binding is None else mode
        click.echo(f"hint: ghostkey guard apply --mode {back} --apply{where.words(namespace=False)} writes it again", err=True)
    if any(row["keys"] is None for row in rows):
        return 3
    return 1 if short or any(row["cap"] is not None and row["keys"] > row["cap"] for row in rows) else 0


def caps_in_force(client: ApiClient) -> list[dict[str, Any]]:
    """The caps of all namespaces."""
    from ghostkey.guard import objects
    from ghostkey.guard.plan import all_caps

    return [one for one in all_caps(client) if one["metadata"]["name"] == objects.NAME]


def _cells(row: dict[str, Any]) -> list[str]:
    has = "?" if row["keys"] is None else f"{row['keys']:,}"
    why = [row["reason"]]
    if row["kept_out"]:
        is_over = row["until"] <= rfc3339_now()
        keys = counted(row["kept_out"], "key was", "keys were") if is_over else counted(row["kept_out"], "key")
        why.append(f"{keys} kept out until {row['until']}")
    cells = [row["namespace"], row["map"], has if row["cap"] is None else f"{has} of {row['cap']:,}"]
    return [*cells, "; ".join(filter(None, why))]


def _rows(client: ApiClient, caps: dict[str, Any], progress: ProgressLine) -> list[dict[str, Any]]:
    """A row for each map of a namespace's caps; `keys` is None where the map may not be read."""
    from ghostkey.actions.plan import key_count
    from ghostkey.model.errors import AccessDenied

    spec, namespace = caps["spec"], caps["metadata"]["namespace"]
    rows = []
    for name in sorted({*spec["caps"], *spec.get("keepOut", {})}):
        progress(f"reading {namespace}/{name}")
        try:
            resource, _, map_name = name.partition("/")
            live = client.get_object(f"/api/v1/namespaces/{namespace}/{resource}/{map_name}")
            keys: int | None = key_count(live) if live else 0
        except AccessDenied:
            keys = None
        kept = spec.get("keepOut", {}).get(name, {})
        rows.append(
            {"namespace": namespace, "map": name, "keys": keys, "cap": spec["caps"].get(name), "reason": spec.get("reasons", {}).get(name, ""),
             "kept_out": len(kept.get("keys", ())), "until": kept.get("until", "")}
        )  # fmt: skip
    return rows
