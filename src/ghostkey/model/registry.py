"""Finds the plug-ins of a room: one file each, plus what other packages offer by entry point."""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from types import ModuleType


def plugins(package: ModuleType, attribute: str, group: str) -> dict[str, object]:
    """Name → plug-in of every public module of the package that defines `attribute`, and of the entry-point group.

    The file's name is the plug-in's name, `_` written as `-`. Raises ValueError when two have one name.
    """
    found: dict[str, object] = {}
    origins: dict[str, str] = {}
    for module_info in pkgutil.iter_modules(package.__path__):
        if module_info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        if (plugin := getattr(module, attribute, None)) is not None:
            name = module_info.name.replace("_", "-")
            found[name], origins[name] = plugin, str(module.__file__)
    for entry in importlib.metadata.entry_points(group=group):
        if entry.name in found:
            raise ValueError(f"two plug-ins are named {entry.name}: {origins[entry.name]} and {entry.value}")
        found[entry.name], origins[entry.name] = entry.load(), entry.value
    return found
