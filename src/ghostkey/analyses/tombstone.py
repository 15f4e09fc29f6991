"""Keys of gone subjects whose value was emptied, while the key stayed.

What it finds
    A key whose subject is gone and whose value is empty, in a map where live subjects have values.
Why it matters
    Somebody meant to delete it. The key still counts: towards the limits, in every range over the map, in managedFields.
When it is wrong
    When an empty value means something of its own to a reader.
Example
    The operator sets `data["demo.acme"] = ""` on delete instead of removing the key.
Source
    grafana/grafana-operator#2179
"""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.analyses._base import Analysis, View, lost_finding, severity_of
from ghostkey.model.findings import Finding, Severity


def _run(view: View) -> Iterator[Finding]:
    for result, item in view.lost():
        is_empty = result.seen.shapes[item.index].name == "empty"
        if is_empty and item.state != "recreated" and not result.has_empty_live and result.live:
            subjects = " or ".join(map(str, item.subjects))
            gone = "is gone" if item.state == "gone" else "may be gone"
            yield lost_finding(
                view, "tombstone", severity_of(item), result, item, f"{subjects} {gone}: the value was emptied, the key stayed"
            )


ANALYSIS = Analysis(Severity.WARNING, _run)
