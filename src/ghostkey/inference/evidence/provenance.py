"""Who put the keys there, as annotations, labels and owners tell: a manifest's keys are declared, a program's are left behind.

Taught by: a CA bundle that `kubectl apply` had put there, and whose root certificates a trim took away.
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen
from ghostkey.model.events import HolderMeta
from ghostkey.model.managers import LAST_APPLIED, copier_of_map, tool_of_object

MAPS = 50  # of a family that are asked


def look(case: Case) -> Seen | None:
    """The tool that most of the maps come from."""
    metas = [seen.meta for seen in case.maps[:MAPS] if seen.meta is not None]
    copied = set(filter(None, (copier_of_map(meta.owner_kinds, (*meta.annotations, *meta.labels)) for meta in metas)))
    if copied:
        return Seen("copied", f"the map is made by {min(copied)}, whose keys come from elsewhere")
    said = [found for meta in metas if (found := tool_of(meta))]
    if 2 * len(said) < min(MAPS, len(case.maps)) or not said:
        return None
    return Seen("declared", f"the map comes from a manifest: {said[0]}")


def tool_of(meta: HolderMeta) -> str:
    """What a map's own annotations and labels say of where it comes from; empty when nothing."""
    if LAST_APPLIED in meta.annotations:
        return "kubectl apply"
    return tool_of_object(meta.annotations, meta.labels)
