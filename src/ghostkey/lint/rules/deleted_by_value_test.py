"""A key is deleted only where its value is not empty: comma-ok was meant.

*What it finds.* A delete from the data of a ConfigMap or Secret that stands under a test of the value it takes out
(`if cm.Data[key] != ""`, `if v := cm.Data[key]; len(v) > 0`).

*Why it matters.* A key whose value is empty is there all the same, and this code never takes it out.

*When it is wrong.* Empty values are never put in. This is told with `--level B`.

Bad:

    if cm.Data[key] != "" {
        delete(cm.Data, key) // want "only where its value"
    }

Good:

    delete(cm.Data, key) // of a key that is not there, it does nothing
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.facts import Branch, Release
from ghostkey.lint.findings import Finding, Look, Rule
from ghostkey.lint.held import DATA


def _find(look: Look) -> Iterator[Finding]:
    for spot in look.spots():
        for release in spot.function.releases:
            place = release.place
            if release.how != "delete" or DATA.isdisjoint(place.fields[-1:]) or release.key.startswith(('"', "`")):
                continue
            guard = next((branch for branch in release.branches if _tests_value(branch, release)), None)
            if guard is not None:
                name = ".".join((place.root, *place.fields))
                yield Finding.at(
                    ("deleted-by-value-test", "B"), spot, release.line, name, release.key,
                    f"{name} loses the key {release.key} only where its value is not empty ({guard.text[:60]})",
                )  # fmt: skip


def _tests_value(branch: Branch, release: Release) -> bool:
    """Whether a branch runs only for values that are not empty, of the key that is deleted."""
    if branch.kind != "if" or "||" in branch.text:
        return False
    value = re.escape(".".join((release.place.root, *release.place.fields)) + f"[{release.key}]")
    test = r"\s*!=\s*(?:\"\"|nil)|\)\s*(?:>|!=)\s*0"
    if re.search(rf"{value}(?:{test})", branch.text):
        return True
    found = re.match(rf"(\w+)\s*:=\s*{value}\s*;", branch.text)
    return found is not None and re.search(rf"\b{re.escape(found[1])}(?:{test})", branch.text[found.end() :]) is not None


RULE = Rule("B", "a delete that leaves keys with empty values", _find)
