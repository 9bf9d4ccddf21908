"""A partial order as bitsets, and the two decompositions of it that add no wait."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Order:
    """The dependencies between nodes, which are numbered so that each follows its parents.

    A part (`piece`) of the order is an integer in which bit `v` is set if node `v` belongs to it.
    Every part passed to a method must be convex: it contains all nodes between any two of its
    nodes.
    """

    names: tuple[str, ...]
    ranks: tuple[int, ...]
    """The index of each node in the order in which the caller wrote them."""
    ancestors: tuple[int, ...]
    parents: tuple[tuple[int, ...], ...]
    """Direct predecessors, without those that another predecessor implies."""
    children: tuple[tuple[int, ...], ...]
    neighbours: tuple[int, ...]
    """The parents and children of each node, as a bitset."""

    @classmethod
    def of(cls, predecessors: Mapping[str, Collection[str]]) -> Order:
        """Make an order from the predecessors of each node.

        Args:
            predecessors: Each node's predecessors, direct or not.

        Raises:
            ValueError: A predecessor is not a node, or nodes depend on each other.
        """
        names = tuple(predecessors)
        given = _numbered_predecessors(predecessors)
        ranks = _topological(given)
        number = {rank: v for v, rank in enumerate(ranks)}
        ancestors: list[int] = []
        parents: list[tuple[int, ...]] = []
        for rank in ranks:
            implied, direct = 0, []
            # Latest first: only a later predecessor can imply an earlier one.
            for p in sorted((number[before] for before in given[rank]), reverse=True):
                if not implied >> p & 1:
                    direct.append(p)
                    implied |= ancestors[p] | 1 << p
            ancestors.append(implied)
            parents.append(tuple(reversed(direct)))
        children = _reversed_edges(parents)
        return cls(
            names=tuple(names[rank] for rank in ranks),
            ranks=tuple(ranks),
            ancestors=tuple(ancestors),
            parents=tuple(parents),
            children=children,
            neighbours=tuple(
                sum(1 << w for w in (*up, *down))
                for up, down in zip(parents, children, strict=True)
            ),
        )

    def components(self, piece: int) -> list[int]:
        """Split a part into components without dependencies between them."""
        found = []
        while piece:
            component = fresh = piece & -piece
            while fresh:
                bit = fresh & -fresh
                reached = self.neighbours[bit.bit_length() - 1] & piece & ~component
                component |= reached
                fresh = fresh ^ bit | reached
            found.append(component)
            piece ^= component
        return found

    def stages(self, piece: int) -> list[int]:
        """Split a part wherever everything before precedes everything after."""
        counted = sorted(((self.ancestors[v] & piece).bit_count(), v) for v in members(piece))
        found = []
        stage = 0
        for index, (count, v) in enumerate(counted):
            # The first `index` nodes contain all ancestors of the rest. If even the node with the
            # fewest of them has `index`, every node of the rest comes after them all.
            if stage and count == index:
                found.append(stage)
                stage = 0
            stage |= 1 << v
        return [*found, stage]


def members(piece: int) -> Iterator[int]:
    """The nodes of a piece, parents before children."""
    while piece:
        bit = piece & -piece
        yield bit.bit_length() - 1
        piece ^= bit


def _numbered_predecessors(predecessors: Mapping[str, Collection[str]]) -> list[list[int]]:
    """Replace names by their index in the mapping, so that the result does not depend on sets."""
    numbers = {name: i for i, name in enumerate(predecessors)}
    unknown = [
        (name, before)
        for name, befores in predecessors.items()
        for before in befores
        if before not in numbers
    ]
    if unknown:
        name, before = min(unknown)
        raise ValueError(f"{name!r} must come after {before!r}, which is not a node")
    return [sorted({numbers[before] for before in befores}) for befores in predecessors.values()]


def _topological(given: list[list[int]]) -> list[int]:
    """Sort nodes so that each follows its predecessors, else in the given order."""
    followers: list[list[int]] = [[] for _ in given]
    for node, befores in enumerate(given):
        for before in befores:
            followers[before].append(node)
    waiting = [len(befores) for befores in given]
    ready = [node for node, count in enumerate(waiting) if not count]
    line = []
    while ready:
        node = heapq.heappop(ready)
        line.append(node)
        for follower in followers[node]:
            waiting[follower] -= 1
            if not waiting[follower]:
                heapq.heappush(ready, follower)
    if len(line) < len(given):
        raise ValueError("nodes depend on each other in a cycle")
    return line


def _reversed_edges(parents: list[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """Return the children of each node, from the parents of each node."""
    children: list[list[int]] = [[] for _ in parents]
    for v, befores in enumerate(parents):
        for p in befores:
            children[p].append(v)
    return tuple(map(tuple, children))
