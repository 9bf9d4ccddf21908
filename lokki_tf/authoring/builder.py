"""The builder of graphs, from the calls of any style."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lokki_tf.errors import BindingError, CycleError
from lokki_tf.model import (
    Binding,
    Graph,
    Group,
    Item,
    Literal,
    Map,
    Node,
    Output,
    Parameter,
    topological_order,
)

from .arguments import Argument, closed, placeholders_in
from .calls import Call, MapCall
from .nesting import refuse_pipeline
from .placeholders import FlowArgument, ItemArgument, Placeholder
from .places import calling_place
from .same import one_a_name

Made = Call | MapCall

NOT_CALLS = "steps must contain calls of steps, got "
"""The beginning of the message for ends that are not calls."""


def build_graph(ends: Iterable[Any]) -> Graph:
    """Return the graph of all calls that the given ones depend on, themselves included.

    Args:
        ends: Calls of steps, and chains.

    Returns:
        Nodes in the order in which they were written, as far as dependencies allow.

    Raises:
        BindingError: If there are none, or one is not a call of a step.
        NamingError: If two different functions share a step's name.
        CycleError: If calls depend on each other.
    """
    return _Builder(_checked(ends)).graph(None)


def _checked(ends: Iterable[Any]) -> list[Made]:
    given = [ends] if isinstance(ends, Placeholder) or not hasattr(ends, "__iter__") else list(ends)
    if not given:
        raise BindingError(
            "the pipeline has no steps",
            place=calling_place(),
            remedy="pass the last calls: steps=[report(rows)]",
        )
    found: list[Made] = []
    for end in map(closed, given):
        if getattr(end, "__lokki_step__", False):
            raise BindingError(
                f"{NOT_CALLS}step {end.__name__!r} itself",
                place=calling_place(),
                remedy=f"call it: steps=[{end.__name__}(…)]",
            )
        refuse_pipeline(end, calling_place())
        if not isinstance(end, Call | MapCall):
            raise BindingError(
                f"{NOT_CALLS}{end!r}",
                place=calling_place(),
                remedy="use the results of calls of @step functions: steps=[report(rows)]",
            )
        found.append(end)
    return found


def _needs(made: Made) -> list[Placeholder]:
    if isinstance(made, MapCall):
        assert made._end is not None
        return [made._source, made._end, *made._after]
    arguments: list[Argument] = [*made._args, *made._kwargs.values()]
    return [*(other for one in arguments for other in placeholders_in(one)), *made._after]


class _Builder:
    """Builds the graph and those of its maps.

    Args:
        ends: The last calls of the pipeline.
    """

    def __init__(self, ends: list[Made]) -> None:
        self.made = sorted(_reachable(ends), key=lambda one: one._created)
        self.steps = one_a_name([one for one in self.made if isinstance(one, Call)])
        self.names = _names(self.made, {step.name for step in self.steps})
        self.captured: dict[MapCall, dict[str, Placeholder]] = {}

    def graph(self, home: MapCall | None) -> Graph:
        """Return the graph of a map's body, or of everything outside of maps."""
        nodes: dict[str, Node | Map] = {}
        for one in self.made:
            if one._home is home:
                name = self.names[one]
                nodes[name] = self._map(one) if isinstance(one, MapCall) else self._node(one)
        try:
            order = topological_order({name: node.predecessors for name, node in nodes.items()})
        except CycleError as error:
            first = next(one for one in self.made if self.names[one] in error.message)
            raise CycleError(error.message, place=first._place, remedy=error.remedy) from None
        return Graph(tuple(nodes[name] for name in order))

    def _node(self, call: Call) -> Node:
        home = call._home
        return Node(
            name=self.names[call],
            step=self.steps[call._step],
            args=tuple(self._binding(one, home) for one in call._args),
            kwargs=tuple((name, self._binding(one, home)) for name, one in call._kwargs.items()),
            after=self._after(call),
            retry=call._retry,
            place=call._place,
            when=call._when,
        )

    def _map(self, one: MapCall) -> Map:
        captured = self.captured[one] = {}
        body = self.graph(one)
        return Map(
            name=self.names[one],
            items=self._binding(one._source, one._home),
            body=body,
            arguments=tuple(
                (name, self._binding(value, one._home)) for name, value in captured.items()
            ),
            options=one._options,
            after=self._after(one),
            place=one._place,
        )

    def _after(self, made: Made) -> tuple[str, ...]:
        for other in made._after:
            if other._home is not made._home:
                raise BindingError(
                    "after() joins a step inside a map with one outside",
                    place=made._place,
                    remedy="let the map's .agg(…) step, or the step before the map, wait",
                )
        return tuple(dict.fromkeys(self.names[other] for other in made._after))

    def _binding(self, argument: Argument, home: MapCall | None) -> Binding:
        """Return the binding of an argument inside the body of ``home``."""
        if isinstance(argument, Literal):
            return argument
        if isinstance(argument, Group):
            members: Any = argument.members
            bindings = tuple(self._binding(member, home) for member in members)
            return Group(argument.kind, bindings, argument.keys)
        if isinstance(argument, FlowArgument):
            return self._outer(argument, argument._name, home)
        if isinstance(argument, ItemArgument):
            if home is not None and argument is home._item:
                return Item()
            return self._outer(argument, f"item_{argument._created}", home)
        assert isinstance(argument, Call | MapCall)
        if argument._home is home:
            return Output(self.names[argument])
        return self._outer(argument, self.names[argument], home)

    def _outer(self, value: Placeholder, name: str, home: MapCall | None) -> Binding:
        """Return a binding to a value outside of a map, which becomes an argument of the map."""
        if home is None:
            if isinstance(value, FlowArgument):
                return Parameter(name)
            raise BindingError(
                "a result from inside a map is used outside of it",
                place=value._place,
                remedy="close the map with .agg(step), and use its result",
            )
        self.captured[home][name] = value
        return Parameter(name)


def _reachable(ends: list[Made]) -> set[Made]:
    found, waiting = set(ends), list(ends)
    while waiting:
        for other in _needs(waiting.pop()):
            if isinstance(other, Call | MapCall) and other not in found:
                found.add(other)
                waiting.append(other)
    return found


def _names(made: list[Made], steps: set[str]) -> dict[Made, str]:
    """Return a name for each node: the step's name, with a number after the first node.

    A map has the name of the first step of its body.
    """
    first: dict[MapCall, str] = {}
    for one in made:
        if isinstance(one, Call) and one._home is not None:
            first.setdefault(one._home, one._step.name)
    taken, count = set(steps), dict[str, int]()
    names: dict[Made, str] = {}
    for one in made:
        base = one._step.name if isinstance(one, Call) else f"{first[one]}_map"
        number = count.get(base, 0) + 1
        own = number == 1 and isinstance(one, Call)
        name = base if number == 1 else f"{base}_{number}"
        while not own and name in taken:
            number += 1
            name = f"{base}_{number}"
        count[base] = number
        taken.add(name)
        names[one] = name
    return names
