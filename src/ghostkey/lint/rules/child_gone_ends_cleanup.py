"""A clean-up ends where the child that it deletes is gone already, before it comes to the key.

*What it finds.* `return client.IgnoreNotFound(err)` (or nil, for what is not found) behind a Delete that fails, and the only deletes of a
map behind that.

*Why it matters.* When somebody else, or the garbage collector, was faster, there is no error, the finalizer goes, and the key stays.

*When it is wrong.* A later run of the same function comes by without the child. This is told with `--level B`.

Bad:

    if err := r.Delete(ctx, child); err != nil {
        return client.IgnoreNotFound(err) // want "is gone already"
    }
    delete(r.memory, tenant.Name)

Good:

    if err := client.IgnoreNotFound(r.Delete(ctx, child)); err != nil {
        return err
    }
    delete(r.memory, tenant.Name)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.facts import Return
from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.module import ReleaseAt
from ghostkey.lint.reach import NO_ERROR, released_for

_DELETES = re.compile(r"\.Delete\w*\(")
_NOT_FOUND = re.compile(r"(?<!!)\b(?:\w+\.)?IsNotFound\(\w+\)$")


def _find(look: Look) -> Iterator[Finding]:
    for symbol, held in look.held.items():
        releases = [each for one in held.releases for each in released_for(look.module, one)]
        ends = [_end_before(one) for one in releases]
        if not ends or not (end := ends[0]) or not all(ends):
            continue
        first = releases[0]
        yield Finding.at(
            ("child-gone-ends-cleanup", "B"), first.spot, end.line, symbol, first.release.key,
            f"{first.spot.function.full_name} ends without an error when what it deletes is gone already, before it deletes from {symbol}",
            Witness.at(first.spot, first.release.line, "the delete that is never come to"),
        )  # fmt: skip


def _end_before(release: ReleaseAt) -> Return | None:
    """A return without an error that stands before a release, for a child that is not found."""
    for one in release.spot.function.returns:
        ways = [branch for branch in one.branches if branch.kind in {"if", "case", "else", "func", "for"}]
        if one.line >= release.release.line or not ways or any(way.kind != "if" for way in ways):
            continue
        if not _DELETES.search(" ".join(way.text for way in ways)) or any(way in release.release.branches for way in ways[-1:]):
            continue
        is_ignored = "IgnoreNotFound(" in one.text
        if is_ignored or (NO_ERROR.match(one.text) and _NOT_FOUND.search(ways[-1].text)):
            return one
    return None


RULE = Rule("B", "a clean-up that a missing child ends", _find)
