"""A graph of nodes, and the traversals that every back-end needs."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Protocol, TypeVar, cast

from lokki_tf.errors import CycleError, Place

from .alarms import Alarms
from .bindings import Binding, Dataset, Literal, Output, Parameter, leaves, outputs_in
from .durations import duration
from .options import MapOptions
from .parameters import REQUIRED, FlowParameter
from .retries import ErrorType, RetryConfig
from .routes import Route, Routes
from .steps import StartedPipeline, Step
from .terraform_refs import TerraformRef
from .triggers import Trigger


class Dependent:
    """Common part of nodes and maps, which have predecessors and use their results."""

    __slots__ = ()
    name: str
    after: tuple[str, ...]
    box: tuple[str, ...]

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """All its bindings."""
        raise NotImplementedError

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the nodes whose results this one uses, each once, in order."""
        return tuple(dict.fromkeys(name for b in self.bindings for name in outputs_in(b)))

    @property
    def predecessors(self) -> tuple[str, ...]:
        """Names of all nodes that must have ended before this one, each once."""
        return tuple(dict.fromkeys((*self.inputs, *self.after)))


@dataclass(frozen=True, slots=True)
class Condition:
    """The arguments of a node that its step's ``when`` receives.

    Each source is a position or a name of the node's arguments.

    Args:
        args: Sources of the positional arguments.
        kwargs: Sources of the keyword arguments.
    """

    args: tuple[int | str, ...] = ()
    kwargs: tuple[tuple[str, int | str], ...] = ()

    @property
    def taken(self) -> dict[str, Any]:
        """The same for JSON, without what is empty."""
        both: dict[str, Any] = {"args": list(self.args), "kwargs": dict(self.kwargs)}
        return {name: sources for name, sources in both.items() if sources}


@dataclass(frozen=True, slots=True, eq=False)
class Node(Dependent):
    """One use of a step in a graph.

    Args:
        name: Unique in the graph; the state's name in Step Functions.
        step: The step that runs.
        args: Arguments by position: positional-only ones and ``*args``.
        kwargs: Arguments by name.
        after: Names of nodes that must have ended before, without those whose results it uses.
        retry: Retriers: how failures are retried.
        place: Source location of this use.
        when: The arguments of the step's condition; ``None`` if it has none. If the condition is
            false the node is skipped, and nodes that use its result receive ``None``.
        catch: Errors that make a ``Failure`` the result, after the retries.
        box: Names of the sub-pipelines that contain it, outermost first.
        around: Errors that are listed around it and may be those of this node: in an included
            pipeline whose errors lead to other steps, each list of all its nodes and of the routes.
    """

    name: str
    step: Step
    args: tuple[Binding, ...]
    kwargs: tuple[tuple[str, Binding], ...]
    after: tuple[str, ...]
    retry: tuple[RetryConfig, ...]
    place: Place
    when: Condition | None = None
    catch: tuple[ErrorType, ...] = ()
    box: tuple[str, ...] = ()
    around: tuple[tuple[ErrorType, ...], ...] = ()

    @property
    def listed(self) -> tuple[tuple[ErrorType, ...], ...]:
        """The errors that retriers and catchers list, each list by itself."""
        own = (*(one.exceptions for one in self.retry), *((self.catch,) if self.catch else ()))
        return (*own, *self.around)

    @property
    def routed(self) -> Definition:
        """The routed pipeline that it is; only of a node whose step has one."""
        return cast("Definition", self.step.routed)

    @property
    def routes(self) -> Routes | None:
        """The steps of the routed pipeline that it is; ``None`` for other nodes."""
        return None if self.step.routed is None else self.routed.routes

    @property
    def visits(self) -> Mapping[str, Route]:
        """The steps of a routed pipeline, by the names of the nodes of their visits."""
        routes = self.routes.routes if self.routes else ()
        return {f"{self.name}.{one.name}": one for one in routes}

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """All arguments, by position and then by name."""
        return (*self.args, *(binding for _, binding in self.kwargs))


