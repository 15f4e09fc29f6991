"""Maps that are about to be refused.

What it finds
    Maps at 80 % or more of a limit (warning; critical from 95 %): values 1 MiB; the stored object 1.5 MiB; the stored
    object with managedFields 1.5 MiB, beyond which apply fails; annotations 256 KiB, to which `kubectl apply` adds a copy of
    the manifest: a manifest that it will refuse is told, as info where Flux is at work, which applies server-side and keeps no
    copy, and not at all where Argo CD is told to do so (`ServerSideApply=true`). It says which limit binds first and how many
    more keys of the present average size fit, and with a history of the map (`--store`, or your own) when it will be full.
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
from ghostkey.analyses._gauges import COPY, Gauge, are_managed_fields_dropped, gauges, is_roomy
from ghostkey.model.findings import Finding, Severity
from ghostkey.model.refs import KeyRef

WARN = 0.80
ALARM = 0.95
FLUX = "kustomize.toolkit.fluxcd.io"


def _run(view: View) -> Iterator[Finding]:
    done: set[int] = set()
    subjects = view.snapshot.subjects
    by_flux = any(kind.group == FLUX and subjects.has(kind) for kind in subjects.kinds)
    for seen in view.snapshot.maps:
        if is_roomy(seen) or id(seen.meta) in done:
            continue
        done.add(id(seen.meta))
        found = gauges(seen)
        first = next((gauge for gauge in found if gauge.share >= WARN and not (by_flux and gauge.limit == COPY)), None)
        is_for_hands = first is None and bool(found) and found[0].share > 1  # the copy, which nobody keeps until kubectl is used
        if is_for_hands:
            first = found[0]
        if first is None:
            continue
        if view.shows_managed_fields and are_managed_fields_dropped(seen):
            continue  # said by managed-fields-dropped
        yield Finding(
            analysis="size-limit",
            key=KeyRef(seen.holder, "data", ""),
            severity=Severity.INFO if is_for_hands else Severity.CRITICAL if first.share >= ALARM else Severity.WARNING,
            message=_message(first),
            evidence=(
                *(f"{g.limit}: {g.used_bytes:,} of {g.allowed_bytes:,} bytes ({g.share:.0%})" for g in found),
                *_way_out(found),
                *["Flux, whose Kustomizations are here, applies server-side"] * is_for_hands,
            ),
            value_bytes=seen.meta.values_bytes if seen.meta else -1,
        )


def _message(first: Gauge) -> str:
    # never rounded to the limit that it is below, or not yet above
    percent = f"{first.share:.0%}" if abs(first.share - 1) > 0.005 else f"{100 * first.share:.2f}%"
    verb = "are" if first.limit in (COPY, "annotations") else "is"
    refused = (
        "kubectl apply will refuse this manifest: " if first.limit == COPY and first.used_bytes > first.allowed_bytes else ""
    )
    return f"{refused}{first.limit} {verb} at {percent} of {first.allowed_bytes / 1024:,.0f} KiB: {first.room}"


def _way_out(found: list[Gauge]) -> Iterator[str]:
    if any(gauge.limit == COPY and gauge.share >= WARN for gauge in found):
        yield "kubectl apply --server-side, kubectl create and kubectl replace keep no copy"


ANALYSIS = Analysis(Severity.WARNING, _run)
