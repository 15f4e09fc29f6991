"""A key is deleted only where the same question is answered otherwise, and never because its object is gone.

*What it finds.* A map that is filled where a condition about an object holds, and deleted from only where the same condition does not
(`if svc.Spec.Watched { m[key] = x } else { delete(m, key) }`, or behind a return), in the same function. The condition does not ask
whether the object is there, and nothing else takes the key out.

*Why it matters.* An object that is deleted while the condition holds is never asked again: its key stays.

*When it is wrong.* The function runs once more for what is being deleted, and its condition does not hold then. This is told with
`--level B`.

Bad:

    if svc.Spec.Watched {
        r.watched[key] = svc.Spec.Port
    } else {
        delete(r.watched, key) // want "only where svc.Spec.Watched does not hold"
    }

Good:

    if svc.DeletionTimestamp == nil && svc.Spec.Watched {
        r.watched[key] = svc.Spec.Port
    } else {
        delete(r.watched, key)
    }
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostkey.lint.findings import Finding, Look, Rule, Witness
from ghostkey.lint.held import Held
from ghostkey.lint.module import InsertAt, ReleaseAt
from ghostkey.lint.reach import RECONCILES, Site, is_gone, reached_when_gone

# the condition may ask whether the object, or the entry, is there; then the other branch is the one for what is gone
_OF_BEING = re.compile(
    r"(?i)\b\w*(?:ok|found|exists?|exist|has|present|err|gone|alive|active|ready|running|delet\w*|remov\w*|terminat\w*|finish\w*|"
    r"complet\w*|add\w*|event\w*|op|action|type|phase)\b|nil|len\(|\b0\b|NotFound|contains|equal|since|after|before|expired?"
)
_FIELD = re.compile(r"^!?\s*\w+(?:\.\w+)*\.(?:Spec|Annotations|Labels|Data|ObjectMeta)\b|\.Get(?:Labels|Annotations|Spec)\(")


def _find(look: Look) -> Iterator[Finding]:
    for symbol, held in look.held.items():
        paired = _paired(held)
        if paired is None or _runs_when_gone(look, held):
            continue
        release, insert, text, holds = paired
        verb = "holds" if holds else "does not hold"
        yield Finding.at(
            ("deleted-on-other-branch", "B"), release.spot, release.release.line, symbol, release.release.key,
            f"{symbol} is deleted from only where {text[:60]} {verb}, and not when the object is gone",
            Witness.at(insert.spot, insert.insert.line, "inserted on the other branch"),
        )  # fmt: skip


def _paired(held: Held) -> tuple[ReleaseAt, InsertAt, str, bool] | None:
    """The release, the insert and the condition that parts them; None unless each release is so."""
    if not held.releases or held.inner_releases:
        return None
    found = [_parted(one, held.inserts) for one in held.releases]
    return found[0] if all(found) else None


def _parted(one: ReleaseAt, inserts: tuple[InsertAt, ...]) -> tuple[ReleaseAt, InsertAt, str, bool] | None:
    if one.is_whole or one.release.key == "*" or is_gone(one.release.branches):
        return None
    of_release = Site(one.spot, one.release.line, one.release.branches).conditions
    for insert in inserts:
        if insert.spot.function is not one.spot.function or insert.insert.place.keys[0] != one.release.key:
            continue
        of_insert = Site(insert.spot, insert.insert.line, insert.insert.branches).conditions
        for text, holds in of_release:
            if (text, not holds) in of_insert and _FIELD.search(text) and not _OF_BEING.search(text):
                return one, insert, text, holds
    return None


def _runs_when_gone(look: Look, held: Held) -> bool:
    """Whether some function comes to a release on a branch for what is gone, or is told by another rule that it does not."""
    releasing = {id(one.spot.function) for one in held.releases}
    for spot in look.spots():
        if spot.package is held.releases[0].spot.package:
            gone, lines = reached_when_gone(look.module, spot)
            is_told = id(spot.function) in releasing and lines and RECONCILES.match(spot.function.name)
            if is_told or not releasing.isdisjoint(gone):
                return True
    return False


RULE = Rule("B", "a delete on the other branch alone", _find)
