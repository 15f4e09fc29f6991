"""Rules, a file each: it defines `RULE`, its docstring is the page that users read."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from ghostkey.lint.findings import Rule


@functools.cache
def all_rules() -> dict[str, Rule]:
    """Every rule by its name, which is its file's with dashes."""
    found: dict[str, Rule] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        found[module.name.replace("_", "-")] = importlib.import_module(f"{__name__}.{module.name}").RULE
    return found


def page(name: str) -> str:
    """What a rule finds, why it matters, when it is wrong."""
    return (importlib.import_module(f"{__name__}.{name.replace('-', '_')}").__doc__ or "").strip()
