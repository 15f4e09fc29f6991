"""Faults, a file each: it defines `FAULT`, its docstring is the page that users read. None that a real API server cannot show."""

from __future__ import annotations

import functools
import sys

from ghostkey.churn.fault import Fault
from ghostkey.model.registry import plugins


@functools.cache
def all_faults() -> dict[str, Fault]:
    """Every fault by its name, which is its file's with dashes, and those of the entry points `ghostkey.faults`."""
    found = plugins(sys.modules[__name__], "FAULT", "ghostkey.faults")
    return {name: fault for name, fault in sorted(found.items()) if isinstance(fault, Fault)}
