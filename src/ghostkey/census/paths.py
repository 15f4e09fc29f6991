"""From a map back to a root: which object points to it, which to that, until a global or a stack does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from ghostkey.census.memory import Range
from ghostkey.census.references import GLOBAL, STACK, Reference, References
from ghostkey.census.runtime import Runtime

DEPTH_MOST = 24
PARENTS_MOST = 12  # of one object that are followed: more lead to the same roots
FRONTIER_MOST = 20_000  # objects of one level
SECONDS = 20.0
NEARER = 3  # hops that a path from a stack must be shorter than one from a global, to be taken


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
    """What is known of one object that leads to a target."""

    roots: list[Reference] = field(default_factory=list)
    parents: list[tuple[int, Edge]] = field(default_factory=list)


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
            _add(runtime, nodes, new, child, reference)
        found = {address: path for address in wanted if (path := _best(nodes, address)) is not None}
        if all(_is_settled(found.get(address), depth) for address in wanted):
            break
        frontier = sorted(new.items())[:FRONTIER_MOST]
    return found


def _add(runtime: Runtime, nodes: dict[int, _Node], new: dict[int, int], child: int, reference: Reference) -> None:
    node = nodes[child]
    if reference.kind in (GLOBAL, STACK):
        if len(node.roots) < PARENTS_MOST:
            node.roots.append(reference)
        return
    owner = runtime.object_at(reference.location)
    if owner is None or owner[0] == child or len(node.parents) >= PARENTS_MOST:
        return
    node.parents.append((owner[0], Edge(reference.location, reference.value)))
    if owner[0] not in nodes:
        nodes[owner[0]] = _Node()
        new[owner[0]] = owner[1]


def _is_settled(path: Path | None, depth: int) -> bool:
    return path is not None and (path.kind == GLOBAL or len(path.edges) + NEARER <= depth + 1)


def _best(nodes: dict[int, _Node], target: int) -> Path | None:
    """The shortest path from a global, or from a stack when that is much shorter, or the only one."""
    paths: dict[str, Path] = {}
    level: list[tuple[int, tuple[Edge, ...]]] = [(target, ())]
    seen = {target}
    for _ in range(DEPTH_MOST):
        below: list[tuple[int, tuple[Edge, ...]]] = []
        for address, tail in level:
            node = nodes[address]
            for root in node.roots:
                paths.setdefault(root.kind, Path(root.kind, (Edge(root.location, root.value), *tail)))
            for parent, edge in node.parents:
                if parent not in seen:
                    seen.add(parent)
                    below.append((parent, (edge, *tail)))
        if GLOBAL in paths or not below:
            break
        level = below
    one, other = paths.get(GLOBAL), paths.get(STACK)
    if one is None or other is None:
        return one or other
    return other if len(other.edges) + NEARER < len(one.edges) else one
