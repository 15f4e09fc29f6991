"""Whether the keys without a live object look like those with one: names as long, values of the same sort.

Taught by: constants beside entries (`created-by`, `next-id`).
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen, bucket
from ghostkey.inference.style import is_setting


def look(case: Case) -> Seen | None:
    """The share of the lost keys that look alike, and of settings among them."""
    if not case.gone_names:
        return None
    settings = sum(map(is_setting, case.gone_names)) / len(case.gone_names)
    parts = (f"alike {bucket(case.gone_alike, (0.34, 0.67, 1.0))}", f"settings {bucket(settings, (0.01, 0.34))}")
    return Seen(parts, f"{case.gone_alike:.0%} of the keys without a live object look like those with one")
