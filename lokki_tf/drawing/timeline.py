"""The rows and the axis of a run's Gantt chart, and its critical chain."""

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
        name: Name of the node.
        outcome: Its outcome.
        start: Its start, in seconds from the start of the run.
        end: Its end; the end of the axis if it did not end.
        critical: Whether it is on the critical chain.
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
        span: Length of the axis in seconds; more than 0.
        ticks: The marks on the axis.
        rows: The nodes that began, by start.
        waiting: The names and outcomes of all other nodes.
    """

    span: float
    ticks: tuple[Tick, ...]
    rows: tuple[Row, ...]
    waiting: tuple[tuple[str, Outcome], ...]


def timeline(graph: Graph, outcomes: Mapping[str, Outcome], duration: float) -> Timeline:
    """Compute the rows and the axis of a run.

    Args:
        graph: The graph that ran.
        outcomes: The outcome of each node, by name.
        duration: Duration of the run in seconds.
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
    """Return the critical chain: the last node to end, its last predecessor to end, and so on.

    Args:
        graph: The graph that ran.
        ends: The end of each node that began, in seconds from the start of the run.
    """
    # Of nodes that ended at the same time, the later in the graph: it may have waited for the
    # other.
    order = {node.name: (ends.get(node.name), index) for index, node in enumerate(graph.nodes)}
    chain: set[str] = set()
    among = tuple(ends)
    while among:
        last = max(among, key=order.__getitem__)
        chain.add(last)
        among = tuple(name for name in graph.by_name[last].predecessors if name in ends)
    return frozenset(chain)


def _ticks(span: float) -> Iterator[Tick]:
    """Yield round times: 1, 2 or 5 times a power of ten, in the largest unit that fits."""
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
