"""A graph of nodes, and the walks that every back-end needs."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from lokki_tf.errors import CycleError, Place

from .bindings import Binding, outputs_in
from .steps import RetryConfig, Step


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One use of a step in a graph.

    Args:
        name: Unique in the graph; the state's name in Step Functions.
        step: What runs.
        args: Arguments by position: positional-only ones and ``*args``.
        kwargs: Arguments by name.
        after: Nodes that must have ended before, beyond those that give arguments.
        retry: How failures are retried.
        place: Where the user wrote this use.
    """

    name: str
    step: Step
    args: tuple[Binding, ...]
    kwargs: tuple[tuple[str, Binding], ...]
    after: tuple[str, ...]
    retry: RetryConfig
    place: Place

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """All arguments, by position and then by name."""
        return (*self.args, *(binding for _, binding in self.kwargs))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the nodes whose results this one takes, each once, in order."""
        return tuple(dict.fromkeys(name for b in self.bindings for name in outputs_in(b)))

    @property
    def predecessors(self) -> tuple[str, ...]:
        """Names of all nodes that must have ended before this one, each once."""
        return tuple(dict.fromkeys((*self.inputs, *self.after)))


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Nodes in an order in which they could run one after another.

    Args:
        nodes: Every node stands after all that it depends on.
    """

    nodes: tuple[Node, ...]
    by_name: Mapping[str, Node] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_name = MappingProxyType({node.name: node for node in self.nodes})
        object.__setattr__(self, "by_name", by_name)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps in use, each once, in the order of their first node."""
        return tuple(dict.fromkeys(node.step for node in self.nodes))

    @property
    def predecessors(self) -> dict[str, tuple[str, ...]]:
        """From each node's name to those that must have ended before."""
        return {node.name: node.predecessors for node in self.nodes}

    @property
    def terminals(self) -> tuple[str, ...]:
        """Names of the nodes that no other waits for: their results are the pipeline's."""
        waited_for = {name for node in self.nodes for name in node.predecessors}
        return tuple(node.name for node in self.nodes if node.name not in waited_for)


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """A whole pipeline.

    Args:
        name: Names the state machine and prefixes its functions.
        graph: What runs.
        schedule: ``rate(…)``, ``cron(…)`` or ``at(…)``, or ``None``.
        description: What the pipeline is for.
        tags: Tags on every resource.
        place: Where the user made it.
    """

    name: str
    graph: Graph
    schedule: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    place: Place | None = None


def topological_order(predecessors: Mapping[str, Collection[str]]) -> list[str]:
    """Names so that each stands after its predecessors, else in the order given.

    Args:
        predecessors: From every name to the names that must stand before it.

    Raises:
        CycleError: If names wait for each other; its message shows the circle.
    """
    position = {name: index for index, name in enumerate(predecessors)}
    names = list(predecessors)
    waits_for = {name: len(set(before)) for name, before in predecessors.items()}
    successors: dict[str, list[str]] = {name: [] for name in names}
    for name, before in predecessors.items():
        for other in set(before):
            successors[other].append(name)
    ready = [position[name] for name, count in waits_for.items() if count == 0]
    order: list[str] = []
    while ready:
        name = names[heapq.heappop(ready)]
        order.append(name)
        for other in successors[name]:
            waits_for[other] -= 1
            if waits_for[other] == 0:
                heapq.heappush(ready, position[other])
    if len(order) < len(names):
        circle = find_cycle(predecessors, (name for name in names if waits_for[name] > 0))
        raise CycleError(
            "steps wait for each other: " + " → ".join(circle),
            remedy="take one of these dependencies out; a pipeline has no loops",
        )
    return order


def find_cycle(predecessors: Mapping[str, Collection[str]], among: Iterable[str]) -> list[str]:
    """One circle of names, in the order of running, its first name repeated at the end."""
    stuck = set(among)
    name = min(stuck)
    path: dict[str, None] = {}
    while name not in path:
        path[name] = None
        name = next(other for other in predecessors[name] if other in stuck)
    walked = list(path)
    circle = walked[walked.index(name) :]
    return [*reversed(circle), circle[-1]]


def generations(nodes: Sequence[Node]) -> list[list[Node]]:
    """Nodes by the length of the longest way to them: each generation needs only earlier ones."""
    level: dict[str, int] = {}
    grouped: list[list[Node]] = []
    for node in nodes:
        level[node.name] = 1 + max((level[name] for name in node.predecessors), default=-1)
        if level[node.name] == len(grouped):
            grouped.append([])
        grouped[level[node.name]].append(node)
    return grouped
