"""`ghostkey lint`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ghostkey.cli import CONTEXT
from ghostkey.report.lint import FORMATS


@click.command("lint", context_settings=CONTEXT)
@click.argument("path", default=".", metavar="[PATH|./...]")
@click.option("--rev", "revision", metavar="REV", help="Look at this revision of the Git repository instead of the files.")
@click.option("--diff", "since", metavar="REV", help="Only what was not there at this revision: what a change adds or unhides.")
@click.option(
    "--level", type=click.Choice(["A", "B"]), default="A", show_default=True, help="B also tells what is right less often."
)
@click.option("--rule", "rules", multiple=True, metavar="NAME", help="Only this rule; --rules lists them.")
@click.option("--rules", "listed", is_flag=True, help="List the rules and end; with --rule, print its page.")
@click.option(
    "--baseline", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Leave out findings in this file."
)
@click.option(
    "--write-baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write what is found now as a baseline.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Only these rules in these packages, as learn writes them.",
)
@click.option("-o", "--output", type=click.Choice(FORMATS), default="text", show_default=True, help="How to print findings.")
def command(
    path: str,
    revision: str | None,
    since: str | None,
    level: str,
    rules: tuple[str, ...],
    listed: bool,
    baseline: Path | None,
    write_baseline: Path | None,
    config: Path | None,
    output: str,
) -> None:
    """Find inserts without a delete in Go source: no Go toolchain, no build, no network.

    A map that Reconcile inserts into and nothing deletes from is a ghost key in the making. `//nolint:ghostkey // why` keeps a
    finding silent, `//ghostkey:bounded why` at a field says that its keys run out.

    Exit codes: 0 nothing found; 1 findings; 2 wrong usage; 5 failed.
    """
    import dataclasses

    from ghostkey.lint.baseline import read_baseline, written_baseline
    from ghostkey.lint.cache import default_folder
    from ghostkey.lint.rules import all_rules, page
    from ghostkey.lint.run import lint
    from ghostkey.lint.settings import chosen, read_settings
    from ghostkey.model.errors import UsageError
    from ghostkey.report.lint import render

    if listed:
        unknown = [name for name in rules if name not in all_rules()]
        if unknown:
            raise UsageError(f"no rule is named {unknown[0]!r}", f"known: {', '.join(all_rules())}")
        pages = [page(name) for name in rules]
        click.echo(
            "\n\n".join(pages)
            if pages
            else "\n".join(f"{name}  {rule.level}  {rule.title}" for name, rule in all_rules().items())
        )
        return
    root = Path(path.removesuffix("...").rstrip("/") or ("/" if path.startswith("/") else "."))
    known = read_baseline(baseline) if baseline else frozenset()
    settings = read_settings(config) if config else []
    if settings:
        # a rule that is named is wanted, however sure it is
        level, rules = "B", tuple(dict.fromkeys(setting.rule for setting in settings if not rules or setting.rule in rules))
    linted = lint(root, revision=revision or "", since=since or "", level=level, rules=rules, cache=default_folder())
    if settings:
        linted = dataclasses.replace(linted, findings=chosen(linted.findings, settings))
    if write_baseline:
        write_baseline.write_text(written_baseline(linted.findings))
        click.echo(f"{len(linted.findings)} findings are known from now on: {write_baseline}", err=True)
        return
    fresh = [finding for finding in linted.findings if finding.fingerprint not in known]
    linted = dataclasses.replace(linted, findings=fresh)
    said = render(linted, output)
    if said:
        click.echo(said)
    sys.exit(1 if fresh else 0)
