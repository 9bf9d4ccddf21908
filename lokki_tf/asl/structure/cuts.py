"""Barriers in a part of an order that splits neither into components nor into stages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import add, sub

from .durations import Times
from .order import Order, members


def ranked_cuts(order: Order, piece: int, durations: Sequence[Times]) -> list[int]:
    """Return the sets of nodes to run before a barrier, with the rest after it, the best first.

    Candidates are the prefixes of two sequences of all nodes. One is sorted by the middle of the
    time in which each node can run, half way between what precedes and what follows it. The other
    is sorted by the middle of its possible levels, and finds the layers of a wide graph.

    Args:
        order: The whole order.
        piece: The part to cut.
        durations: The times of each node.
    """
    nodes = list(members(piece))
    parents = {v: [p for p in order.parents[v] if piece >> p & 1] for v in nodes}
    children = {v: [c for c in order.children[v] if piece >> c & 1] for v in nodes}
    heads = _reach(nodes, parents, durations)
    tails = _reach(reversed(nodes), children, durations)
    # Along each edge heads grow and tails shrink, so every prefix contains all parents of its
    # nodes.
    by_time = sorted(nodes, key=lambda v: sum(heads[v].end) - sum(tails[v].end))
    by_level = sorted(by_time, key=lambda v: heads[v].level - tails[v].level)
    costs: dict[int, int] = {}
    for line in (by_time,) if by_level == by_time else (by_time, by_level):
        before = _growth(line, parents, heads, durations)
        after = _growth(reversed(line), children, tails, durations)
        beginning = 0
        for v, cost, rest in zip(line[:-1], before[:-1], after[-2::-1], strict=True):
            beginning |= 1 << v
            costs[beginning] = cost + rest
    return sorted(costs, key=costs.__getitem__)


@dataclass(frozen=True, slots=True)
class _Reach:
    """How far a node is from the start of its part, or from its end for the reversed order."""

    level: int
    end: Times


def _reach(
    nodes: Iterable[int], sources: Mapping[int, Sequence[int]], durations: Sequence[Times]
) -> dict[int, _Reach]:
    """Return the longest path up to each node, in nodes and in time, itself included.

    Args:
        nodes: All nodes, each after its sources.
        sources: The predecessors of each node.
        durations: The times of each node.
    """
    found: dict[int, _Reach] = {}
    for v in nodes:
        if waits := [found[w] for w in sources[v]]:
            level = 1 + max(wait.level for wait in waits)
            start = _longest([wait.end for wait in waits])
            found[v] = _Reach(level, tuple(map(add, start, durations[v])))
        else:
            found[v] = _Reach(0, durations[v])
    return found


def _longest(times: Sequence[Times]) -> Times:
    return times[0] if len(times) == 1 else tuple(map(max, *times))


class _Group:
    """Connected nodes, with bounds of their makespan."""

    __slots__ = ("layers", "nodes", "path", "total")

    def __init__(self, v: int, reach: _Reach, duration: Times) -> None:
        self.nodes = [v]
        self.path = reach.end
        """The longest path, a lower bound of the makespan."""
        self.layers = {reach.level: duration}
        self.total = duration
        """The sum of the longest nodes of all layers, an upper bound of the makespan."""

    def absorb(self, other: _Group) -> None:
        """Add the nodes of another group."""
        self.nodes += other.nodes
        self.path = tuple(map(max, self.path, other.path))
        for level, times in other.layers.items():
            old = self.layers.get(level)
            if old is None:
                self.layers[level] = times
                self.total = tuple(map(add, self.total, times))
            else:
                new = self.layers[level] = tuple(map(max, old, times))
                self.total = tuple(map(add, self.total, map(sub, new, old)))


def _growth(
    line: Iterable[int],
    sources: Mapping[int, Sequence[int]],
    reaches: Mapping[int, _Reach],
    durations: Sequence[Times],
) -> list[int]:
    """Estimate the makespan of each prefix of a sequence of nodes, summed over the cases.

    Unconnected groups run in parallel, so the longest counts. The estimate of each is half way
    between its longest path, which ignores the cost of further barriers, and its makespan in
    layers, which ignores what can still run in parallel.

    Args:
        line: The nodes, each after its sources.
        sources: The predecessors of each node.
        reaches: How far each node is from the start.
        durations: The times of each node.
    """
    home: dict[int, _Group] = {}
    estimate: Times = ()
    sums = []
    for v in line:
        group = home[v] = _Group(v, reaches[v], durations[v])
        for w in sources[v]:
            group = _joined(group, home[w], home)
        bound = tuple(map(add, group.path, group.total))
        # A group never gets shorter when it grows, so the groups that were merged need not be
        # removed.
        estimate = tuple(map(max, estimate, bound)) if estimate else bound
        sums.append(sum(estimate))
    return sums


def _joined(one: _Group, two: _Group, home: dict[int, _Group]) -> _Group:
    """Merge two groups, the smaller into the larger, so that nodes are moved rarely."""
    if one is two:
        return one
    small, large = (one, two) if len(one.nodes) < len(two.nodes) else (two, one)
    large.absorb(small)
    for v in small.nodes:
        home[v] = large
    return large
