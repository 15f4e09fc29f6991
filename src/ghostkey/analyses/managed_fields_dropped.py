"""Big maps whose managedFields the API server gave up.

What it finds
    A map that has no managedFields although every write makes some, and is so big that they would not fit.
Why it matters
    It happens silently, at a quarter of the famous 1 MiB. From then on server-side apply fails, nobody can tell who wrote
    a key, and the next limit is near.
When it is wrong
    Never by much: the sizes are reckoned within about a hundred bytes. A dump made without `--show-managed-fields` shows
    none anywhere, and is not judged.
Example
    14,500 keys of 39 characters with values of 20 bytes.
Source
    k8s.io/apiserver v0.37 endpoints/handlers/fieldmanager; measured with v1.37.2
"""

from __future__ import annotations

from collections.abc import Iterator

from ghostkey.analyses._base import Analysis, View
from ghostkey.analyses._gauges import are_managed_fields_dropped, gauges, is_roomy
from ghostkey.model.counts import counted
from ghostkey.model.findings import Finding, Severity
from ghostkey.model.refs import KeyRef


def _run(view: View) -> Iterator[Finding]:
    if not view.shows_managed_fields:
        return
    for seen in view.snapshot.maps:
        if is_roomy(seen) or not are_managed_fields_dropped(seen) or seen.field != "data" or seen.meta is None:
            continue
        stored = next(gauge for gauge in gauges(seen) if gauge.limit == "stored object")
        yield Finding(
            analysis="managed-fields-dropped",
            key=KeyRef(seen.holder, "data", ""),
            severity=Severity.CRITICAL,
            message=f"managedFields was dropped: with it the map would pass 1.5 MiB; {stored.room}",
            evidence=(
                f"{counted(seen.meta.key_count, 'key')}, no managedFields",
                *(f"{g.limit}: {g.used_bytes:,} of {g.allowed_bytes:,} bytes ({g.share:.0%})" for g in gauges(seen)),
                "server-side apply of this map fails: request is too large",
            ),
            value_bytes=seen.meta.values_bytes,
        )


ANALYSIS = Analysis(Severity.CRITICAL, _run)
