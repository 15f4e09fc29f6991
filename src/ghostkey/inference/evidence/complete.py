"""Whether objects and keys are complete: nearly every object has a key, and most keys an object, or neither.

Taught by: config-connector's `namespace-id`, which has a key for each namespace, plain words as they are; and by tables of
customers, of whom a few have a custom resource, and many custom resources have no line in the table.
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen, bucket

NEARLY = 0.8  # what the system itself has of a kind often has no key: kube-system, default
MOST = 0.5


def look(case: Case) -> Seen | None:
    """What is complete, and how many objects say so: with few it may be chance. Nothing where only the keys are."""
    kinds = case.kind.resource
    if case.keyed < NEARLY:
        if case.explained >= MOST:
            return None
        level = f"neither, {bucket(len(case.live), (3, 6, 10))} {bucket(case.keyed, (0.5,))} {case.sort}"
        return Seen(level, f"many live {kinds} have no key, and most keys no object")
    if case.explained < MOST:
        level = f"objects, {bucket(len(case.live), (3, 6, 10, 30))} {bucket(case.explained, (0.2,))} {case.sort}"
        return Seen(level, f"nearly every one of the {case.near:,} live {kinds} has a key, and most keys have no object")
    level = f"{bucket(len(case.live), (3, 6, 10))} {bucket(case.explained, (0.51, 0.67, 0.8))} {case.sort}"
    return Seen(level, f"nearly every one of the {case.near:,} live {kinds} has a key, and most keys have one")
