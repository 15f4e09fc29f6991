"""Whether objects and keys are complete both ways: every object has a key, and nearly every key an object.

Taught by: config-connector's `namespace-id`, which has a key for each namespace, plain words as they are.
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen, bucket


def look(case: Case) -> Seen | None:
    """Said only of what is complete; with few objects it may be chance."""
    if case.keyed < 0.999 or case.explained < 0.67 or case.made < 0.9 * case.keys:
        return None
    return Seen(
        bucket(len(case.live), (3, 6, 10)), f"every one of the {len(case.live):,} live {case.kind.resource} has a key, and few keys have none"
    )
