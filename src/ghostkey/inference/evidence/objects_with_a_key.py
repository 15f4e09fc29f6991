"""How many of the live objects have a key: a program forgets none, a person names a few.

Taught by: CA bundles that held three of twelve Applications.
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen, bucket


def look(case: Case) -> Seen:
    """How many have one, and which share that is of all that could."""
    parts = (f"{bucket(len(case.live), (2, 3, 5, 10, 30))} objects", bucket(case.keyed, (0.2, 0.5, 0.8, 1.0)), case.sort)
    return Seen(parts, f"{len(case.live):,} of {case.near:,} live {case.who} have a key here")
