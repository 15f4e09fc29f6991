"""`ghostkey lab`."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli.options import ProgressLine


@click.command("lab", context_settings=CONTEXT)
@click.option(
    "--go", "versions", multiple=True, metavar="VERSION", help="Go to try it on, as 1.24.11; may be repeated (the Go at hand)."
)
@click.option(
    "-o", "--output", "form", type=click.Choice(["text", "json", "markdown"]), default="text", help="How to print what was seen."
)
def command(versions: tuple[str, ...], form: str) -> int:
    """Show on your own Go what is true of its maps: a sentence each, what was measured, and what a census sees.

    Builds small programs, and runs them; other versions of Go come as Go modules. Exit code 1 when a sentence is not borne out.
    """
    from ghostkey import lab
    from ghostkey.cli.output import echo_json
    from ghostkey.cli.terminal import say

    tried: dict[str, list[lab.Claim]] = {}
    progress = ProgressLine()
    for version in versions or ("",):
        progress(f"building the programs{f' with Go {version}' if version else ''}")
        name = lab.go_of(version)
        if form == "text":
            progress.done()
            click.echo(name)
        tried[name] = []
        for claim in lab.claims(version):
            tried[name].append(claim)
            if form == "text":
                mark = "✓" if claim.holds else "✗"
                say(f"  {mark} {claim.lesson}")
                say(f"      {claim.measured}")
    progress.done()
    if form == "json":
        runs = [{"go": name, "claims": [dataclasses.asdict(claim) for claim in claims]} for name, claims in tried.items()]
        echo_json({"schema_version": 1, "kind": "GhostkeyLab", "runs": runs})
    elif form == "markdown":
        click.echo(_markdown(tried))
    return 0 if all(claim.holds for claims in tried.values() for claim in claims) else 1


def _markdown(tried: dict[str, list[Any]]) -> str:
    """The page docs/go-maps.md."""
    command = "ghostkey lab -o markdown" + "".join(f" --go {name.removeprefix('go')}" for name in tried)
    lines = [
        "# What is true of Go's maps",
        "",
        f"Written by `{command}`: each sentence was tried on each of these Go versions.",
        "",
    ]
    first = next(iter(tried.values()))
    for place, claim in enumerate(first):
        lines += [f"## {claim.name}", "", f"{claim.lesson[0].upper()}{claim.lesson[1:]}.", ""]
        if claim.wrong:
            lines += [f"Often said, and wrong: {claim.wrong}.", ""]
        lines += ["| Go | measured |", "| --- | --- |"]
        lines += [
            f"| {name.removeprefix('go')} | {claims[place].measured.replace('|', chr(92) + '|')} |"
            for name, claims in tried.items()
        ]
        lines.append("")
    return "\n".join(lines).rstrip("\n")
