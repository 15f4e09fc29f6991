"""Finds the plug-ins of a room: one file each, plus what other packages offer by entry point."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path
from types import ModuleType


def plugins(package: ModuleType, attribute: str, group: str) -> dict[str, object]:
    """Name → plug-in of every public module of the package that defines `attribute`, and of the entry-point group.

    The file's name is the plug-in's name, `_` written as `-`. Raises ValueError when two have one name.
    """
    found: dict[str, object] = {}
    origins: dict[str, str] = {}
    for module_info in pkgutil.iter_modules(package.__path__):
        if module_info.ispkg or module_info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        if (plugin := getattr(module, attribute, None)) is not None:
            name = module_info.name.replace("_", "-")
            found[name], origins[name] = plugin, str(module.__file__)
    if not _is_offered(group):
        return found
    from importlib.metadata import entry_points

    for entry in entry_points(group=group):
        if entry.name in found:
            raise ValueError(f"two plug-ins are named {entry.name}: {origins[entry.name]} and {entry.value}")
        found[entry.name], origins[entry.name] = entry.load(), entry.value
    return found


def _is_offered(group: str) -> bool:
    """Whether any installed package names the group: a look at small files, before importlib.metadata costs 20 ms."""
    section = f"[{group}]"
    for place in sys.path:
        for path in Path(place or ".").glob("*-info/entry_points.txt"):
            if section in path.read_text(errors="replace"):
                return True
    return False
