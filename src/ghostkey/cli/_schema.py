"""`ghostkey guard schema`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli.options import cluster_options
from ghostkey.cli.where import Where
from ghostkey.model.errors import UsageError


@click.command("schema", context_settings=CONTEXT)
@click.argument("paths", nargs=-1, required=True, metavar="CRD|DIR…")
@cluster_options
@click.option(
    "--code",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Go source: only fields of which it makes keys.",
)
@click.option(
    "--required", is_flag=True, help="The patch demands the fields, too: objects without them are refused from then on."
)
@click.option(
    "--testbed",
    is_flag=True,
    help="Send the inputs to a control plane of its own, before and after the patch; not to the cluster.",
)
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["text", "patch", "yaml", "json"]),
    default="text",
    help="What to print: all of it, the JSON patches, or the patched CRDs.",
)
def command(paths: tuple[str, ...], where: Where, code: Path | None, required: bool, testbed: bool, form: str) -> int:
    """Find fields of a CRD that become keys and may be empty, and print the patch that forbids it. Nothing is stored in a cluster.

    "", " ", null and "CN" are sent to the API server, by dry run. The cluster knows the CRD as it is: what the patched one takes is
    only tried with --testbed, on an API server that is thrown away; the patched CRD itself is sent to the cluster by dry run.

    Exit code 1: a field says too little; 3: the API server could not be asked.
    """
    from ghostkey.churn.subjects import crd_resources, read_documents
    from ghostkey.learn import schema

    crds = [one for one in read_documents(paths) if one["kind"] == "CustomResourceDefinition"]
    if not crds:
        raise UsageError(f"no CustomResourceDefinition is in {' '.join(paths)}", "name the CRD's file, or a folder of CRDs")
    keys = schema.keys_in(code) if code else None
    rows: list[dict[str, Any]] = []
    for crd in crds:
        resources = crd_resources([alone for _, alone in schema.versions_of(crd)])
        if fields := schema.open_in(crd, keys):
            patch = schema.patch_of(crd, fields, required=required)
            after = schema.patched(crd, patch)
            if testbed:
                tried = schema.tried_on_testbed(crd, after, resources[0], fields)
            else:
                tried = schema.tried_by_dry_run(where.client(), crd, after, resources[0], fields)
            rows.append({"crd": crd, "fields": fields, "patch": patch, "after": after, "tried": tried})
    _print(rows, form)
    if not rows:
        click.echo(
            "every field that becomes a key says what it may be"
            if code
            else "no field that looks like a reference says too little",
            err=True,
        )
        return 0
    return 3 if any(row["tried"].why for row in rows) else 1


def _print(rows: list[dict[str, Any]], form: str) -> None:
    from ghostkey.cli.output import echo_json
    from ghostkey.cli.terminal import safe, say
    from ghostkey.kube.yaml_text import dump_yaml

    if form == "json":
        crds = [
            {"crd": row["crd"]["metadata"]["name"], "patch": row["patch"], "before": row["tried"].before, "after": row["tried"].after, "not_tried": row["tried"].why,
             "fields": [{"path": f.name, "sort": f.sort, "lacks": list(f.lacks), "why": f.why} for f in row["fields"]]}
            for row in rows
        ]  # fmt: skip
        echo_json({"schema_version": 1, "kind": "GhostkeySchema", "crds": crds})
        return
    if form == "yaml":
        click.echo("---\n".join(dump_yaml(row["after"]) for row in rows), nl=False)
        return
    for row in rows:
        name, tried = row["crd"]["metadata"]["name"], row["tried"]
        if form == "text":
            for one in row["fields"]:
                say(f"{name}: {one}")
                for words, taken in (("takes", tried.before), ("patched, it takes", tried.after)):
                    if taken is not None and one.sort == "string":
                        inputs = taken.get(one.name)
                        none = "none of the four inputs" if inputs == [] else "nothing that could be tried: it is not known"
                        say(f"  {words} {', '.join(inputs or ()) or none}")
            if tried.why:
                click.echo(safe(f"not tried: {tried.why}"), err=True)
            elif tried.after is None:
                click.echo("the patched CRD was taken by dry run; what it then takes: --testbed", err=True)
        click.echo(safe(f"kubectl patch crd {shlex.quote(name)} --type=json -p {shlex.quote(json.dumps(row['patch']))}"))
