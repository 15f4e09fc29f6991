"""Who reads the map: one that a Pod takes whole is made for the Pod, and is rather a configuration than a registry.

Taught by: trusted roots, mounted as a folder.
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen


def look(case: Case) -> Seen | None:
    """Whether Pods take one of the maps as a whole."""
    return Seen("mounted", "a Pod takes the map as a whole") if case.is_mounted else None