@dataclass(frozen=True, slots=True, eq=False)
class Map(Dependent):
    """Runs a graph for each item of a list; its result is the list of results, in order.

    Args:
        name: Unique in the whole pipeline.
        items: Source of the list, or a dataset that Step Functions reads from S3.
        body: The graph for each item. In it, ``Item()`` is the item and ``Parameter(name)`` is one
            of ``arguments``. The result of its one terminal node is the item's result.
        arguments: Values that every item receives, by name.
        options: How it is run.
        after: Names of nodes that must have ended before, without those whose results it uses.
        place: Source location of this map.
        box: Names of the sub-pipelines that contain it, outermost first.
        limit: The parameter of the run that is its ``concurrency_limit``; ``None`` if that is
            among the options.
    """

    name: str
    items: Binding | Dataset
    body: Graph
    arguments: tuple[tuple[str, Binding], ...]
    options: MapOptions
    after: tuple[str, ...]
    place: Place
    box: tuple[str, ...] = ()
    limit: Parameter | None = None

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """The items, and the arguments."""
        return (self.source, *(binding for _, binding in self.arguments))

    @property
    def source(self) -> Binding:
        """The source of the items; of a dataset, its location."""
        return self.items.location if isinstance(self.items, Dataset) else self.items


@dataclass(frozen=True, slots=True, eq=False)
class Wait(Dependent):
    """Waits before the nodes that follow it begin.

    Args:
        name: Unique in the whole pipeline.
        place: Source location of this wait.
        seconds: How long it waits; ``None`` if it waits until a time.
        until: The time: a literal RFC 3339 text in UTC, a parameter, or a node's result.
        value: The result that becomes that of the wait; ``None`` if it has none.
        after: Names of nodes that must have ended before.
        box: Names of the sub-pipelines that contain it, outermost first.
    """

    name: str
    place: Place
    seconds: int | None = None
    until: Literal | Parameter | Output | None = None
    value: Output | None = None
    after: tuple[str, ...] = ()
    box: tuple[str, ...] = ()

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """The value and the time, as far as it has them."""
        return tuple(one for one in (self.value, self.until) if one is not None)

    @property
    def label(self) -> str:
        """What it waits for, for people: ``30 s``."""
        if self.seconds is not None:
            return duration(self.seconds)
        if isinstance(self.until, Literal):
            return f"until {self.until.value}"
        of = self.until.name if isinstance(self.until, Parameter) else None
        return f"until {of or getattr(self.until, 'node', '')}"


AnyNode = Node | Map | Wait


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Nodes in an order in which they could run one after another.

    Args:
        nodes: The nodes, each after all its predecessors.
    """

    nodes: tuple[AnyNode, ...]
    by_name: Mapping[str, AnyNode] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_name = MappingProxyType({node.name: node for node in self.nodes})
        object.__setattr__(self, "by_name", by_name)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps with code, each once, in the order of their first node."""
        return tuple(dict.fromkeys(step for node in self.walk() for step in node.step.with_code))

    @property
    def started(self) -> tuple[Node, ...]:
        """The nodes that start other pipelines, those inside maps included."""
        return tuple(node for node in self.walk() if node.step.starts is not None)

    @property
    def routed(self) -> tuple[Node, ...]:
        """The nodes that are routed pipelines, those inside maps included."""
        return tuple(node for node in self.walk() if node.step.routed is not None)

    def walk(self) -> Iterator[Node]:
        """Yield all nodes that run a step, those inside maps included."""
        for node in self.nodes:
            if isinstance(node, Map):
                yield from node.body.walk()
            elif isinstance(node, Node):
                yield node

    def every(self) -> Iterator[AnyNode]:
        """Yield all nodes, maps and waits, those inside maps included."""
        for node in self.nodes:
            yield node
            if isinstance(node, Map):
                yield from node.body.every()

    @property
    def visits(self) -> dict[str, Route]:
        """The steps of all routed pipelines, by the names of the nodes of their visits."""
        return {name: one for node in self.routed for name, one in node.visits.items()}

    @property
    def predecessors(self) -> dict[str, tuple[str, ...]]:
        """The names of the predecessors of each node, by its name."""
        return {node.name: node.predecessors for node in self.nodes}

    @property
    def terminals(self) -> tuple[str, ...]:
        """Names of the nodes without successors: their results are the pipeline's outputs."""
        waited_for = {name for node in self.nodes for name in node.predecessors}
        return tuple(node.name for node in self.nodes if node.name not in waited_for)

    @property
    def results(self) -> tuple[str, ...]:
        """Names of the nodes whose results are the outputs; a wait's is that of another node."""
        ends = (self.by_name[name] for name in self.terminals)
        of = (one.value.node if isinstance(one, Wait) and one.value else one.name for one in ends)
        return tuple(dict.fromkeys(of))


def signature(parameters: tuple[FlowParameter, ...], flow: str) -> str:
    """Format a flow's signature as in Python."""
    listed = [
        one.name
        + (f": {one.kind.__name__}" if isinstance(one.kind, type) else "")
        + ("" if one.default is REQUIRED else f" = {_shown(one.default)}")
        for one in parameters
    ]
    return f"{flow}({', '.join(listed)})"


