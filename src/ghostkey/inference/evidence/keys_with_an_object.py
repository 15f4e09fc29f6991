"""Which share of the keys of this form has a live object: in settings, most keys have none.

Taught by: VAT rates of twelve countries beside Markets for four.
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen, bucket


def look(case: Case) -> Seen:
    """The share of the keys that the template makes, apart for kinds whose names nothing else has."""
    parts = (bucket(case.explained, (0.2, 0.34, 0.51, 0.67, 0.8, 1.0)), case.sort)
    return Seen(parts, f"{len(case.live):,} of {case.made:,} keys of the form {case.template} have a live object, of {case.who}")
