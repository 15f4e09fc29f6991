"""`ghostkey lint` on real leaks: at the parent of a fix it should tell, and at the fix be silent.

    python -m bench.lint CASES.jsonl FOLDER_OF_REPOSITORIES

A case has repo, parent, fix, file, map, class and verdict. A pair: some rule tells of the map's file and name at the parent, and that
rule is silent about it at the fix. Repositories are Git directories called OWNER+NAME; what is not there is left out, and said.
"""

from __future__ import annotations

import collections
import functools
import json
import sys
from pathlib import Path

from ghostkey.lint.findings import Finding
from ghostkey.lint.run import lint


@functools.lru_cache(maxsize=8)
def findings(repository: Path, revision: str) -> tuple[Finding, ...]:
    """What is found in a revision, at both levels."""
    return tuple(lint(repository, revision=revision, level="B").findings)


def about(case: dict[str, str], revision: str, repository: Path) -> dict[str, str]:
    """Rule → message of what is told about a case's map."""
    folder = case["file"].rpartition("/")[0]
    return {
        found.rule: f"{found.path}:{found.line} {found.message}"
        for found in findings(repository, revision)
        if found.path.rpartition("/")[0] == folder
        and case["map"].rpartition(".")[2] in {found.symbol.rpartition(".")[2], found.symbol}
    }


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
        before = about(case, case["parent"], repository)
        after = about(case, case["fix"], repository) if case.get("fix") else {}
        word = "pair" if before.keys() - after.keys() else "both" if before else "silent"
        table[case["class"]][word] += 1
        print(
            f"{word:7} {case['id']} {case['class']:18} {case['repo']} {case['map']} {next(iter(before.values()), '')[:110]}",
            flush=True,
        )
    for name, counts in sorted(table.items()):
        print(f"{name:26} {dict(counts)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
