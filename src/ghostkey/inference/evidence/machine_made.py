"""Whether lost Nodes and Pods are called as machines call them: a number, a hash, letters and digits mixed.

Taught by: a map of Nodes of which half had come and gone; nobody types `worker-a-be453` into a table of settings. And by one that had
each live Node, and `node-21`, `node-30` beside `node-0` to `node-2`: machines that were counted on.
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen, bucket, percent
from ghostkey.inference.machines import in_series, is_machine_made


def look(case: Case) -> Seen | None:
    """The share of such names among those that are lost."""
    if case.sort not in {"Node", "Pod"} or not case.gone_names:
        return None  # customers have numbers in people's tables too
    # a table of some machines may name those of another cluster, too
    counted = in_series(case.gone_names, case.live_names) if case.sort == "Node" and case.keyed >= 1 else frozenset()
    made = sum(name in counted or is_machine_made(name) for name in case.gone_names) / len(case.gone_names)
    parts = (bucket(made, (0.34, 0.67, 1.0)), f"{bucket(len(case.gone_names), (3,))} lost")
    return Seen(parts, f"{percent(made)} of the {len(case.gone_names):,} names without a live object look made by a machine")
