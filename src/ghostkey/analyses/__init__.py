"""What is wrong with a snapshot. An analysis touches no cluster; each file is one, named as on the command line."""

from __future__ import annotations

import inspect
import sys

from ghostkey.analyses._base import Analysis
from ghostkey.model.registry import plugins


def all_analyses() -> dict[str, Analysis]:
    """Name → analysis of every file of this room, and of other packages."""
    found = plugins(sys.modules[__name__], "ANALYSIS", "ghostkey.analyses")
    return {name: plugin for name, plugin in found.items() if isinstance(plugin, Analysis)}


def page(name: str) -> str:
    """The page of an analysis: the docstring of its file. Raises KeyError for an unknown name."""
    module = sys.modules[all_analyses()[name].run.__module__]
    return inspect.cleandoc(module.__doc__ or "")
