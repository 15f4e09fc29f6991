"""`ghostkey lint` on real leaks: at the parent of a fix it should tell, and at the fix be silent.

    python -m bench.lint CASES.jsonl FOLDER_OF_REPOSITORIES

A case has repo, parent, fix, file, map, class and verdict. A pair: some rule tells of the map's file and name at the parent, and that
rule is silent about it at the fix; of a ConfigMap's data only the case's own key is meant. Repositories are Git directories called
OWNER+NAME; what is not there is left out, and said.
"""

from __future__ import annotations

import collections
import functools
import json
import sys
from pathlib import Path
from typing import Any

from ghostkey.lint.cache import default_folder
from ghostkey.lint.findings import Finding
from ghostkey.lint.held import DATA
from ghostkey.lint.run import lint

CHILDREN = frozenset({"child-without-owner", "children-pile-up"})


@functools.lru_cache(maxsize=8)
def findings(repository: Path, revision: str) -> tuple[Finding, ...]:
    """What is found in a revision, at both levels."""
    return tuple(lint(repository, revision=revision, level="B", cache=default_folder()).findings)


def about(case: dict[str, Any], revision: str, repository: Path) -> list[Finding]:
    """What is told about a case's map, or, of a child that nobody owns, about its kind's creation in the case's file."""
    folder = case["file"].rpartition("/")[0]
    if not case["map"]:
        told = findings(repository, revision)
        return [found for found in told if found.path == case["file"] and found.rule in CHILDREN]
    return [
        found
        for found in findings(repository, revision)
        if found.path.rpartition("/")[0] == folder
        and case["map"].rpartition(".")[2] in {found.symbol.rpartition(".")[2], found.symbol}
    ]


def word_of(case: dict[str, Any], repository: Path) -> tuple[str, list[Finding]]:
    """pair, both or silent, and what is told at the parent."""
    before = about(case, case["parent"], repository)
    after = about(case, case["fix"], repository) if case.get("fix") else []
    if case["map"] in DATA:  # keys of many kinds are in one ConfigMap: only the case's own is meant
        before = [found for found in before if found.line in case["insert_lines"]]
        after = [found for found in after if found.key in {one.key for one in before}]
    gone = {found.rule for found in before} - {found.rule for found in after}
    return ("pair" if gone else "both" if before else "silent"), before


def main() -> int:
    """Prints a line for each case and a table of the classes."""
    cases = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    table: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for case in sorted(cases, key=lambda case: (case["repo"], case["parent"])):
        mirror = Path(sys.argv[2], case["repo"].replace("/", "+"))
        repository = mirror / "repo" if (mirror / "repo").exists() else mirror
        if not repository.exists():
            table[case["class"]]["no repository"] += 1
            continue
        word, before = word_of(case, repository)
        table[case["class"]][word] += 1
        told = next((f"{found.path}:{found.line} {found.message}" for found in before), "")
        print(f"{word:7} {case['id']} {case['class']:18} {case['repo']} {case['map']} {told[:110]}", flush=True)
    for name, counts in sorted(table.items()):
        print(f"{name:26} {dict(counts)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
