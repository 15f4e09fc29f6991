"""A key is deleted only where the same question is answered otherwise, and never because its object is gone.

*What it finds.* A map that is filled where a condition about an object holds, and deleted from only where the same condition does not
(`if svc.Spec.Watched { m[key] = x } else { delete(m, key) }`, or behind a return), in the same function. The condition does not ask
whether the object is there, it is not asked of a zero value in the place of what is gone (an error that is passed over), and nothing
else takes the key out.

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
from ghostkey.lint.reach import RECONCILES, Site, is_gone, reached_when_gone, site_of

# the condition may ask whether the object, or the entry, is there; then the other branch is the one for what is gone
_OF_BEING = re.compile(
    r"(?i)\b\w*(?:ok|found|exists?|exist|has|present|err|gone|alive|active|ready|running|delet\w*|remov\w*|terminat\w*|finish\w*|"
    r"complet\w*|add\w*|event\w*|op|action|type|phase)\b|nil|len\(|\b0\b|NotFound|contains|equal|since|after|before|expired?"
)
_FIELD = re.compile(r"^!?\s*\w+(?:\.\w+)*\.(?:Spec|Annotations|Labels|Data|ObjectMeta)\b|\.Get(?:Labels|Annotations|Spec)\(")

_ROOTS = re.compile(r"(?<![\w.])([A-Za-z_]\w*)(?=\.)")
_MADE = re.compile(r"^&?[\w.]+(?:\[[^{]*\])?\{|^new\(")
_ERROR = re.compile(r"\b\w*[eE]rr\w*\b|NotFound")
_MISSING = re.compile(r"^\w*[eE]rr\w*\s*!=\s*nil$|^(?:\w+\.)*(?:Is)?NotFound\([^&|!]*\)$")


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
        of_insert = site_of(insert).conditions
        for text, holds in of_release:
            is_of_field = _FIELD.search(text) and not _OF_BEING.search(text)
            if is_of_field and (text, not holds) in of_insert and not _may_be_zero(one, text):
                return one, insert, text, holds
    return None


def _may_be_zero(one: ReleaseAt, text: str) -> bool:
    """Whether what a condition asks may be a zero value that stands for an object that is gone: it would come to the release."""
    function, line = one.spot.function, one.release.line
    for name in _ROOTS.findall(text):
        for reset in function.resets:
            is_instead = any(b.kind in {"if", "else", "case"} and _OF_BEING.search(b.text) for b in reset.branches)
            is_whole = reset.place.root == name and reset.place.fields in {(), ("*",)}
            if is_whole and reset.line < line and (is_instead or _MADE.match(reset.value)):
                return True
        local = function.locals.get(name)
        if local is None:
            continue
        is_made = not local.text.startswith("*") if local.how == "type" else _MADE.match(local.text) is not None
        filled = [call.line for call in function.calls if {name, f"&{name}"} & set(call.texts) and call.line < line]
        ends = _ends_when_missing(one, name, min(filled, default=0))
        if ends is False or (is_made and not ends):
            return True
    return False


def _ends_when_missing(one: ReleaseAt, name: str, since: int) -> bool | None:
    """Whether the first return for an error is taken by each that says that there is no object; None where there is no such return."""
    for each in one.spot.function.returns:
        errors = [b for b in each.branches if b.kind == "if" and b not in one.release.branches and _ERROR.search(b.text)]
        if since <= each.line < one.release.line and errors:
            said, semicolon, asked = errors[0].text.rpartition(";")
            if semicolon and since and not re.search(rf"\b{name}\b", said):
                return None
            return len(errors) == 1 and _MISSING.match(asked.strip()) is not None
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
