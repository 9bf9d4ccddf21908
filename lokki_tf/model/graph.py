"""A graph of nodes, and the walks that every back-end needs."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final
from typing import Literal as OneOf

from lokki_tf.errors import CycleError, Place

from .bindings import Binding, outputs_in
from .routes import Routes
from .steps import RetryConfig, Step


class Dependent:
    """What nodes and maps have in common: they wait for others and take their results."""

    __slots__ = ()
    name: str
    after: tuple[str, ...]

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """All that it takes."""
        raise NotImplementedError

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the nodes whose results this one takes, each once, in order."""
        return tuple(dict.fromkeys(name for b in self.bindings for name in outputs_in(b)))

    @property
    def predecessors(self) -> tuple[str, ...]:
        """Names of all nodes that must have ended before this one, each once."""
        return tuple(dict.fromkeys((*self.inputs, *self.after)))


@dataclass(frozen=True, slots=True)
class Condition:
    """Which of a node's arguments its step's ``when`` takes: positions, and names.

    Args:
        args: What it takes by position.
        kwargs: What it takes by name.
    """

    args: tuple[int | str, ...] = ()
    kwargs: tuple[tuple[str, int | str], ...] = ()

    @property
    def taken(self) -> dict[str, Any]:
        """The same as JSON has it, without what is empty."""
        both: dict[str, Any] = {"args": list(self.args), "kwargs": dict(self.kwargs)}
        return {name: sources for name, sources in both.items() if sources}


@dataclass(frozen=True, slots=True, eq=False)
class Node(Dependent):
    """One use of a step in a graph.

    Args:
        name: Unique in the graph; the state's name in Step Functions.
        step: What runs.
        args: Arguments by position: positional-only ones and ``*args``.
        kwargs: Arguments by name.
        after: Nodes that must have ended before, beyond those that give arguments.
        retry: How failures are retried.
        place: Where the user wrote this use.
        when: What the step's condition takes; ``None`` if it has none. Where the condition
            is false the node is skipped, and those that take its result get ``None``.
    """

    name: str
    step: Step
    args: tuple[Binding, ...]
    kwargs: tuple[tuple[str, Binding], ...]
    after: tuple[str, ...]
    retry: RetryConfig
    place: Place
    when: Condition | None = None

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """All arguments, by position and then by name."""
        return (*self.args, *(binding for _, binding in self.kwargs))


@dataclass(frozen=True, slots=True)
class MapOptions:
    """How a map is run.

    Args:
        mode: ``distributed``: each item, or batch, is an execution of its own, with items and
            results in the bucket; ``inline``: within the execution, for small lists.
        concurrency_limit: Most items, or batches, at once; ``None`` for no limit of ours.
        tolerated_failure_percentage: Share of items, 0 to 100 in whole numbers (AWS's language
            service takes no others), that may fail without the
            map failing; those are left out of its result.
        tolerated_failure_count: Number of items that may fail so.
        batch_size: Items that one call of a step takes at once.
    """

    mode: OneOf["distributed", "inline"] = "distributed"
    concurrency_limit: int | None = None
    tolerated_failure_percentage: int | None = None
    tolerated_failure_count: int | None = None
    batch_size: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Map(Dependent):
    """Runs a graph for each item of a list; its result is the list of results, in order.

    Args:
        name: Unique in the whole pipeline.
        items: Gives the list.
        body: Runs for each item: there, ``Item()`` is the item and ``Parameter(name)`` what
            ``arguments`` hands in. Its one terminal node gives the item's result.
        arguments: By name, what every item gets from outside.
        options: How it is run.
        after: Nodes that must have ended before, beyond those that give something.
        place: Where the user wrote it.
    """

    name: str
    items: Binding
    body: Graph
    arguments: tuple[tuple[str, Binding], ...]
    options: MapOptions
    after: tuple[str, ...]
    place: Place

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """The items, and what is handed in."""
        return (self.items, *(binding for _, binding in self.arguments))


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Nodes in an order in which they could run one after another.

    Args:
        nodes: Every node stands after all that it depends on.
    """

    nodes: tuple[Node | Map, ...]
    by_name: Mapping[str, Node | Map] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_name = MappingProxyType({node.name: node for node in self.nodes})
        object.__setattr__(self, "by_name", by_name)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps in use, each once, in the order of their first node."""
        return tuple(dict.fromkeys(node.step for node in self.walk()))

    def walk(self) -> Iterator[Node]:
        """All nodes that run a step, those inside maps included."""
        for node in self.nodes:
            if isinstance(node, Map):
                yield from node.body.walk()
            else:
                yield node

    @property
    def predecessors(self) -> dict[str, tuple[str, ...]]:
        """From each node's name to those that must have ended before."""
        return {node.name: node.predecessors for node in self.nodes}

    @property
    def terminals(self) -> tuple[str, ...]:
        """Names of the nodes that no other waits for: their results are the pipeline's."""
        waited_for = {name for node in self.nodes for name in node.predecessors}
        return tuple(node.name for node in self.nodes if node.name not in waited_for)


class _Required:
    def __repr__(self) -> str:
        return "required"


REQUIRED: Final = _Required()
"""The default of a flow parameter that has none."""


@dataclass(frozen=True, slots=True, eq=False)
class FlowParameter:
    """What a run may be given.

    Args:
        name: Its name.
        kind: The type that a value must have; ``Any`` takes all.
        default: Its value where none is given, or ``REQUIRED``.
    """

    name: str
    kind: Any
    default: Any = REQUIRED


def signature(parameters: tuple[FlowParameter, ...], flow: str) -> str:
    """A flow's signature as a person writes it."""
    listed = [
        one.name
        + (f": {one.kind.__name__}" if isinstance(one.kind, type) else "")
        + ("" if one.default is REQUIRED else f" = {_shown(one.default)}")
        for one in parameters
    ]
    return f"{flow}({', '.join(listed)})"


def _shown(default: Any) -> str:
    """A default as it is written, if that is short and the same in every run."""
    plain = default is None or isinstance(default, str | int | float)
    return repr(default) if plain and len(repr(default)) <= 40 else "…"


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
        parameters: What a run may be given.
        routes: What runs instead of the graph, which is empty then.
        on_failure: Told when an execution fails: a step, or the ARN of an SNS topic.
    """

    name: str
    graph: Graph
    schedule: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    place: Place | None = None
    parameters: tuple[FlowParameter, ...] = ()
    routes: Routes | None = None
    on_failure: Step | str | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps in use, each once; the one that is told of failures comes last."""
        steps = self.graph.steps if self.routes is None else self.routes.steps
        told = (self.on_failure,) if isinstance(self.on_failure, Step) else ()
        return tuple(dict.fromkeys((*steps, *told)))


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


def generations(nodes: Sequence[Node | Map]) -> list[list[Node | Map]]:
    """Nodes by the length of the longest way to them: each generation needs only earlier ones."""
    level: dict[str, int] = {}
    grouped: list[list[Node | Map]] = []
    for node in nodes:
        level[node.name] = 1 + max((level[name] for name in node.predecessors), default=-1)
        if level[node.name] == len(grouped):
            grouped.append([])
        grouped[level[node.name]].append(node)
    return grouped
