"""A graph prepared for any number of evaluations."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

from lokki_tf.model import AnyNode, Graph, Item, Map, Node, Output, Wait
from lokki_tf.model.bindings import leaves, outputs_in
from lokki_tf.model.streams import streams_of

from .bind import Binder, Gather
from .copies import LARGEST, LARGEST_OF_ITEMS, Copies, guarded, plain
from .result import NOTHING
from .settings import LONGEST, Around, Settings, is_special
from .strict import RoundTripSerializer

Condition = Callable[[Sequence[Any], Mapping[str, Any]], bool]
"""Returns whether a node runs, from its arguments by position and by name."""


class RunPlan:
    """Data of a graph that is the same in every evaluation.

    Nodes are represented by their indices in the graph. The values of an evaluation are in one
    list: results first, then parameters, the item (in a map's body), and literals.

    Args:
        graph: The graph.
        parameters: Names of its parameters.
        in_map: Whether it is a map's body.
        serializer: Serializes values, or ``None``.
        settings: Options in effect of the steps, and the scale of waits.
        copying: Whether each step has a copy of its own of what it could change.
        cleanup: Whether the last node runs after all others, which the engine starts.
        parts: Groups of nodes that run one after another, as in AWS; by default only dependencies
            delay a node.

    Raises:
        BindingError: If a binding refers to something that does not exist.
        SerializationError: If there is a serializer, and a literal cannot be serialized.
    """

    def __init__(
        self,
        graph: Graph,
        parameters: Iterable[str] = (),
        *,
        in_map: bool = False,
        serializer: RoundTripSerializer | None = None,
        settings: Settings | None = None,
        copying: bool = False,
        cleanup: bool = False,
        parts: Sequence[Collection[str]] = (),
    ) -> None:
        self.copying = copying
        self.settings = settings = settings or Settings()
        chosen = settings.options
        self.shortest: float = LONGEST
        """Seconds of the shortest time limit, or of Lambda's."""
        self.around: dict[int, Around] = {}
        """What the calls of nodes have around them, by their positions."""
        self.nodes = nodes = graph.nodes
        self._serializer = serializer
        self._parameters = tuple(parameters)
        self.item = len(nodes) + len(self._parameters)
        """Index of the item among the values, in a map's body."""
        binder = Binder(nodes, self._parameters, in_map=in_map, serializer=serializer)
        self.gather = [binder.gather(node) for node in nodes]
        self._literals = binder.literals
        if copying:
            self._literals = [guarded(literal) for literal in binder.literals]
        self._in_map = in_map
        self.functions: list[Any] = []
        """The functions of nodes; ``None`` for a map or a wait."""
        self.bodies: dict[int, RunPlan] = {}
        """The bodies of maps, by their indices."""
        self.conditions: dict[int, Condition] = {}
        """The conditions of nodes, by their indices."""
        for index, node in enumerate(nodes):
            if isinstance(node, Map):
                names = (name for name, _ in node.arguments)
                self.bodies[index] = RunPlan(
                    node.body,
                    names,
                    in_map=True,
                    serializer=serializer,
                    settings=settings,
                    copying=copying,
                )
                self.functions.append(None)
                self.shortest = min(self.shortest, self.bodies[index].shortest)
            elif isinstance(node, Wait):
                self.functions.append(None)
            else:
                step = node.step
                if step.starts is not None and settings.start is not None:
                    self.functions.append(partial(settings.start, step.starts))
                else:
                    self.functions.append(step.function)
                options = chosen.get(step, step.options) if chosen else step.options
                if options.call_seconds < self.shortest:
                    self.shortest = options.call_seconds
                around = settings.around(step) if is_special(options) else None
                if around is not None:
                    self.around[index] = around
                if node.when is not None and node.step.when is not None:
                    asked = partial(_is_met, node.step.when, node.when.taken, around)
                    self.conditions[index] = asked
        self.callbacks = {
            index
            for index, node in enumerate(nodes)
            if isinstance(node, Node) and node.step.options.callback
        }
        """The nodes whose results are answers from outside."""
        self.walks = {
            index
            for index, node in enumerate(nodes)
            if isinstance(node, Node) and node.step.routed is not None
        }
        """The nodes that are routed pipelines."""
        self._link()
        self.streaming = {
            index
            for index, node in enumerate(nodes)
            if self.bodies and isinstance(node, Node) and any(streams_of(graph, node))
        }
        """The nodes that read a map's results one after another."""
        positions = {node.name: index for index, node in enumerate(nodes)}
        times = (node.until for node in nodes if isinstance(node, Wait))
        self.instants = {positions[one.node] for one in times if isinstance(one, Output)}
        """The nodes until whose results others wait."""
        self.result = positions[graph.results[-1]] if in_map else -1
        """The node that makes the result of the body, in a map's body."""
        if cleanup:
            self.missing[-1] += 1  # the schedule never starts it
        self.order: Sequence[int] = range(len(nodes) - cleanup)
        """The nodes in an order in which they can run one after another, without cleanup."""
        self.releases = self.successors
        """The nodes that wait for each node."""
        self.parts = self._parted(parts) if parts else []
        """The groups of nodes that run one after another."""
        self.first = [index for index in self.order if not self.missing[index]]
        """The nodes that wait for no other."""
        self.last = nodes.index(graph.by_name[graph.terminals[-1]]) if in_map else -1
        """The node whose result is that of the body, in a map's body."""
        self.spooled = {index for index in self.bodies if self._is_spooled(index, graph)}
        """The maps whose results are only read one after another."""
        self.fed = {index for index in range(len(nodes)) if self.bodies and self._is_fed(index)}
        """The nodes whose results only a map takes, item by item."""
        self.mapped = {
            index
            for index, after in enumerate(self.successors if self.bodies else ())
            for one in (nodes[number] for number in after)
            if isinstance(one, Map) and one.items == Output(nodes[index].name)
        }
        """The nodes over whose results maps run."""
        self.guards: Sequence[Any] = [False] * len(nodes)
        """Whether several take the result of a node, of whom one may be the run itself."""
        if copying and in_map:
            ends = self.last
            self.guards = [len(after) > (n != ends) for n, after in enumerate(self.successors)]
        elif copying:
            self.guards = self.successors
        self.guards_item = copying and in_map and sum(map(_items_of, nodes)) > 1
        """Whether several take the item."""

    def _link(self) -> None:
        position = {node.name: index for index, node in enumerate(self.nodes)}
        self.successors: list[list[int]] = [[] for _ in self.nodes]
        self.missing: list[int] = []
        """The number of predecessors of each node."""
        for index, node in enumerate(self.nodes):
            before = node.predecessors
            self.missing.append(len(before))
            for name in before:
                self.successors[position[name]].append(index)
        follows = (after in self.successors[after - 1] for after in range(1, len(self.nodes)))
        self.is_straight = not self.bodies and all(follows)
        """Whether at most one step can run at any time."""

    def _is_spooled(self, index: int, graph: Graph) -> bool:
        name, after = self.nodes[index].name, self.successors[index]
        if index == self.last or not after:
            return False
        takers = [self.nodes[one] for one in after]
        if not all(isinstance(one, Node) for one in takers):
            return False
        return all(
            # More often than that, it is also an ordinary argument, or a part of one.
            _count(one, name) == sum(map_.name == name for _, _, map_ in streams_of(graph, one))
            for one in takers
            if isinstance(one, Node)
        )

    def _is_fed(self, index: int) -> bool:
        node, after = self.nodes[index], [self.nodes[one] for one in self.successors[index]]
        if not isinstance(node, Node) or not node.step.has_code or len(after) != 1:
            return False
        (one,) = after
        return (
            isinstance(one, Map)
            and one.items == Output(node.name)
            and one.options.mode == "distributed"
            and _count(one, node.name) == 1
            and index != self.last
            and not node.step.options.callback
        )

    def _parted(self, parts: Sequence[Collection[str]]) -> list[list[int]]:
        """Make each group of nodes wait for the one before, and return the groups."""
        position = {node.name: index for index, node in enumerate(self.nodes)}
        groups = [sorted(map(position.__getitem__, part)) for part in parts]
        self.order = [index for group in groups for index in group]
        self.releases = [list(after) for after in self.successors]
        for before, after in pairwise(groups):
            inner = {index for one in after for index in self.successors[one]}
            first = [one for one in after if one not in inner]
            for one in before:
                if not set(before).intersection(self.successors[one]):
                    added = [index for index in first if index not in self.successors[one]]
                    self.releases[one] += added
                    for index in added:
                        self.missing[index] += 1
        return groups

    @cached_property
    def careful(self) -> list[Gather]:
        """As :attr:`gather`, with a copy of what the step could change."""
        binder = Binder(self.nodes, self._parameters, in_map=self._in_map, serializer=Copies())
        return [binder.gather(node) for node in self.nodes]

    def parameter(self, name: str) -> int:
        """Return the index of a parameter among the values."""
        return len(self.nodes) + self._parameters.index(name)

    def thawed(self, value: Any) -> Any:
        """Return an element of the values as its consumer receives it."""
        return plain(value) if self._serializer is None else self._serializer.thaw(value)

    def values(self, parameters: Mapping[str, Any], *item: Any) -> list[Any]:
        """Return the initial list of values of an evaluation.

        Args:
            parameters: Values of the parameters, by name.
            item: The item, or a placeholder until it is known.
        """
        given = [parameters[name] for name in self._parameters]
        if self.copying:
            limit = LARGEST_OF_ITEMS if self._in_map else LARGEST
            given = [guarded(value, limit) for value in given]
        return [*[NOTHING] * len(self.nodes), *given, *item, *self._literals]


def _items_of(node: AnyNode) -> int:
    """How often a node takes the item."""
    return sum(isinstance(leaf, Item) for one in node.bindings for leaf in leaves(one))


def _count(node: AnyNode, name: str) -> int:
    """How often a node takes the result of another."""
    return sum(one == name for binding in node.bindings for one in outputs_in(binding))


def _is_met(
    when: Any, taken: Any, around: Around | None, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> bool:
    # Imported here: the runtime imports json, which only conditions need.
    from lokki_tf.runtime.conditions import is_met

    with nullcontext() if around is None else around.environment():
        return is_met(when, taken, args, kwargs)
