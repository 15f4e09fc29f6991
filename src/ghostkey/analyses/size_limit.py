"""Maps that are about to be refused.

What it finds
    Maps at 80 % or more of a limit (warning; critical from 95 %): values 1 MiB; the stored object 1.5 MiB; the stored
    object with managedFields 1.5 MiB, beyond which apply fails; annotations 256 KiB. It says which limit binds first and
    how many more keys of the present average size fit.
Why it matters
    "1 MiB" is one limit of four, and with many small values the last one reached.
When it is wrong
    The size in etcd is reckoned from keys and values, within about a hundred bytes. With encryption at rest it is larger.
Example
    14,500 keys of 39 characters with values of 20 bytes: values 28 %, apply fails.
Source
    etcd --max-request-bytes; k8s.io/api core/v1 MaxSecretSize; measured with v1.37.2
"""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.analyses._base import Analysis, View
from ghostkey.analyses._gauges import are_managed_fields_dropped, gauges, is_roomy
from ghostkey.model.findings import Finding, Severity
from ghostkey.model.refs import KeyRef

WARN = 0.80
ALARM = 0.95


def _run(view: View) -> Iterator[Finding]:
    done: set[int] = set()
    for seen in view.snapshot.maps:
        if is_roomy(seen) or id(seen.meta) in done:
            continue
        done.add(id(seen.meta))
        found = gauges(seen)
        if not found or found[0].share < WARN:
            continue
        if view.shows_managed_fields and are_managed_fields_dropped(seen):
            continue  # said by managed-fields-dropped
        first = found[0]
        left = f"about {first.keys_left:,} more keys fit" if first.share < 1 else "it has been passed"
        yield Finding(
            analysis="size-limit",
            key=KeyRef(seen.holder, "data", ""),
            severity=Severity.CRITICAL if first.share >= ALARM else Severity.WARNING,
            message=f"{first.limit} is at {first.share:.0%} of {first.allowed_bytes / 1024:,.0f} KiB: {left}",
            evidence=tuple(f"{g.limit}: {g.used_bytes:,} of {g.allowed_bytes:,} bytes ({g.share:.0%})" for g in found),
            value_bytes=seen.meta.values_bytes if seen.meta else -1,
        )


ANALYSIS = Analysis(Severity.WARNING, _run)
