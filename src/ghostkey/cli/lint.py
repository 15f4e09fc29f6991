"""`ghostkey lint`."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ghostkey.cli import CONTEXT
from ghostkey.cli.terminal import say, say_page
from ghostkey.model.counts import counted
from ghostkey.report.lint import FORMATS

if TYPE_CHECKING:
    from ghostkey.lint.run import Linted


@dataclass(frozen=True, slots=True)
class Scope:
    """Which code, which rules, and what is known already."""

    root: Path
    revision: str
    since: str
    level: str
    rules: tuple[str, ...]
    baseline: Path | None
    config: Path | None = None

    def linted(self) -> Linted:
        """What is found in it, without what the baseline knows."""
        import dataclasses

        from ghostkey.lint.baseline import read_baseline
        from ghostkey.lint.cache import default_folder
        from ghostkey.lint.run import lint
        from ghostkey.lint.settings import chosen, read_settings
        from ghostkey.model.errors import UsageError

        known = read_baseline(self.baseline) if self.baseline else frozenset()
        settings = [one for one in read_settings(self.config) if not self.rules or one.rule in self.rules] if self.config else []
        if self.config and not settings:
            raise UsageError(f"{self.config} has none of the rules that --rule names", "leave out one of them")
        # a rule that is named is wanted, however sure it is
        level, rules = ("B", tuple({one.rule: None for one in settings})) if settings else (self.level, self.rules)
        linted = lint(self.root, revision=self.revision, since=self.since, level=level, rules=rules, cache=default_folder())
        if settings:
            linted = dataclasses.replace(linted, findings=chosen(linted.findings, settings))
        return dataclasses.replace(linted, findings=[one for one in linted.findings if one.fingerprint not in known])


def _scope(function: Callable[..., None]) -> Callable[..., None]:
    """The options of a scope; the command gets them as one."""

    @functools.wraps(function)
    def command(path: str, revision: str | None, since: str | None, level: str, rules: tuple[str, ...], **rest: Any) -> None:
        root = Path(path.removesuffix("...").rstrip("/") or ("/" if path.startswith("/") else "."))
        function(scope=Scope(root, revision or "", since or "", level, rules, rest.pop("baseline"), rest.pop("config")), **rest)

    for decorate in reversed(
        [
            click.argument("path", default=".", metavar="[PATH|./...]"),
            click.option(
                "--rev", "revision", metavar="REV", help="Look at this revision of the Git repository instead of the files."
            ),
            click.option(
                "--diff", "since", metavar="REV", help="Only what was not there at this revision: what a change adds or unhides."
            ),
            click.option(
                "--level",
                type=click.Choice(["A", "B"]),
                default="A",
                show_default=True,
                help="B also tells what is right less often.",
            ),
            click.option("--rule", "rules", multiple=True, metavar="NAME", help="Only this rule; --rules lists them."),
            click.option(
                "--baseline",
                type=click.Path(path_type=Path, dir_okay=False),
                metavar="FILE",
                help="Leave out findings in this file.",
            ),
            click.option(
                "--config",
                type=click.Path(path_type=Path, dir_okay=False),
                metavar="FILE",
                help="Only these rules in these packages, as learn writes them.",
            ),
        ]
    ):
        command = decorate(command)
    return command


@click.command("lint", context_settings=CONTEXT)
@_scope
@click.option("--rules", "listed", is_flag=True, help="List the rules and end; with --rule, print its page.")
@click.option(
    "--write-baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write what is found now as a baseline.",
)
@click.option(
    "--fix", "fixing", is_flag=True, help="Write the edits that are suggested and, tried on a copy, make their finding go."
)
@click.option(
    "--explain-finding",
    "sought",
    metavar="ID|MAP|FILE:LINE",
    help="Name the code behind a finding of the last scans, a map of a process such as '(Reconciler).seen', or an insert.",
)
@click.option("-o", "--output", type=click.Choice(FORMATS), default="text", show_default=True, help="How to print findings.")
def command(scope: Scope, listed: bool, write_baseline: Path | None, fixing: bool, sought: str | None, output: str) -> None:
    """Find inserts without a delete in Go source: no Go toolchain, no build, no network.

    A map that Reconcile inserts into and nothing deletes from is a ghost key in the making. `//nolint:ghostkey // why` keeps a
    finding silent, `//ghostkey:bounded why` at a field says that its keys run out.

    Exit codes: 0 nothing found; 1 findings; 2 wrong usage; 3 no code is known for what --explain-finding names; 5 failed.
    """
    from ghostkey.lint.baseline import written_baseline
    from ghostkey.model.errors import UsageError
    from ghostkey.report.lint import render

    if listed:
        say_page(_pages(scope.rules))
        return
    if sought is not None:
        sys.exit(_explain(scope, sought, output))
    if fixing and (scope.revision or write_baseline):
        raise UsageError("--fix changes the files of a folder", "leave out --rev and --write-baseline")
    linted = scope.linted()
    if write_baseline:
        write_baseline.write_text(written_baseline(linted.findings))
        click.echo(f"{counted(len(linted.findings), 'finding is', 'findings are')} known from now on: {write_baseline}", err=True)
        return
    if fixing and any(finding.edits for finding in linted.findings):
        _fix(scope, linted)
        linted = scope.linted()
    said = render(linted, output)
    if output == "text":
        say(*said.split("\n"))
    elif said:
        click.echo(said)
    sys.exit(1 if linted.findings else 0)


def _pages(rules: tuple[str, ...]) -> str:
    """The pages of rules, or the list of all."""
    from ghostkey.lint.rules import all_rules, page
    from ghostkey.model.errors import UsageError

    unknown = [name for name in rules if name not in all_rules()]
    if unknown:
        raise UsageError(f"no rule is named {unknown[0]!r}", f"known: {', '.join(all_rules())}")
    pages = [page(name) for name in rules]
    return "\n\n".join(pages or (f"{name}  {rule.level}  {rule.title}" for name, rule in all_rules().items()))


def _fix(scope: Scope, linted: Linted) -> None:
    """Writes what can be mended, and says which files changed and what was left."""
    from ghostkey.lint.cache import default_folder
    from ghostkey.lint.fix import fix, write
    from ghostkey.report.visible import safe

    fixed = fix(scope.root, linted.findings, default_folder())
    write(scope.root, fixed)
    for finding in fixed.findings:
        click.echo(f"fixed {safe(finding.path)}:{finding.line} [{finding.rule}]", err=True)
    left = sum(bool(finding.edits) for finding in linted.findings) - len(fixed.findings)
    if left:
        click.echo(f"{left} suggested edits were left out: with them the finding stays, or another one comes", err=True)


def _explain(scope: Scope, words: str, output: str) -> int:
    """Prints the code behind a ghost; 3 where none is known."""
    import json

    from ghostkey.cli import findings_file
    from ghostkey.lint.about import Sought, about
    from ghostkey.lint.cache import default_folder
    from ghostkey.lint.source import files_of_folder, files_of_revision
    from ghostkey.model.errors import UsageError
    from ghostkey.report.lint import about_record, about_text

    if output not in {"text", "json"}:
        raise UsageError(f"--explain-finding is printed as text or json, not as {output}")
    known = findings_file.find(words)[0] if words.isalnum() else []
    if len(known) > 1:
        raise UsageError(f"{len(known)} findings begin with {words}", "give more of the ID")
    sought = Sought.of_finding(known[0][0]) if known else Sought.of_words(words)
    files = files_of_revision(scope.root, scope.revision) if scope.revision else files_of_folder(scope.root)
    told = about(files, sought, default_folder())
    if output == "json":
        click.echo(json.dumps(about_record(told), indent=2))
    else:
        say(*about_text(told))
    return 0 if told.inserts else 3
