"""Where to put a barrier into a piece that neither falls apart nor into stages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import add, sub

from .durations import Times
from .order import Order, members


def ranked_cuts(order: Order, piece: int, durations: Sequence[Times]) -> list[int]:
    """The sets of nodes to run before a barrier, the rest after it; most promising first.

    Candidates are the beginnings of two lines of all nodes: by the middle of the time in which
    each can run, half way between what must come before it and what must come after, and by
    the middle of its possible levels, which alone finds the layers of a wide graph.

    Args:
        order: The whole order.
        piece: The piece to cut.
        durations: The times of each node.
    """
    nodes = list(members(piece))
    parents = {v: [p for p in order.parents[v] if piece >> p & 1] for v in nodes}
    children = {v: [c for c in order.children[v] if piece >> c & 1] for v in nodes}
    heads = _reach(nodes, parents, durations)
    tails = _reach(reversed(nodes), children, durations)
    # Along each edge heads grow and tails shrink, so every beginning is closed under parents.
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
    """How far a node is from the start of its piece (or, looking back, from its end)."""

    level: int
    end: Times


def _reach(
    nodes: Iterable[int], sources: Mapping[int, Sequence[int]], durations: Sequence[Times]
) -> dict[int, _Reach]:
    """The longest path up to each node, in nodes and in time, itself included.

    Args:
        nodes: All nodes, each after its sources.
        sources: The nodes that each node waits for.
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
    """Nodes connected with each other, and the bounds of what they will take together."""

    __slots__ = ("layers", "nodes", "path", "total")

    def __init__(self, v: int, reach: _Reach, duration: Times) -> None:
        self.nodes = [v]
        self.path = reach.end
        """The longest path: it takes no less."""
        self.layers = {reach.level: duration}
        self.total = duration
        """The sum of the layers, each as long as its longest node: it takes no more."""

    def absorb(self, other: _Group) -> None:
        """Take in the nodes of another group."""
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
    """An estimate of the makespan of each beginning of a line of nodes, summed over the cases.

    Unconnected groups will run side by side, so the longest counts. Each is taken to end up
    half way between its longest path and its makespan in layers: the path alone would not see
    what further barriers cost, the layers alone not what they spare.

    Args:
        line: The nodes, each after its sources.
        sources: The nodes that each node waits for.
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
        # A group never gets shorter by growing, so those that it came from need no removing.
        estimate = tuple(map(max, estimate, bound)) if estimate else bound
        sums.append(sum(estimate))
    return sums


def _joined(one: _Group, two: _Group, home: dict[int, _Group]) -> _Group:
    """Make one group of two, moving the smaller so that no node moves often."""
    if one is two:
        return one
    small, large = (one, two) if len(one.nodes) < len(two.nodes) else (two, one)
    large.absorb(small)
    for v in small.nodes:
        home[v] = large
    return large
