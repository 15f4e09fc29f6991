"""The layouts are those that the toolchain itself writes into its debug information."""

from __future__ import annotations

import subprocess

from ghostkey.census.layouts import layout_of
from tests.census.truth import built

# our name → the upstream struct and field
FIELDS = {
    "types": ("runtime.moduledata", "types"),
    "etypes": ("runtime.moduledata", "etypes"),
    "gofunc": ("runtime.moduledata", "gofunc"),
    "next_module": ("runtime.moduledata", "next"),
    "text": ("runtime.moduledata", "text"),
    "bss": ("runtime.moduledata", "bss"),
    "gcdata": ("runtime.moduledata", "gcdata"),
    "gcbss": ("runtime.moduledata", "gcbss"),
    "allspans": ("runtime.mheap", "allspans"),
    "arenas": ("runtime.mheap", "arenas"),
    "span_start": ("runtime.mspan", "startAddr"),
    "span_pages": ("runtime.mspan", "npages"),
    "span_freeindex": ("runtime.mspan", "freeindex"),
    "span_nelems": ("runtime.mspan", "nelems"),
    "span_alloc_bits": ("runtime.mspan", "allocBits"),
    "span_class": ("runtime.mspan", "spanclass"),
    "span_state": ("runtime.mspan", "state"),
    "span_elemsize": ("runtime.mspan", "elemsize"),
    "span_large_type": ("runtime.mspan", "largeType"),
    "g_sp": ("runtime.g", "sched"),
    "g_status": ("runtime.g", "atomicstatus"),
    "g_id": ("runtime.g", "goid"),
    "g_start_pc": ("runtime.g", "startpc"),
}


def test_offsets_are_those_of_the_debug_information(version: str) -> None:
    said = subprocess.run([built("", module="dwarf"), built(version, stripped=False)], check=True, capture_output=True, text=True)
    told = {tuple(line.split()[:2]): int(line.split()[2]) for line in said.stdout.splitlines()}
    minor = int(version.split(".")[1]) if version else told["go", "minor"]
    layout = layout_of(minor)
    wrong = {
        name: (getattr(layout, name), told[field])
        for name, field in FIELDS.items()
        if getattr(layout, name) and getattr(layout, name) != told[field]
    }
    assert not wrong
    assert layout.span_size == told["runtime.mspan", "size"]
