"""Whether objects and keys are complete both ways: nearly every object has a key, and most keys an object.

Taught by: config-connector's `namespace-id`, which has a key for each namespace, plain words as they are.
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen, bucket

NEARLY = 0.8  # what the system itself has of a kind often has no key: kube-system, default


def look(case: Case) -> Seen | None:
    """Said only of what is complete; with few objects it may be chance."""
    if case.keyed < NEARLY or case.explained < 0.5:
        return None
    level = f"{bucket(len(case.live), (3, 6, 10))} {bucket(case.explained, (0.51, 0.67, 0.8))} {case.sort}"
    return Seen(level, f"nearly every one of the {case.near:,} live {case.kind.resource} has a key, and most keys have one")
