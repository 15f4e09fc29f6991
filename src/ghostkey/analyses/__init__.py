"""What is wrong with a snapshot. An analysis touches no cluster; each file is one, named as on the command line."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence

from ghostkey.analyses._base import Analysis
from ghostkey.model.errors import UsageError
from ghostkey.model.nearest import nearest
from ghostkey.model.registry import plugins


def all_analyses() -> dict[str, Analysis]:
    """Name → analysis of every file of this room, and of other packages."""
    found = plugins(sys.modules[__name__], "ANALYSIS", "ghostkey.analyses")
    return {name: plugin for name, plugin in found.items() if isinstance(plugin, Analysis)}


def chosen_analyses(names: Sequence[str] = ()) -> dict[str, Analysis]:
    """Those that are named, or all, in the order of all. Raises UsageError for an unknown name."""
    known = all_analyses()
    for name in names:
        if name not in known:
            hint = f"{nearest(name, known)} known: {', '.join(sorted(known))}".strip()
            raise UsageError(f"no analysis is named {name!r}", hint)
    return {name: analysis for name, analysis in known.items() if not names or name in names}


def page(name: str) -> str:
    """The page of an analysis: the docstring of its file. Raises KeyError for an unknown name."""
    module = sys.modules[all_analyses()[name].run.__module__]
    return inspect.cleandoc(module.__doc__ or "")
