"""A key is deleted only where its value is not empty: comma-ok was meant.

*What it finds.* A delete that stands under a test of the value it takes out (`if cm.Data[key] != ""`, `if v := cm.Data[key]; len(v) > 0`,
or behind `if m[key] == 0 { return }`): in the data of a ConfigMap or Secret, and in a map that is held for long and is given such a value
somewhere (0, false, nil, `""`).

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

from ghostkey.lint.facts import Release
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.held import DATA, Held
from ghostkey.lint.module import Spot
from ghostkey.lint.reach import Site
from ghostkey.lint.zero import asks_for_more, asks_for_none, is_zero


def _find(look: Look) -> Iterator[Finding]:
    for spot in look.spots():
        for release in spot.function.releases:
            if release.how == "delete" and not DATA.isdisjoint(release.place.fields[-1:]) and (guard := _guard(spot, release)):
                name = ".".join((release.place.root, *release.place.fields))
                yield _told(spot, release, name, guard)
    for symbol, held in look.held.items():
        guards = [_guard(one.spot, one.release) if one.release.how == "delete" else "" for one in held.releases]
        emptied = _emptied(held)
        if guards and all(guards) and emptied:
            first = held.releases[0]
            yield _told(first.spot, first.release, str(symbol), guards[0], emptied)


def _told(spot: Spot, release: Release, name: str, guard: str, *witnesses: Witness) -> Finding:
    return Finding.at(
        ("deleted-by-value-test", "B"), spot, release.line, name, release.key,
        f"{name} loses the key {release.key} only where its value is not empty ({guard[:60]})", *witnesses,
    )  # fmt: skip


def _emptied(held: Held) -> Witness | None:
    """Where the map is given a zero value, or counts down to one."""
    # the struct{}{} of a set has no value to be asked for
    zeros = [one for one in held.inserts if is_zero(one.insert.value)]
    return Witness.at(zeros[0].spot, zeros[0].insert.line, "the value is empty here, and the key there") if zeros else None


def _guard(spot: Spot, release: Release) -> str:
    """The condition that lets only values come to a delete that are not empty, of the key that is deleted."""
    if release.key.startswith(('"', "`")):
        return ""  # one key that the code names
    value = ".".join((release.place.root, *release.place.fields)) + f"[{release.key}]"
    for text, holds in Site(spot, release.line, release.branches).conditions:
        said, _, asked = text.rpartition(";")
        found = re.match(rf"(\w+)\s*(?:,\s*\w+\s*)?:=\s*{re.escape(value)}\s*$", said.strip())
        asks = asks_for_more if holds else asks_for_none
        # one of several is enough to return, and not enough to come in
        terms = [asked] if holds else asked.split("||")
        if "||" in asked and holds:
            continue
        if any(asks(term, one) for term in terms for one in (value, found[1] if found else value)):
            return asked.strip()
    return ""


RULE = Rule("B", "a delete that leaves keys with empty values", _find)
