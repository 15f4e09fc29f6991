"""From a map back to a root: which object points to it, which to that, until a global or a stack does."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from ghostkey.census.memory import Range
from ghostkey.census.pools import is_of_pool
from ghostkey.census.references import GLOBAL, POOL, STACK, Reference, References
from ghostkey.census.runtime import Runtime

DEPTH_MOST = 24
PARENTS_MOST = 12  # of one object that are followed: more lead to the same roots
FRONTIER_MOST = 20_000  # objects of one level
SECONDS = 20.0
NEARER = 3  # hops that a path from a stack must be shorter than one from a global, to come before it
FARTHEST = 8  # hops within which a path is looked for that is better than a loose one
PATHS_MOST = 5  # to one target, of which the holder's words choose


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

    @property
    def is_loose(self) -> bool:
        """Whether it is a mere word of a stack, which may be left over from a call that ended long ago, or a pool's."""
        return self.kind == POOL or (self.kind == STACK and len(self.edges) == 1)

    @property
    def distance(self) -> int:
        """Its hops, and more for a root that does not last."""
        return len(self.edges) + NEARER * (self.kind != GLOBAL)


@dataclass(slots=True)
class _Node:
    """What is known of one object that leads to a target: the roots that hold it, and what it holds of the others."""

    roots: list[Reference] = field(default_factory=list)
    children: list[tuple[int, Edge]] = field(default_factory=list)
    parents: int = 0


def find_paths(
    runtime: Runtime, references: References, targets: Sequence[Range], seconds: float = SECONDS
) -> tuple[dict[int, tuple[Path, ...]], bool]:
    """The paths to each target (address, size) that a root leads to, by its address; the nearest first, a few of many. And whether
    the search ran out of time, so that others may be led to as well.

    A word of a stack that points to the target itself comes last, and so does what a sync.Pool keeps: neither may have an owner.

    Cost: one look through all pointers of the process for each hop of the longest path, at about 1 GB a second.
    """
    deadline = time.monotonic() + seconds
    wanted = {address for address, _ in targets}
    nodes: dict[int, _Node] = {address: _Node() for address in wanted}
    frontier = sorted(set(targets))
    holding: dict[int, list[tuple[int, Edge]]] = {address: [] for address in wanted}
    ways: dict[str, _Ways] = {}
    pending = set(wanted)  # of which a nearer path may still come
    is_cut = False
    for depth in range(DEPTH_MOST):
        is_cut = bool(frontier) and time.monotonic() > deadline
        if not frontier or is_cut:
            break
        new: dict[int, int] = {}
        for reference in references.to(frontier):
            child = frontier[reference.target][0]
            if child in wanted and reference.value != child:
                continue  # a map is held by a pointer to its beginning
            is_pooled = is_of_pool(runtime, reference.location, frontier[reference.target])
            owner = _add(runtime, nodes, new, child, dataclasses.replace(reference, kind=POOL) if is_pooled else reference)
            if owner and child in wanted:
                holding[child].append((owner, Edge(reference.location, reference.value)))
        ways = {kind: _ways(nodes, kind) for kind in (GLOBAL, STACK, POOL)}
        pending -= {address for address in pending if _is_settled(_ordered(ways, holding[address], address), depth)}
        if not pending:
            break
        frontier = sorted(new.items())[:FRONTIER_MOST]
    return {address: paths for address in wanted if (paths := _ordered(ways, holding[address], address))}, is_cut


def _add(runtime: Runtime, nodes: dict[int, _Node], new: dict[int, int], child: int, reference: Reference) -> int:
    """The object that the reference is in, of those that are followed; 0 for a root and for others."""
    node = nodes[child]
    if reference.kind in (GLOBAL, STACK, POOL):
        if sum(root.kind == reference.kind for root in node.roots) < PARENTS_MOST:
            node.roots.append(reference)
        return 0
    owner = runtime.object_at(reference.location)
    if owner is None or owner[0] == child or node.parents >= PARENTS_MOST:
        return 0
    node.parents += 1
    if owner[0] not in nodes:
        nodes[owner[0]] = _Node()
        new[owner[0]] = owner[1]
    nodes[owner[0]].children.append((child, Edge(reference.location, reference.value)))
    return owner[0]


def _is_settled(paths: tuple[Path, ...], depth: int) -> bool:
    if not paths:
        return False
    best = paths[0]
    return best.kind == GLOBAL or depth + 1 >= (FARTHEST if best.is_loose else best.distance)


_Ways = dict[int, tuple[int, Edge]]
"""How each object is reached: from which other (0: from the root itself), and by which word."""


def _ways(nodes: dict[int, _Node], kind: str) -> _Ways:
    """The nearest way from a root of this kind to each object that one leads to; of all objects at once."""
    ways: _Ways = {}
    for address, node in nodes.items():
        root = next((root for root in node.roots if root.kind == kind), None)
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


def _ordered(ways: dict[str, _Ways], holding: Sequence[tuple[int, Edge]], target: int) -> tuple[Path, ...]:
    """The nearest path by each object that holds the target, and by a root itself."""
    found = set()
    for kind, known in ways.items():
        if target in known and not known[target][0]:
            found.add(Path(kind, (known[target][1],)))
        for holder, edge in holding:
            before = _path(known, holder, target)
            if before:
                found.add(Path(kind, (*before, edge)))
    return tuple(sorted(found, key=_rank))[:PATHS_MOST]


def _rank(path: Path) -> tuple[bool, int, str, tuple[int, ...]]:
    return path.is_loose, path.distance, path.kind, tuple(edge.location for edge in path.edges)


def _path(ways: _Ways, place: int, target: int) -> tuple[Edge, ...]:
    """The edges from a root to an object; none where it is not reached, or by the target itself."""
    edges: list[Edge] = []
    while place in ways and place != target:
        place, edge = ways[place]
        edges.append(edge)
        if not place:
            return tuple(reversed(edges))
    return ()
