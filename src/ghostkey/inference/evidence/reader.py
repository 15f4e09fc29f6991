"""Who reads the map: one that a Pod takes whole, or that a custom resource names, is rather a configuration than a registry.

Taught by: trusted roots, mounted as a folder; rules that a Prometheus names in its spec.
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen


def look(case: Case) -> Seen | None:
    """Whether Pods take one of the maps as a whole, or a custom resource names it."""
    if case.is_mounted:
        return Seen("mounted", "a Pod takes the map as a whole")
    return Seen("named", "a custom resource names the map") if case.is_named else None
