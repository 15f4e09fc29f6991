"""Maps whose keys are held elsewhere, as far as marks tell: in Git, in a chart, in the map that they are copied from.

Dumps of kubectl leave managedFields out, and then labels, annotations and owners are all that tells. Where managedFields show that
a program wrote keys, they tell more: an operator may fill a map that came with its chart.
"""

from __future__ import annotations

from ghostkey.inference.index import SubjectIndex
from ghostkey.inference.results import MapResult
from ghostkey.model.events import HolderMeta
from ghostkey.model.managers import copier_of_map, held_by, tool_of_manager, tool_of_object
from ghostkey.model.refs import canonical

_INSTANCE = "app.kubernetes.io/instance"  # by which Argo CD knew its objects, until 3.0, unless told otherwise


def mark_held(result: MapResult, index: SubjectIndex) -> None:
    """Makes the ghosts of a map that is held elsewhere declared: the cure is there, and a trim would not last.

    No manifest holds a UID, which the API server gives out: a key of one was put there by a program, whatever marks the map bears.
    """
    meta = result.seen.meta
    lost = [item for item in result.lost if item.state == "gone"]
    if meta is None or not lost or (meta.writers and not all(map(tool_of_manager, meta.writers))):
        return
    copied = _copied(meta)
    why = copied or _held(meta, index)
    for item in lost if why else ():
        if copied or "{uid" not in item.attribution.template:
            item.state, item.note = "declared", item.note or why


def _copied(meta: HolderMeta) -> str:
    """From where a map's keys are copied; empty when nothing says that they are."""
    copier = copier_of_map(meta.owner_kinds, (*meta.annotations, *meta.labels))
    return f"the map is filled from elsewhere, by {copier}: take it out there" if copier else ""


def _held(meta: HolderMeta, index: SubjectIndex) -> str:
    """Whose manifest a map comes from; empty when nothing says that it does."""
    return held_by(tool_of_object(meta.annotations, meta.labels) or _application(meta.labels.get(_INSTANCE, ""), index))


def _application(instance: str, index: SubjectIndex) -> str:
    """Argo CD, where an Application of the name that a map's label gives lives."""
    kinds = index.subjects.kinds
    rows = index.all_named(canonical(instance)) if instance else ()
    found = (kinds[index.subjects.kind_of[row]] for row in rows if index.subjects.names[row] == instance)
    is_there = any((kind.group, kind.kind) == ("argoproj.io", "Application") for kind in found)
    return "Argo CD" if is_there else ""
