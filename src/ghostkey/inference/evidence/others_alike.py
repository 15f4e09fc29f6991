"""Whether the keys without a live object look like those with one: names as long, values of the same sort.

Taught by: constants beside entries (`created-by`, `next-id`).
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen, bucket, percent
from ghostkey.inference.style import is_setting


def look(case: Case) -> Seen | None:
    """The share of the lost keys that look alike, and of settings among them."""
    if not case.gone_names:
        return None
    settings = sum(map(is_setting, case.gone_names)) / len(case.gone_names)
    parts = (f"alike {bucket(case.gone_alike, (0.34, 0.67, 1.0))}", f"settings {bucket(settings, (0.01, 0.34))}")
    alike = f"{percent(case.gone_alike)} of the keys without a live object look like those with one"
    said = f"{percent(settings)} of their names are" if settings else "none of their names is"
    return Seen(parts, f"{alike}, and {said} called as settings are")
