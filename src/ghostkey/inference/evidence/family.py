"""Whether several maps of one name say the same: chance seldom repeats itself.

Taught by: registries in shards, and one for each namespace.
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen, bucket


def look(case: Case) -> Seen | None:
    """How many maps agree."""
    if len(case.maps) < 2:
        return None
    return Seen(bucket(case.maps_agreeing, (2, 4)), f"{case.maps_agreeing} of {len(case.maps)} maps of this name agree")
