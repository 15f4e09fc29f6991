"""How findings are printed: one file a format, named as on the command line (`sarif.py` is `-o sarif`)."""

from __future__ import annotations

import importlib
import pkgutil

from ghostkey.report.findings import Format


def format_names() -> tuple[str, ...]:
    """The formats there are, by the files of this room; none is imported."""
    return tuple(found.name for found in pkgutil.iter_modules(__path__) if not found.name.startswith("_"))


def load(name: str) -> Format:
    """The format of that name."""
    found: Format = importlib.import_module(f"{__name__}.{name}").FORMAT
    return found
