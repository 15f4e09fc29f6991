"""What the live names look like, and of what sort of kind: words that people choose, or names that only one thing has.

Taught by: GitOps clusters, where an Application stands beside every app and is called like it.
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen, bucket, percent
from ghostkey.inference.style import is_setting, is_telling


def look(case: Case) -> Seen:
    """Which sort of kind, and how telling its names are."""
    sort = case.sort
    telling = sum(map(is_telling, case.live_names)) / max(1, len(case.live_names))
    words = sum(map(is_setting, case.live_names)) / max(1, len(case.live_names))
    look_of = "settings" if words >= 0.2 else f"telling {bucket(telling, (0.34, 0.67, 1.0))}"
    said = {
        "built-in": f"{case.kind.resource} are a kind of Kubernetes' own, which settings are called after too",
        "like others": f"most of these {case.kind.resource} are called like objects of other kinds",
        "own": f"these {case.kind.resource} have names that no other objects have",
    }.get(sort, f"{case.kind.resource} are not made for one app")
    share = f"{percent(words)} of them are called as settings are"
    if look_of != "settings":
        share = f"{percent(telling)} of the names have digits or separators"
    return Seen((sort, look_of), f"{said}; {share}")
