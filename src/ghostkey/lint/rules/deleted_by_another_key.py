"""A map is inserted into under one key, and deleted from under what was the value.

*What it finds.* In one function `m[key] = value` and `delete(m, value)`: the delete finds nothing.

*Why it matters.* The code looks right, and the map grows (Argo CD had this for seven years).

*When it is wrong.* Key and value are the same text.

Bad:

    c.paths[app.Name] = dir
    defer delete(c.paths, dir) // want "deleted by"

Good:

    c.paths[app.Name] = dir
    defer delete(c.paths, app.Name)
"""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.lint.facts import Insert, Release
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.module import Spot

LEAST = 3  # characters of an expression: `v` is everybody's


def _find(look: Look) -> Iterator[Finding]:
    for spot in look.spots():
        function = spot.function
        for insert in function.inserts:
            if insert.how != "=" or len(insert.value) < LEAST:
                continue
            for release in function.releases:
                same = (release.place.root, release.place.fields) == (insert.place.root, insert.place.fields)
                written = {release.key, f"string({release.key})", f"[]byte({release.key})"}
                if (
                    same
                    and release.key not in insert.place.keys
                    and insert.value in written
                    and not _is_another(spot, insert, release)
                ):
                    name = ".".join((insert.place.root, *insert.place.fields))
                    yield Finding(
                        "deleted-by-another-key", "A", spot.file.path, insert.line, name, function.full_name, insert.place.keys[0],
                        f"{name} gets the key {insert.place.keys[0]}, and is deleted by its value {release.key}",
                        (Witness(spot.file.path, release.line, "the delete finds nothing"),),
                    )  # fmt: skip
                    break


def _is_another(spot: Spot, insert: Insert, release: Release) -> bool:
    """Whether a loop runs over what the delete names, and the insert stands outside of it: another variable of that name."""
    over = spot.function.ranges.get(release.key)
    return over is not None and not any(b.kind == "for" and b.text == f"range {over.text}" for b in insert.branches)


RULE = Rule("A", "insert and delete by different keys", _find)
