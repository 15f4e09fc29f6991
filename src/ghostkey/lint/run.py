"""Lints a tree: facts of every file, the module they make, the rules, and what comments say about their findings."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ghostkey.lint.cache import FactsCache
from ghostkey.lint.facts import FileFacts
from ghostkey.lint.findings import Finding, Look, Witness
from ghostkey.lint.held import held_maps
from ghostkey.lint.judgements.lifetime import Lifetimes
from ghostkey.lint.module import Module
from ghostkey.lint.rules import all_rules
from ghostkey.lint.source import files_of_folder, files_of_revision
from ghostkey.lint.syntax import parser
from ghostkey.model.errors import SourceDamaged, UsageError

LEVELS = ("A", "B")
SUPPRESSION = "suppression"
COUNTED_LINES = 100_000  # of a tree in which level B is counted unasked: up to here that takes a tenth of a second
TEST = "_test.go"
_NOLINT = "nolint:"


@dataclass(frozen=True, slots=True)
class Linted:
    """What was found, by file and line; what comments keep silent; and what was read: files, lines, and files with errors.

    `more` are the findings of level B that level A leaves out; None where they were not counted, and there may be some.
    """

    findings: list[Finding]
    suppressed: list[Finding]
    files: int
    lines: int
    broken: int
    sources: dict[str, tuple[str, ...]]
    more: int | None = 0


def lint(
    root: Path, *, revision: str = "", since: str = "", level: str = "A", rules: Collection[str] = (), cache: Path | None = None
) -> Linted:
    """Lints a folder, or a revision of it; with `since`, only what was not there at that revision.

    `cache` is a folder for the facts of files; `cache.default_folder()` is the command's. Findings are the same on every run, in whatever order files are found. Raises UsageError for a rule, folder or revision that
    is not there, or where the extra `source` is not installed, and SourceDamaged where there is no Go file.
    """
    for name in rules:
        if name not in all_rules():
            raise UsageError(f"no rule is named {name!r}", f"known: {', '.join(all_rules())}")
    kept = FactsCache(cache)
    with _without_sweeps():
        now = _lint(
            files_of_revision(root, revision) if revision else files_of_folder(root), level, rules, kept, counted=not since
        )
        if not now.files and not since:
            where = f"{root} at {revision}" if revision else str(root)
            raise SourceDamaged(f"no Go files in {where}: nothing was looked at", "name the folder of a module, or ./...")
        asked = {finding.rule for finding in now.findings}
        if not since or not asked:
            return now  # nothing is found that could be new
        # of what a comment keeps silent every rule is asked, and then all that is found counts
        then = _lint(files_of_revision(root, since), level, rules if SUPPRESSION in asked else asked, kept)
    before = {finding.fingerprint for finding in then.findings}
    return dataclasses.replace(now, findings=[finding for finding in now.findings if finding.fingerprint not in before])


@contextlib.contextmanager
def _without_sweeps() -> Iterator[None]:
    """Does not look for cycles of objects meanwhile: facts have none, and looking takes longer than to read them from the cache."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def lint_files(
    files: Iterable[tuple[str, bytes]], *, level: str = "A", rules: Collection[str] = (), cache: Path | None = None
) -> Linted:
    """The same of files at hand: path and content."""
    with _without_sweeps():
        return _lint(files, level, rules, FactsCache(cache))


def _lint(
    files: Iterable[tuple[str, bytes]], level: str, rules: Collection[str], cache: FactsCache, *, counted: bool = True
) -> Linted:
    look, facts = look_at(files, cache)
    lines = sum(one.lines for one in facts)
    ordered = judged(look, level, rules)
    marks = {(one.path, line): mark for one in facts for line, mark in one.marks.items() if mark.startswith(_NOLINT)}
    is_counted = counted and lines <= COUNTED_LINES
    leaves_out = level < LEVELS[-1] and not rules
    rest: list[Finding] = []
    if leaves_out and (is_counted or marks):  # a comment may be about what level B tells: then it is not one that can go
        rest = [finding for finding in judged(look, LEVELS[-1]) if finding.level > level]
    spoken, silent, more = _heard(ordered, rest, marks, is_whole=not rules)
    return Linted(
        spoken,
        silent,
        len(facts),
        lines,
        sum(one.has_errors for one in facts),
        {one.path: one.source for one in facts},
        None if leaves_out and not is_counted else more,
    )


def look_at(files: Iterable[tuple[str, bytes]], cache: FactsCache) -> tuple[Look, list[FileFacts]]:
    """What rules are given, and the facts that it is made of."""
    go = parser()
    facts: list[FileFacts] = []
    tests: dict[str, bytes] = {}
    for path, source in files:
        if path.endswith(TEST):
            tests[path] = source  # what a test tries is told by its text
        else:
            facts.append(cache.facts_of(go, source, path))
    module = Module(facts)
    lifetimes = Lifetimes(module)
    return Look(module, held_maps(module, lifetimes), lifetimes, tests), facts


def judged(look: Look, level: str, rules: Collection[str] = ()) -> list[Finding]:
    """What the rules find, by file and line."""
    found: dict[tuple[str, str, int, str], Finding] = {}
    for name, rule in all_rules().items():
        if (rules and name not in rules) or rule.level > level:
            continue
        for finding in rule.find(look):
            if finding.level <= level:
                found.setdefault((finding.rule, finding.path, finding.line, finding.symbol), finding)
    return _numbered(sorted(found.values(), key=_place))


def _numbered(findings: list[Finding]) -> list[Finding]:
    met: Counter[tuple[str, str]] = Counter()
    numbered = []
    for finding in findings:
        same = (finding.fingerprint, finding.level)
        numbered.append(dataclasses.replace(finding, number=met[same]) if met[same] else finding)
        met[same] += 1
    return numbered


def _place(finding: Finding) -> tuple[str, int, str, str]:
    return finding.path, finding.line, finding.rule, finding.symbol


def _heard(
    findings: list[Finding], rest: list[Finding], marks: dict[tuple[str, int], str], *, is_whole: bool
) -> tuple[list[Finding], list[Finding], int]:
    """Findings apart by whether a comment keeps them silent; a comment without a reason, or without a finding, is one itself.

    `rest` are findings that nobody asked for: how many of them no comment keeps silent comes third.
    """
    spoken: list[Finding] = []
    silent: list[Finding] = []
    used: set[tuple[str, int]] = set()
    more = 0
    for at, finding in enumerate((*findings, *rest)):
        spot = next(((finding.path, line) for line in (finding.line, finding.line - 1) if (finding.path, line) in marks), None)
        if spot is not None:
            used.add(spot)
        if at >= len(findings):
            more += spot is None
        else:
            (spoken if spot is None else silent).append(finding)
    for (path, line), mark in marks.items():
        reason = mark.partition("//")[2].strip()
        if (path, line) in used and not reason:
            spoken.append(_about(path, line, "a suppression says why: //nolint:ghostkey // why"))
        elif (path, line) not in used and is_whole:
            spoken.append(_about(path, line, "nothing is found here any more: the suppression can go"))
    return sorted(spoken, key=_place), silent, more


def _about(path: str, line: int, message: str) -> Finding:
    return Finding(SUPPRESSION, "A", path, line, "nolint", "", message, message, (Witness(path, line, message),))
