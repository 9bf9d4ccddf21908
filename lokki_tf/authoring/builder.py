"""The builder of graphs, from the calls of any style."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from lokki_tf.errors import BindingError, CycleError
from lokki_tf.model import (
    AnyNode,
    Binding,
    Dataset,
    FlowParameter,
    Graph,
    Group,
    Item,
    Literal,
    Map,
    Node,
    Output,
    Parameter,
    Part,
    Step,
    TerraformRef,
    UnusedLimit,
    Wait,
    shortened,
    topological_order,
)

from .arguments import closed, results_of
from .nesting import is_pipeline, map_in_batch, refuse_pipeline
from .parameters import declarations
from .placeholders import Placeholder
from .places import calling_place
from .same import one_a_name
from .specs import (
    Argument,
    Box,
    CallSpec,
    ItemSpec,
    MapSpec,
    NodeSpec,
    ParameterSpec,
    PartSpec,
    ValueSpec,
    WaitSpec,
    needs_of,
    reachable,
    specs_in,
)
from .stepped import Stepped

_LONGEST = 74
"""Characters of a node's name without its number; a state's name has at most 80."""
NOT_CALLS = "steps must contain calls of steps, got "
"""The beginning of the message for ends that are not calls."""


class Built(NamedTuple):
    """A graph, and the parameters of a run that its calls declare.

    Args:
        graph: Nodes in the order in which they were written, as far as dependencies allow.
        parameters: The declarations, each once.
        unused_limits: The limits of the pipelines that the calls include.
    """

    graph: Graph
    parameters: tuple[FlowParameter, ...]
    unused_limits: tuple[UnusedLimit, ...]


def graph_of(ends: Iterable[NodeSpec]) -> Graph:
    """Return the graph of calls and of all that they depend on, as :func:`built` does."""
    return built(ends).graph


def built(ends: Iterable[NodeSpec]) -> Built:
    """Return the graph of calls and of all that they depend on, and its parameters.

    Args:
        ends: Specs of the last calls.

    Raises:
        BindingError: If a result is used outside of the map that it is in, or two declarations of
            a parameter differ.
        NamingError: If two different functions share a step's name.
        CycleError: If calls depend on each other.
    """
    builder = _Builder(list(ends))
    return Built(builder.graph(None), declarations(builder.declared), _limits(builder))


def ends_in(
    ends: Sequence[NodeSpec],
) -> tuple[Graph, list[str], tuple[UnusedLimit, ...]]:
    """Return the graph of calls, as :func:`built` does, and the names of the nodes of the ends.

    Also returns the limits of the pipelines that the calls include.

    Args:
        ends: Specs of the last calls.
    """
    builder = _Builder(list(ends))
    names = [builder.names[one] for one in ends]
    return builder.graph(None), names, _limits(builder)


def called_last(ends: Iterable[NodeSpec], call: CallSpec) -> tuple[Node, list[FlowParameter]]:
    """Return the node of a call that is not in the graph and uses its results.

    Also returns the parameters that its arguments declare.

    Args:
        ends: Specs of the last calls of the graph.
        call: The call, which is in no map.

    Raises:
        BindingError: If it uses a call that is not in the graph, or that is in a map.
    """
    builder = _Builder(list(ends))
    for one in needs_of(call):
        if isinstance(one, NodeSpec) and one not in builder.names:
            raise BindingError(
                f"{one.what} is an argument of cleanup step {call.step.name!r}, but is not part "
                "of the pipeline",
                place=call.place,
                remedy="add the call to steps=, or pass a result of the pipeline",
            )
    return builder.last(call), builder.declared


def ends_of(ends: Iterable[Any]) -> list[NodeSpec]:
    """Return the specs of a pipeline's last calls.

    Args:
        ends: Placeholders: results of calls, and chains.

    Raises:
        BindingError: If there are none, or one is not a call of a step.
    """
    alone = isinstance(ends, Placeholder) or is_pipeline(ends) or not hasattr(ends, "__iter__")
    given: list[Any] = [ends] if alone else list(ends)
    if not given:
        raise BindingError(
            "the pipeline has no steps",
            place=calling_place(),
            remedy="pass the last calls: steps=[report(rows)]",
        )
    found: list[NodeSpec] = []
    for end in results_of(given):
        if isinstance(end, Stepped):
            raise BindingError(
                f"{NOT_CALLS}step {end.__name__!r} itself",
                place=calling_place(),
                remedy=f"call it: steps=[{end.__name__}(…)]",
            )
        refuse_pipeline(end, calling_place())
        spec = closed(end, calling_place())
        if isinstance(spec, PartSpec):
            raise BindingError(
                f"{NOT_CALLS}{spec.what}",
                place=calling_place(),
                remedy="end with the call itself: its whole result is an output of the pipeline",
            )
        if not isinstance(spec, NodeSpec):
            raise BindingError(
                f"{NOT_CALLS}{end!r}",
                place=calling_place(),
                remedy="use the results of calls of @step functions: steps=[report(rows)]",
            )
        found.append(spec)
    return found


class _Builder:
    """Builds the graph and those of its maps.

    Args:
        ends: The last calls of the pipeline.
    """

    def __init__(self, ends: list[NodeSpec]) -> None:
        self.made = sorted(reachable(ends), key=lambda one: one.order)
        self.steps = one_a_name([one for one in self.made if isinstance(one, CallSpec)])
        self.names = _names(self.made, {step.name for step in self.steps})
        self.boxes = _boxes(self.made)
        needed = (spec for one in self.made for spec in needs_of(one))
        self.parameters = {one.name for one in needed if isinstance(one, ParameterSpec)}
        self.captured: dict[MapSpec, dict[str, ValueSpec]] = {}
        self.declared: list[FlowParameter] = []

    def graph(self, body: MapSpec | None) -> Graph:
        """Return the graph of a map's body, or of everything outside of maps."""
        nodes: dict[str, AnyNode] = {}
        for one in self.made:
            if one.body is body:
                nodes[self.names[one]] = self._made(one)
        try:
            order = topological_order({name: node.predecessors for name, node in nodes.items()})
        except CycleError as error:
            first = next(one for one in self.made if self.names[one] in error.message)
            raise CycleError(error.message, place=first.place, remedy=error.remedy) from None
        return Graph(tuple(nodes[name] for name in order))

    def _made(self, one: NodeSpec) -> AnyNode:
        if isinstance(one, MapSpec):
            return self._map(one)
        return self._wait(one) if isinstance(one, WaitSpec) else self._node(one)

    def _wait(self, one: WaitSpec) -> Wait:
        value = None if one.value is None else self._binding(one.value, one.body)
        if isinstance(one.until, Step):
            raise BindingError(
                f"wait(until={one.until.name}) has a step that is not called",
                place=one.place,
                remedy=f"call it: wait(until={one.until.name}(…)); a task must be in the same DAG",
            )
        until = None if one.until is None else self._binding(one.until, one.body)
        assert isinstance(value, Output | None)
        assert isinstance(until, Literal | Parameter | Output | None)
        after = self._after(one, (one.value,))
        box = self._box(one)
        return Wait(self.names[one], one.place, one.seconds, until, value, after, box)

    def _box(self, one: NodeSpec) -> tuple[str, ...]:
        """Return the sub-pipelines around a node, within the map that contains it."""
        around = self.boxes[one.body.box] if one.body and one.body.box else ()
        return () if one.box is None else self.boxes[one.box][len(around) :]

    def last(self, call: CallSpec) -> Node:
        """Return the node of a call that is not in the graph."""
        self.steps.setdefault(call.step, call.step)
        self.names[call] = call.step.name
        return self._node(call)

    def _node(self, call: CallSpec) -> Node:
        body = call.body
        arguments = [*call.args, *call.kwargs.values()]
        return Node(
            name=self.names[call],
            step=self.steps[call.step],
            args=tuple(self._binding(one, body) for one in call.args),
            kwargs=tuple((name, self._binding(one, body)) for name, one in call.kwargs.items()),
            after=self._after(call, (spec for one in arguments for spec in specs_in(one))),
            retry=call.retry,
            catch=call.catch,
            place=call.place,
            when=call.condition,
            box=self._box(call),
        )

    def _map(self, one: MapSpec) -> Map:
        captured = self.captured[one] = {}
        body = self.graph(one)
        inner = next((node for node in body.nodes if isinstance(node, Map)), None)
        if inner is not None and one.options.batch_size > 1:  # of an included pipeline
            raise map_in_batch(inner.place, one.place)
        limit = None if one.limit is None else self._binding(one.limit, one.body)
        assert isinstance(limit, Parameter | None)
        return Map(
            name=self.names[one],
            items=self._items(one),
            body=body,
            arguments=tuple(
                (name, self._binding(value, one.body)) for name, value in captured.items()
            ),
            options=one.options,
            after=self._after(one, (*specs_in(one.items), *captured.values())),
            place=one.place,
            box=self._box(one),
            limit=limit,
        )

    def _items(self, one: MapSpec) -> Binding | Dataset:
        found = self._binding(one.items, one.body)
        if not isinstance(one.source, Dataset):
            return found
        assert isinstance(found, Group)
        return replace(one.source, location=found)

    def _after(self, made: NodeSpec, given: Iterable[ValueSpec | None]) -> tuple[str, ...]:
        """Return the nodes that a node follows.

        Args:
            made: The node.
            given: The values that it takes; those of waits in its body are taken after the wait.
        """
        for other in made.after:
            if other.body is not made.body:
                raise BindingError(
                    "after() joins a step inside a map with one outside",
                    place=made.place,
                    remedy="let the map's .agg(…) step, or the step before the map, wait",
                )
        waits = (one for one in given if isinstance(one, WaitSpec) and one.body is made.body)
        return tuple(dict.fromkeys(self.names[other] for other in (*made.after, *waits)))

    def _binding(self, argument: Argument, body: MapSpec | None) -> Binding:
        """Return the binding of an argument inside the body of ``body``."""
        if isinstance(argument, Literal):
            if isinstance(argument.value, Step):  # of start_pipeline() outside of a graph of tasks
                name = argument.value.name
                raise BindingError(
                    f"task {name!r} is a parameter of start_pipeline() without being called",
                    place=argument.value.place,
                    remedy=f"call it: {name}(…); between arrows it must be in the same graph",
                )
            return argument
        if isinstance(argument, TerraformRef):
            return argument
        if isinstance(argument, Group):
            members: Any = argument.members
            bindings = tuple(self._binding(member, body) for member in members)
            return Group(argument.kind, bindings, argument.keys)
        if isinstance(argument, PartSpec):
            of: Any = self._binding(argument.of, body)
            made = argument.of.source if isinstance(argument.of, WaitSpec) else argument.of
            skippable = isinstance(made, CallSpec) and made.condition is not None
            return Part(of, argument.path, argument.of.what, skippable)
        if isinstance(argument, ParameterSpec):
            if argument.declared is not None:
                self.declared.append(argument.declared)
            return self._outer(argument, argument.name, body)
        if isinstance(argument, ItemSpec):
            if body is not None and argument is body.item:
                return Item()
            return self._outer(argument, f"item_{argument.order}", body)
        source = argument.source if isinstance(argument, WaitSpec) else argument
        assert isinstance(source, CallSpec | MapSpec)
        if source.body is body:
            return Output(self.names[source])
        name = self.names[source]
        return self._outer(argument, f"result of {name}" if name in self.parameters else name, body)

    def _outer(self, value: ValueSpec, name: str, body: MapSpec | None) -> Binding:
        """Return a binding to a value outside of a map, which becomes an argument of the map."""
        if body is None:
            if isinstance(value, ParameterSpec):
                return Parameter(name)
            raise BindingError(
                "a result from inside a map is used outside of it",
                place=value.place,
                remedy="close the map with .agg(step), and use its result",
            )
        if not isinstance(self.captured[body].get(name), WaitSpec):
            self.captured[body][name] = value
        return Parameter(name)


