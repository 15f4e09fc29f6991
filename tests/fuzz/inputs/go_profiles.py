"""Profiles as pprof writes them, packed and not."""

from __future__ import annotations

import gzip
from pathlib import Path

from ghostkey.census.functions import Frame
from ghostkey.census.profiles import Profile, decode, encode, growth, tree


def seeds() -> list[bytes]:
    """A profile of maps, and one of anything."""
    assign, own, outer = (
        Frame("runtime.mapassign", "map.go", 1),
        Frame("main.(*R).Reconcile", "main.go", 51),
        Frame("main.main", "main.go", 9),
    )
    types = [("inuse_objects", "count"), ("inuse_space", "bytes")]
    packed = encode(Profile(types, {(assign, own, outer): (3, 400), (own, outer): (1, 80), (outer,): (-1, -8)}, 1, 2))
    return [packed, gzip.decompress(packed)]


def read(raw: bytes, folder: Path) -> None:
    """The profile alone, and what it tells of maps."""
    stacks, _ = growth(None, decode(raw))
    tree(stacks)
