"""From a map back to a root: which object points to it, which to that, until a global or a stack does."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ghostkey.census.memory import Range
from ghostkey.census.pools import is_of_pool
from ghostkey.census.references import GLOBAL, POOL, STACK, Reference, References
from ghostkey.census.runtime import Runtime

DEPTH_MOST = 24
PARENTS_MOST = 12  # of one object that are followed: more lead to the same roots
FRONTIER_MOST = 20_000  # objects of one level
SECONDS = 20.0
NEARER = 3  # hops that a path from a stack must be shorter than one from a global, to be taken
FARTHEST = 8  # hops within which a path is looked for that is better than a mere word of a stack, or a pool


@dataclass(frozen=True, slots=True)
class Edge:
    """A word that points to the next object: where it is, and what it holds."""

    location: int
    value: int


@dataclass(frozen=True, slots=True)
class Path:
    """How an object is held: `kind` of the root, then one edge a hop; the last one points to the object."""

    kind: str
    edges: tuple[Edge, ...]


@dataclass(slots=True)
class _Node:
    """What is known of one object that leads to a target: the roots that hold it, and what it holds of the others."""

    roots: list[Reference] = field(default_factory=list)
    children: list[tuple[int, Edge]] = field(default_factory=list)
    parents: int = 0


def find_paths(runtime: Runtime, references: References, targets: Sequence[Range], seconds: float = SECONDS) -> dict[int, Path]:
    """The best path to each target (address, size) that a root leads to, by its address; the nearest of several.

    Cost: one look through all pointers of the process for each hop of the longest path, at about 1 GB a second.
    """
    deadline = time.monotonic() + seconds
    wanted = {address for address, _ in targets}
    nodes: dict[int, _Node] = {address: _Node() for address in wanted}
    frontier = sorted(set(targets))
    found: dict[int, Path] = {}
    for depth in range(DEPTH_MOST):
        if not frontier or time.monotonic() > deadline:
            break
        new: dict[int, int] = {}
        for reference in references.to(frontier):
            child = frontier[reference.target][0]
            if child in wanted and reference.value != child:
                continue  # a map is held by a pointer to its beginning
            is_pooled = is_of_pool(runtime, reference.location, frontier[reference.target])
            _add(runtime, nodes, new, child, dataclasses.replace(reference, kind=POOL) if is_pooled else reference)
        # what a word of a stack points to may be left over from a call that ended: what holds the object that holds it says more
        held = nodes.keys() - wanted
        ways = [
            (kind, _ways(nodes, first, kind)) for kind, first in ((GLOBAL, nodes), (STACK, held), (STACK, nodes), (POOL, nodes))
        ]
        found = {address: path for address in wanted if (path := _best(ways, address)) is not None}
        if all(_is_settled(found.get(address), depth) for address in wanted):
            break
        frontier = sorted(new.items())[:FRONTIER_MOST]
    return found


def _add(runtime: Runtime, nodes: dict[int, _Node], new: dict[int, int], child: int, reference: Reference) -> None:
    node = nodes[child]
    if reference.kind in (GLOBAL, STACK, POOL):
        if len(node.roots) < PARENTS_MOST:
            node.roots.append(reference)
        return
    owner = runtime.object_at(reference.location)
    if owner is None or owner[0] == child or node.parents >= PARENTS_MOST:
        return
    node.parents += 1
    if owner[0] not in nodes:
        nodes[owner[0]] = _Node()
        new[owner[0]] = owner[1]
    nodes[owner[0]].children.append((child, Edge(reference.location, reference.value)))


def _is_settled(path: Path | None, depth: int) -> bool:
    if path is None or path.kind == GLOBAL:
        return path is not None
    is_weak = path.kind == POOL or len(path.edges) == 1
    return depth + 1 >= (FARTHEST if is_weak else len(path.edges) + NEARER)


_Ways = dict[int, tuple[int, Edge]]
"""How each object is reached: from which other (0: from the root itself), and by which word."""


def _ways(nodes: dict[int, _Node], first: Iterable[int], kind: str) -> _Ways:
    """The nearest way to each object from a root of this kind that leads to one of the `first`; of all objects at once."""
    ways: _Ways = {}
    for address in first:
        root = next((root for root in nodes[address].roots if root.kind == kind), None)
        if root is not None:
            ways[address] = (0, Edge(root.location, root.value))
    level = list(ways)
    for _ in range(DEPTH_MOST):
        below: list[int] = []
        for address in level:
            for child, edge in nodes[address].children:
                if child not in ways:
                    ways[child] = (address, edge)
                    below.append(child)
        level = below
    return ways


def _best(ways: Iterable[tuple[str, _Ways]], target: int) -> Path | None:
    """The shortest path from a global, or from a stack when that is much shorter; a weaker one when there is no other."""
    best: Path | None = None
    for kind, found in ways:
        path = _path(kind, found, target)
        is_nearer = (
            path is not None
            and best is not None
            and (best.kind, kind) == (GLOBAL, STACK)
            and 1 < len(path.edges) < len(best.edges) - NEARER
        )
        if best is None or is_nearer:
            best = path
    return best


def _path(kind: str, ways: _Ways, target: int) -> Path | None:
    edges: list[Edge] = []
    while target and target in ways:
        target, edge = ways[target]
        edges.append(edge)
    return Path(kind, tuple(reversed(edges))) if edges else None