def _names(made: list[NodeSpec], steps: set[str]) -> dict[NodeSpec, str]:
    """Return a name for each node: the step's name, with a number after the first node.

    A map has the name of the first step of its body. Names in a sub-pipeline begin with its name.
    """
    first: dict[MapSpec, str] = {}
    for one in made:
        if isinstance(one, CallSpec) and one.body is not None:
            first.setdefault(one.body, _name_in(one.body, one))
    taken, count = set(steps), dict[str, int]()
    boxes = _boxes(made)
    names: dict[NodeSpec, str] = {}
    for one in made:
        base = "wait"
        if not isinstance(one, WaitSpec):
            base = _step_name(one) if isinstance(one, CallSpec) else f"{first[one]}_map"
        if one.box is not None:
            base = shortened(".".join((*boxes[one.box], base)), _LONGEST)
        number = count.get(base, 0) + 1
        own = number == 1 and isinstance(one, CallSpec)
        name = base if number == 1 else f"{base}_{number}"
        while not own and name in taken:
            number += 1
            name = f"{base}_{number}"
        count[base] = number
        taken.add(name)
        names[one] = name
    return names


def _name_in(body: MapSpec, call: CallSpec) -> str:
    """Return the name of a call's step, or of the sub-pipeline of the map's body that it is in."""
    box = call.box
    while box is not None and box.outer is not body.box:
        box = box.outer
    return _step_name(call) if box is None or call.box is body.box else box.name


def _step_name(call: CallSpec) -> str:
    return call.step.name if call.box is None else call.step.own_name


def _boxes(made: Iterable[NodeSpec]) -> dict[Box, tuple[str, ...]]:
    """Return the names of the sub-pipelines around each one, and its own, with a number if used."""
    found: dict[Box, tuple[str, ...]] = {}
    count = Counter[tuple[str, ...]]()

    def named(box: Box) -> tuple[str, ...]:
        if box not in found:
            outer = named(box.outer) if box.outer is not None else ()
            count[*outer, box.name] += 1
            number = count[*outer, box.name]
            found[box] = (*outer, box.name if number == 1 else f"{box.name}_{number}")
        return found[box]

    for one in made:
        if one.box is not None:
            named(one.box)
    return found


def _limits(builder: _Builder) -> tuple[UnusedLimit, ...]:
    found = [
        (".".join(names), box.timeout_seconds, box.place) for box, names in builder.boxes.items()
    ]
    found += [
        (builder.names[one], one.step.routed.timeout_seconds, one.place)
        for one in builder.made
        if isinstance(one, CallSpec) and one.step.routed is not None
    ]
    return tuple(
        UnusedLimit(name, seconds, place) for name, seconds, place in found if seconds is not None
    )
