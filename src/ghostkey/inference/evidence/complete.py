"""Whether objects and keys are complete: nearly every object has a key, and most keys an object, or neither.

Taught by: config-connector's `namespace-id`, which has a key for each namespace, plain words as they are; and by tables of
customers, of whom a few have a custom resource, and many custom resources have no line in the table.
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen, bucket, percent

NEARLY = 0.8  # what the system itself has of a kind often has no key: kube-system, default
MOST = 0.5


def look(case: Case) -> Seen | None:
    """What is complete, and how many objects say so: with few it may be chance. Nothing where only the keys are."""
    if case.keyed < NEARLY:
        if case.explained >= MOST:
            return None
        parts = _parts("neither", len(case.live), (3, 6, 10), bucket(case.keyed, (0.5,)), case.sort)
        return Seen(parts, f"only {len(case.live):,} of the {case.near:,} live {case.who} have a key, and most keys no object")
    if case.explained < MOST:
        parts = _parts("objects", len(case.live), (3, 6, 10, 30), bucket(case.explained, (0.2,)), case.sort)
        return Seen(parts, f"{_nearly(case)} a key, and only {percent(case.explained)} of the keys have an object")
    parts = _parts("both", len(case.live), (3, 6, 10), bucket(case.explained, (0.51, 0.67, 0.8)), case.sort)
    return Seen(parts, f"{_nearly(case)} a key, and {percent(case.explained)} of the keys have an object")


def _nearly(case: Case) -> str:
    if len(case.live) >= case.near:
        return f"each of the {case.near:,} live {case.who} has"
    return f"{len(case.live):,} of the {case.near:,} live {case.who} {'has' if len(case.live) == 1 else 'have'}"


def _parts(complete: str, live: int, bounds: tuple[float, ...], share: str, sort: str) -> tuple[str, ...]:
    """What a share or a number says depends on what is complete: each part says that as well."""
    return (f"{complete}: {bucket(live, bounds)} objects", f"{complete}: {share}", f"{complete}: {sort}")