def _shown(default: Any) -> str:
    """Return the source of a default if it is short and the same in every run, else ``…``."""
    plain = default is None or isinstance(default, str | int | float)
    return repr(default) if plain and len(repr(default)) <= 40 else "…"


@dataclass(frozen=True, slots=True)
class UnusedLimit:
    """The ``timeout_seconds`` of a pipeline that is part of another one.

    Args:
        pipeline: Its name, after the names of the sub-pipelines that contain it.
        seconds: The limit.
        place: Source location where it is included.
    """

    pipeline: str
    seconds: int
    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """A whole pipeline.

    Args:
        name: Name of the state machine, and prefix of its functions' names.
        graph: The nodes.
        schedule: ``rate(…)``, ``cron(…)`` or ``at(…)``, or ``None``.
        description: Description of the pipeline.
        tags: Tags of every resource.
        place: Source location of the pipeline.
        parameters: The parameters of a run.
        routes: The steps of a routed pipeline; its graph has the nodes of included pipelines only,
            see :meth:`included`.
        on_failure: Notified when an execution fails: a step, or the ARN of an SNS topic.
        timeout_seconds: Longest duration of a run; ``None`` for no limit.
        alarms: Alarms about its executions.
        dashboard: Whether it has a dashboard.
        triggers: What starts executions, beside the schedule.
        max_concurrent_runs: The most runs at once; ``None`` for no limit.
        when_busy: What a run does while so many others are going on: ``queue``, ``skip`` or
            ``fail``.
        cleanup: The step that runs after all others, whatever happened. Its arguments are results,
            ``None`` for those that do not exist, and parameters. In a routed pipeline they are
            parameters by name, which are looked up in the state and then in the run's input.
        unused_limits: The ``timeout_seconds`` of the pipelines that are part of it, which have no
            effect.
        routed: Of a run of a routed pipeline, whose graph has a node for each visit of a step: the
            definition of the pipeline, for pictures.
    """

    name: str
    graph: Graph
    schedule: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    place: Place | None = None
    parameters: tuple[FlowParameter, ...] = ()
    routes: Routes | None = None
    on_failure: Step | str | TerraformRef | None = None
    timeout_seconds: int | None = None
    cleanup: Node | None = None
    alarms: Alarms | None = None
    dashboard: bool = False
    triggers: tuple[Trigger, ...] = ()
    max_concurrent_runs: int | None = None
    when_busy: str = "queue"
    unused_limits: tuple[UnusedLimit, ...] = ()
    routed: Definition | None = None

    @property
    def catches(self) -> bool:
        """Whether an error of a step can become a ``Failure``."""
        routes = () if self.routes is None else self.routes.routes
        if any(one.catches for one in routes) or any(one.catch for one in self.graph.walk()):
            return True
        return any(one.catches for one in self.graph.visits.values())

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps in use, each once; conditions of jobs, cleanup and ``on_failure`` last."""
        steps = (*(self.routes.steps if self.routes else ()), *self.graph.steps)
        conditions = (one.condition for one in self.graph.steps if one.condition is not None)
        cleanup = () if self.cleanup is None else (self.cleanup.step,)
        notified = (self.on_failure,) if isinstance(self.on_failure, Step) else ()
        return tuple(dict.fromkeys((*steps, *conditions, *cleanup, *notified)))

    @property
    def started(self) -> tuple[Node, ...]:
        """The nodes that start other pipelines, and such steps of routed pipelines."""
        return self.graph.started + tuple(
            Node(name, one, (), _parameters(one.starts), (), one.options.retry, one.place)
            for name, one in self._visits()
            if one.starts is not None
        )

    @property
    def asking(self) -> tuple[Node, ...]:
        """The nodes with ``callback=True``, and such steps of routed pipelines."""
        nodes = (Node(name, one, (), (), (), (), one.place) for name, one in self._visits())
        every = (*self.graph.walk(), *nodes)
        return tuple(node for node in every if node.step.options.callback)

    def _visits(self) -> Iterator[tuple[str, Step]]:
        """Yield the steps of routed pipelines, with the names of the nodes of their visits."""
        for route in self.routes.routes if self.routes else ():
            yield route.step.name, route.step
        for name, route in self.graph.visits.items():
            yield name, route.step

    @property
    def refs(self) -> tuple[TerraformRef, ...]:
        """The references to Terraform in arguments of steps and in datasets, each once."""
        bindings = [one for node in self.whole.walk() for one in node.bindings]
        bindings += [one.location for _, one in self.datasets]
        found = (one for binding in bindings for one in leaves(binding))
        return tuple(dict.fromkeys(one for one in found if isinstance(one, TerraformRef)))

    @property
    def datasets(self) -> tuple[tuple[Map, Dataset], ...]:
        """The maps over datasets in S3, and these."""
        maps = (one for one in self.graph.every() if isinstance(one, Map))
        return tuple((one, one.items) for one in maps if isinstance(one.items, Dataset))

    @property
    def limits(self) -> tuple[FlowParameter, ...]:
        """The parameters that limit how many items of maps run at once, each once."""
        maps = (one for one in self.graph.every() if isinstance(one, Map))
        # A parameter has the same name inside maps.
        names = {one.limit.name for one in maps if one.limit is not None}
        return tuple(one for one in self.parameters if one.name in names)

    def included(self, step: Step) -> Definition:
        """Return the pipeline that is included as a step of this routed pipeline.

        Args:
            step: The step.
        """
        assert step.includes is not None
        assert self.routes is not None
        nodes = tuple(node for node in self.graph.nodes if node.box[:1] == (step.name,))
        graph, route = Graph(nodes), self.routes.by_name[step.name]
        if route.catches:
            listed = (one for node in graph.walk() for one in node.listed)
            caught = (errors for _, errors in route.catches)
            graph = _listing(graph, tuple(dict.fromkeys((*listed, *caught))))
        return Definition(self.name, graph, place=step.place, parameters=step.includes.parameters)

    @property
    def inclusions(self) -> tuple[Step, ...]:
        """The steps of a routed pipeline that are included pipelines."""
        routes = self.routes.routes if self.routes else ()
        return tuple(one.step for one in routes if one.step.includes is not None)

    @property
    def outline(self) -> Graph:
        """The nodes that a run has once each; none of a routed pipeline."""
        return self.whole if self.routes is None else Graph(())

    @property
    def whole(self) -> Graph:
        """The graph, with the cleanup step after all others, unless the pipeline is routed."""
        if self.cleanup is None or self.routes is not None:
            return self.graph
        last = replace(self.cleanup, after=self.graph.terminals)
        return Graph((*self.graph.nodes, last))


def _parameters(started: StartedPipeline) -> tuple[tuple[str, Binding], ...]:
    return tuple((name, Parameter(source)) for name, source in started.takes)


def _listing(graph: Graph, around: tuple[tuple[ErrorType, ...], ...]) -> Graph:
    """Return a graph whose nodes have errors that are listed around them."""

    def listing(node: AnyNode) -> AnyNode:
        if isinstance(node, Map):
            return replace(node, body=_listing(node.body, around))
        return replace(node, around=around) if isinstance(node, Node) else node

    return Graph(tuple(map(listing, graph.nodes)))


def topological_order(predecessors: Mapping[str, Collection[str]]) -> list[str]:
    """Sort names so that each comes after its predecessors, else in the given order.

    Args:
        predecessors: The names that must come before each name.

    Raises:
        CycleError: If names depend on each other; its message shows the cycle.
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
            "steps depend on each other: " + " → ".join(circle),
            remedy="remove one of these dependencies; a graph must not have cycles",
        )
    return order


def find_cycle(predecessors: Mapping[str, Collection[str]], among: Iterable[str]) -> list[str]:
    """Return the names of one cycle, in the order of execution, with the first name repeated."""
    stuck = set(among)
    name = min(stuck)
    path: dict[str, None] = {}
    while name not in path:
        path[name] = None
        name = next(other for other in predecessors[name] if other in stuck)
    walked = list(path)
    circle = walked[walked.index(name) :]
    return [*reversed(circle), circle[-1]]


class _Ordered(Protocol):
    """What has a name, and names of what comes before it."""

    @property
    def name(self) -> str: ...
    @property
    def predecessors(self) -> tuple[str, ...]: ...


N = TypeVar("N", bound=_Ordered)


def generations(nodes: Sequence[N]) -> list[list[N]]:
    """Group nodes by the longest path to them: each group depends only on earlier groups."""
    level: dict[str, int] = {}
    grouped: list[list[N]] = []
    for node in nodes:
        level[node.name] = 1 + max((level[name] for name in node.predecessors), default=-1)
        if level[node.name] == len(grouped):
            grouped.append([])
        grouped[level[node.name]].append(node)
    return grouped
