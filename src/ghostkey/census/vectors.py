"""Which metric family a map of the process holds the series of: client_golang keeps the series of a vector in a map.

Source: github.com/prometheus/client_golang v1.11–v1.24 prometheus/vec.go, metricMap{mtx, metrics, desc, newMetric}, and desc.go, Desc{fqName, …}.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ghostkey.census import layouts
from ghostkey.census.errors import MemoryFault
from ghostkey.census.references import References

if TYPE_CHECKING:
    from ghostkey.census.census import Process
    from ghostkey.census.gomap import GoMap

SERIES = "prometheus.metricWithLabelValues"  # what such a map holds
WORD = 8
NAME_MOST = 1 << 12
_NAME = re.compile(rb"[a-zA-Z_:][a-zA-Z0-9_:]*")  # Source: Prometheus data model, metric names


def is_vector(found: GoMap) -> bool:
    """Whether a map holds the series of a vector."""
    return SERIES in found.type or any(SERIES in one for one in found.candidates)


def family_names(process: Process, maps: Sequence[GoMap]) -> dict[int, str]:
    """Address → name of the family, of those of these maps for which it can be read; the others are left out."""
    targets = sorted((found.address, layouts.HEADER_BYTES) for found in maps if found.place == "heap")
    references = References(process.runtime, process.map_types, process.types, process.goroutines)
    names: dict[int, str] = {}
    for reference in references.to(targets):
        address = targets[reference.target][0]
        if reference.value == address and (name := _name_beside(process, reference.location)):
            names[address] = name
    return names


def _name_beside(process: Process, location: int) -> str:
    """The name in the Desc that the word after the map's pointer leads to; "" where that is none."""
    try:
        desc = process.word(location + WORD)
        pointer, size = process.word(desc), process.word(desc + WORD)
        text = process.memory.read(pointer, size) if 0 < size <= NAME_MOST else b""
    except MemoryFault:
        return ""
    return text.decode() if _NAME.fullmatch(text) else ""
