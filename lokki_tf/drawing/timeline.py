"""What stands where in the time of a run: the rows, the axis, and what held the run up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, takewhile
from typing import TYPE_CHECKING, NamedTuple

from .status import outcome_of

if TYPE_CHECKING:
    from lokki_tf.model import Graph, Outcome

_SHORTEST = 0.001  # an axis has a length, even if nothing took time
_MOST_INTERVALS = 8
_UNITS = (("h", 3600.0, 7200.0), ("min", 60.0, 120.0), ("s", 1.0, 1.0), ("ms", 0.001, 0.0))


@dataclass(frozen=True, slots=True)
class Row:
    """A node that began.

    Args:
        name: Its name.
        outcome: What became of it.
        start: When it began, in seconds from the start of the run.
        end: When it ended; the end of the axis if it did not.
        critical: Whether the run's end waited for it.
    """

    name: str
    outcome: Outcome
    start: float
    end: float
    critical: bool


class Tick(NamedTuple):
    """A mark on the axis."""

    seconds: float
    label: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """A run.

    Args:
        span: How many seconds the axis is long; more than 0.
        ticks: The axis's marks.
        rows: The nodes that began, in the order of beginning.
        waiting: The names of all others, with what became of them.
    """

    span: float
    ticks: tuple[Tick, ...]
    rows: tuple[Row, ...]
    waiting: tuple[tuple[str, Outcome], ...]


def timeline(graph: Graph, outcomes: Mapping[str, Outcome], duration: float) -> Timeline:
    """Puts a run's nodes in the order of time.

    Args:
        graph: What ran.
        outcomes: What became of its nodes.
        duration: How many seconds the run took.
    """
    known = {node.name: outcome_of(node.name, outcomes) for node in graph.nodes}
    times = [time for one in known.values() for time in (one.start, one.end) if time is not None]
    span = max(duration, _SHORTEST, *times)
    starts = {name: one.start for name, one in known.items() if one.start is not None}
    ends = {
        name: span if (end := known[name].end) is None else max(start, end)
        for name, start in starts.items()
    }
    chain = critical_chain(graph, ends)
    rows = tuple(
        Row(name, known[name], start, ends[name], name in chain)
        for name, start in sorted(starts.items(), key=lambda item: item[1])
    )
    waiting = tuple((name, one) for name, one in known.items() if name not in starts)
    return Timeline(span, tuple(_ticks(span)), rows, waiting)


def critical_chain(graph: Graph, ends: Mapping[str, float]) -> frozenset[str]:
    """The nodes that held the run up: the last to end, the last of those it waited for, and so on.

    Args:
        graph: What ran.
        ends: When each node ended that began.
    """
    # Of those that ended at once the later in the graph, for it may have waited for the other.
    order = {node.name: (ends.get(node.name), index) for index, node in enumerate(graph.nodes)}
    chain: set[str] = set()
    among = tuple(ends)
    while among:
        last = max(among, key=order.__getitem__)
        chain.add(last)
        among = tuple(name for name in graph.by_name[last].predecessors if name in ends)
    return frozenset(chain)


def _ticks(span: float) -> Iterator[Tick]:
    """Round times: 1, 2 or 5 times a power of ten, in the unit that people would use."""
    unit, seconds = next((unit, size) for unit, size, least in _UNITS if span >= least)
    steps = ((factor, power) for power in count(-3) for factor in (1, 2, 5))
    factor, power = next(
        (factor, power)
        for factor, power in steps
        if factor * 10.0**power * seconds * _MOST_INTERVALS >= span
    )
    times = (index * factor * 10.0**power for index in count())
    for time in takewhile(lambda time: time * seconds <= span * (1 + 1e-9), times):
        label = f"{time:.{max(0, -power)}f} {unit}" if time else "0"
        yield Tick(min(time * seconds, span), label)
