"""A map's key has a field of the spec in it beside the name: whoever edits the field leaves the old key behind.

*What it finds.* A map whose keys are made of an object's name *and* a field of its spec, and are deleted by what the object says now.

*Why it matters.* After an update the key is another one; the old one is never asked for again.

*When it is wrong.* The field cannot change, or a change makes a new object. This is told with `--level B`.

Bad:

    r.memory[t.Name+"."+t.Spec.Plan] = value // want "leaves the old key"
    delete(r.memory, t.Name+"."+t.Spec.Plan)

Good:

    r.memory[t.Name] = value
    delete(r.memory, t.Name)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.made_keys import made_key, with_locals
from ghostkey.lint.module import Spot
from ghostkey.lint.reach import released_for

# fields that say which other object it is about do not change, mostly
_CHANGES = re.compile(r"\b(\w+)\.Spec\.((?:\w+\.)*\w+)\b(?!\()")
_IDENTITY = re.compile(r"(?:Name|Names|Namespace|Ref|ID|UID|Kind|Group|Type|Class)$")


def _find(look: Look) -> Iterator[Finding]:
    for symbol, held in look.held.items():
        if not held.releases or held.inner_releases or any(one.is_whole for one in held.releases):
            continue
        releases = [each for one in held.releases for each in released_for(look.module, one)]
        for one in held.inserts:
            made, written = _made(look, one.spot, one.insert.place.keys[0])
            field = _changing(made)
            if field and all(_made(look, each.spot, each.release.key)[0] == made for each in releases):
                release = releases[0]
                yield Finding.at(
                    ("key-of-changing-field", "B"), one.spot, one.insert.line, symbol, written,
                    f"keys of {symbol} have {field} in them: an edit of it leaves the old key",
                    Witness.at(release.spot, release.release.line, "deleted by what the object says then"),
                )  # fmt: skip
                break


def _made(look: Look, spot: Spot, key: str) -> tuple[str, str]:
    """What a key is made of, its variable called `it`, and its expression."""
    key = with_locals(spot, key) if re.fullmatch(r"\w+", key) else key
    if found := made_key(look.module, spot, key):
        return found.makes, key
    variables = set(re.findall(r"(?<![.\w])(\w+)\.(?:Spec|Name)\b", key))
    return (re.sub(rf"(?<![.\w]){variables.pop()}\.", "it.", key) if len(variables) == 1 else key), key


def _changing(made: str) -> str:
    """The field of the spec, where a key has it and the name of the same object."""
    found = next((each for each in _CHANGES.finditer(made) if not _IDENTITY.search(each[2])), None)
    if found is None or not re.search(rf"\b{found[1]}\.(?:ObjectMeta\.)?(?:Name|GetName\(\))(?!\w)", made):
        return ""
    return f"Spec.{found[2]}"


RULE = Rule("B", "a key of what may change", _find)
