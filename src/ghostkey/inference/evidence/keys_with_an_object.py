"""Which share of the keys of this form has a live object: in settings, most keys have none.

Taught by: VAT rates of twelve countries beside Markets for four.
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen, bucket


def look(case: Case) -> Seen:
    """The share of the keys that the template makes."""
    of_all = bucket(case.made / max(1, case.keys), (0.5, 0.9))
    level = f"{bucket(case.explained, (0.2, 0.34, 0.5, 0.67, 0.8, 1.0))} of {of_all}"
    return Seen(level, f"{len(case.live):,} of {case.made:,} keys of the form {case.template} have a live object")
