"""What values the live keys have: records with the same fields are made by a program.

Taught by: registries whose odd names were told from settings by their values alone.
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen
from ghostkey.model.counts import counted


def look(case: Case) -> Seen:
    """One sort of value, or several, and which."""
    sorts = case.live_values
    if all(name.startswith("json:") and "," in name for name in sorts):
        if len(sorts) == 1:
            return Seen("records", "their values are records with the same fields")
        return Seen("records of several forms", f"their values are records, with fields of {counted(len(sorts), 'sort')}")
    if len(sorts) == 1:
        (only,) = sorts
        return Seen(f"all {only.partition(':')[0]}", f"their values are all of one sort ({only.partition(':')[0]})")
    return Seen("of several sorts", "their values are of several sorts")
