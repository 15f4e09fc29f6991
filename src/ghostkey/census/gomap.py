"""What the census says of one map."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class GoMap:
    """One map of the process. Its header's address and seed are its identity: Go's collector moves nothing.

    `design`: `swiss`, `classic` or `sync` (sync.Map since Go 1.24). `length` is what `len` gives; `slots` what it has room for;
    `tombstones` slots that a delete left unusable until the next rebuild (-1: not counted, or the design has none of them);
    `bytes` of header, directory, tables and buckets, without what keys and values point to. `place` is `heap` or `stack`.
    `is_consistent`: header and tables agreed; if not, `length` is the header's word and the rest is about right.
    """

    address: int
    design: str
    length: int
    slots: int
    tombstones: int
    bytes: int
    seed: int
    place: str = "heap"
    is_consistent: bool = True
    data: int = 0  # its biggest array of groups or buckets, by whose type it is known; 0 for a map that never held anything
    groups: int = 0  # in that array
    type: str = ""  # `map[K]V`; empty: not known
    type_address: int = 0  # of the map's type descriptor, where it is known
    certainty: str = ""  # how the type is known: `allocator`, `mask`, `size`, `content`, `holder`
    candidates: tuple[str, ...] = ()  # where several types look alike
    alike: tuple[int, ...] = ()  # their descriptors
    holder: str = ""  # the path from a root; empty: not looked for
    root: str = ""  # `global`, `stack`, or `none` when nothing leads to it
    mirror: str = ""  # why it mirrors live objects, as an informer's store does; empty: it does not

    @property
    def vacancy(self) -> float:
        """The share of its slots that hold nothing: they do not come back on delete."""
        return 1 - self.length / self.slots if self.slots else 0.0
