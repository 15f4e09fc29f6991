"""Whether the values say whom they are for: a UID or name of the very object that the key is made of.

Taught by: registries whose records carry `uid` and `name`; nobody writes a UID by hand.
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen


def look(case: Case) -> Seen | None:
    """What most of the live keys' values carry."""
    if case.with_uid >= 0.5:
        return Seen("UID", f"{case.with_uid:.0%} of the live keys' values carry the UID of a live object")
    if case.with_name >= 0.5:
        return Seen("name", f"{case.with_name:.0%} of the live keys' values carry the name that the key is made of")
    return None
