"""Decompose an order where that adds no wait, add barriers where needed, and nest the blocks."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from operator import add, attrgetter
from typing import TypeAlias

from .blocks import Block, in_parallel, in_series
from .cuts import ranked_cuts
from .durations import Times, cases
from .order import Order

# The amount of work, by size and not by time, so that the result is the same everywhere: a graph of
# 40 nodes takes about 50 ms, a dense one of 500 half a second. For random graphs of up to 40 nodes,
# ten times the work does not change the mean makespan.
_MOST_CASES, _FEWEST_CASES, _CASES_OF_ALL_NODES = 128, 8, 6_400
_MOST_TRIALS, _TRIALS_OF_ALL_CASES = 24, 25_000
_OVERHEAD = 24
"""The cost of a node in a trial in addition to its cases, in cases."""


def nest(
    predecessors: Mapping[str, Collection[str]], seconds: Mapping[str, float] | None = None
) -> Block:
    """Arrange nodes in series and in parallel so that they wait as little as possible.

    Each node follows its predecessors. If blocks can express the order, the makespan is the
    critical path, for any durations. Otherwise barriers make some nodes wait longer than necessary,
    and are put where the expected cost is smallest.

    Args:
        predecessors: The predecessors of each node, direct or not, in the order in which nodes
            should be written. Nodes that do not depend on each other keep it.
        seconds: Stated durations; those of other nodes are estimated around one second.

    Raises:
        ValueError: There are no nodes, a predecessor is not a node, or nodes depend on each other.
    """
    if not predecessors:
        raise ValueError("there are no nodes to nest")
    order = Order.of(predecessors)
    size = len(order.names)
    count = min(_MOST_CASES, max(_FEWEST_CASES, _CASES_OF_ALL_NODES // size))
    return _Search(order, cases(order.names, seconds or {}, count)).block()


@dataclass(frozen=True, slots=True)
class _Plan:
    """A block for a part of the order, and its cost."""

    block: Block
    times: Times
    parallels: int
    """The number of Parallel states; each costs a transition."""
    rank: int
    """The index of its first node in the order in which the caller wrote them."""

    @property
    def cost(self) -> tuple[int, int]:
        """The values to minimise, in this order."""
        return sum(self.times), self.parallels


def _after_each_other(plans: Sequence[_Plan]) -> _Plan:
    times = plans[0].times
    for plan in plans[1:]:
        times = tuple(map(add, times, plan.times))
    return _Plan(
        block=in_series(plan.block for plan in plans),
        times=times,
        parallels=sum(plan.parallels for plan in plans),
        rank=min(plan.rank for plan in plans),
    )


def _side_by_side(plans: Sequence[_Plan]) -> _Plan:
    ordered = sorted(plans, key=attrgetter("rank"))
    return _Plan(
        block=in_parallel(plan.block for plan in ordered),
        times=tuple(map(max, *(plan.times for plan in ordered))),
        parallels=1 + sum(plan.parallels for plan in ordered),
        rank=ordered[0].rank,
    )


def _cost(trial: tuple[_Plan, int]) -> tuple[int, int]:
    return trial[0].cost


_Task: TypeAlias = tuple[int, bool]
"""A part to plan, and whether to try several cuts instead of only the first."""
_Planning: TypeAlias = Generator[_Task, _Plan, _Plan]
"""Yields smaller parts, receives their plans, and returns the plan of its own part."""


class _Search:
    """Plans parts of one order, each part once."""

    def __init__(self, order: Order, durations: Sequence[Times]) -> None:
        self._order = order
        self._durations = durations
        self._plans: dict[_Task, _Plan] = {}
        self._cuts: dict[int, list[int]] = {}

    def block(self) -> Block:
        """Return the block for the whole order."""
        everything = (1 << len(self._order.names)) - 1
        return self._run((everything, True)).block

    def _run(self, goal: _Task) -> _Plan:
        """Plan a part and all smaller parts that it needs, without recursion."""
        stack = [(goal, self._planning(*goal))]
        answer: _Plan | None = None
        while stack:
            task, planning = stack[-1]
            try:
                asked = next(planning) if answer is None else planning.send(answer)
            except StopIteration as end:
                answer = self._plans[task] = end.value
                stack.pop()
                continue
            answer = self._plans.get(asked)
            if answer is None:
                stack.append((asked, self._planning(*asked)))
        return self._plans[goal]

    def _planning(self, piece: int, careful: bool) -> _Planning:
        if not piece & (piece - 1):
            v = piece.bit_length() - 1
            return _Plan(self._order.names[v], self._durations[v], 0, self._order.ranks[v])
        if len(parts := self._order.components(piece)) > 1:
            return _side_by_side((yield from _each(parts, careful)))
        if len(parts := self._order.stages(piece)) > 1:
            return _after_each_other((yield from _each(parts, careful)))
        return (yield from self._planning_with_barrier(piece, careful))

    def _planning_with_barrier(self, piece: int, careful: bool) -> _Planning:
        cuts = self._ranked_cuts(piece)
        tried = []
        for cut in cuts[: self._trials(piece)] if careful else ():
            tried.append(_after_each_other((yield from _each((cut, piece ^ cut), False))))
        best = min(zip(tried, cuts, strict=False), key=_cost)[1] if tried else cuts[0]
        plan = _after_each_other((yield from _each((best, piece ^ best), careful)))
        # Trying several cuts lowers the sums of each branch, but not always those of the longest.
        return min((plan, *tried), key=attrgetter("cost"))

    def _ranked_cuts(self, piece: int) -> list[int]:
        if piece not in self._cuts:
            ranked = ranked_cuts(self._order, piece, self._durations)
            self._cuts[piece] = ranked[:_MOST_TRIALS]
        return self._cuts[piece]

    def _trials(self, piece: int) -> int:
        """Return the number of cuts to try; a single trial would decide nothing."""
        work = piece.bit_count() * (_OVERHEAD + len(self._durations[0]))
        trials = min(_MOST_TRIALS, _TRIALS_OF_ALL_CASES // work)
        return trials if trials > 1 else 0


def _each(pieces: Sequence[int], careful: bool) -> Generator[_Task, _Plan, list[_Plan]]:
    plans = []
    for piece in pieces:
        plans.append((yield piece, careful))
    return plans
