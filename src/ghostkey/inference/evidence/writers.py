"""Whose writes the keys are, as managedFields tell: a controller's, or those of a person's or a manifest's tool.

Taught by: tables that people keep with `kubectl edit`, on clusters where every registry has its operator as manager.
"""

from __future__ import annotations

from ghostkey.inference.evidence import Case, Seen
from ghostkey.model.managers import tool_of_manager

MAPS = 50  # of a family that are asked


def look(case: Case) -> Seen | None:
    """Who wrote most of the maps that tell."""
    told = [seen.meta.writers for seen in case.maps[:MAPS] if seen.meta is not None and seen.meta.writers]
    if not told or 2 * len(told) < min(MAPS, len(case.maps)):
        return None
    controllers = [names for names in told if not all(map(tool_of_manager, names))]
    if 2 * len(controllers) <= len(told):
        tools = sorted({tool_of_manager(name) or name for names in told for name in names})
        return Seen("tools", f"managedFields: the keys were written with {tools[0]}, not by a controller")
    writer = next(name for name in controllers[0] if not tool_of_manager(name))
    if all(any(map(tool_of_manager, names)) for names in controllers):
        return Seen("both", f"managedFields: {writer} wrote some of the keys, and a tool others")
    return Seen("controller", f"managedFields: {writer} wrote the keys, which is no tool that people use")
