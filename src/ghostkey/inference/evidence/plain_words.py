"""Whether names of one plain word stand among keys of which many have no object: colours, tiers and teams are kept in tables.

Taught by: tables of T-shirt sizes and countries, some of which have a custom resource too.
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen, bucket, percent
from ghostkey.inference.style import is_telling


def look(case: Case) -> Seen | None:
    """Said of names that are mostly one word, where the key has nothing but the name."""
    telling = sum(map(is_telling, case.live_names)) / max(1, len(case.live_names))
    if telling >= 0.34 or case.template.has_namespace or not case.gone_names:
        return None
    parts = (bucket(case.explained, (0.51, 0.67, 0.8)), f"{bucket(len(case.live), (4, 8))} objects", case.sort)
    return Seen(
        parts,
        f"the names are plain words, and {percent(case.explained)} of the keys have one of {len(case.live):,} live {case.who}",
    )
