"""From calls to a graph: the one builder that every style goes through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError, NamingError
from lokki_tf.model import Binding, Graph, Group, Literal, Node, Output, Step, topological_order

from .calls import Call, calls_in
from .places import calling_place

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .calls import Argument


def build_graph(ends: Iterable[Any]) -> Graph:
    """The graph of all calls that the given ones depend on, themselves included.

    Args:
        ends: Calls of steps.

    Returns:
        Nodes in the order in which they were written, as far as dependencies allow.

    Raises:
        BindingError: If there are none, or one is no call of a step.
        NamingError: If two different functions share a step's name.
        CycleError: If calls wait for each other.
    """
    calls = sorted(_reachable(_checked(ends)), key=lambda call: call._created)
    _refuse_shared_names(call._step for call in calls)
    names = _node_names(calls)
    before = {names[call]: [names[other] for other in _needs(call)] for call in calls}
    nodes = {names[call]: _node(call, names) for call in calls}
    return Graph(tuple(nodes[name] for name in topological_order(before)))


def _checked(ends: Iterable[Any]) -> list[Call]:
    if isinstance(ends, Call) or not hasattr(ends, "__iter__"):
        ends = [ends]
    given = list(ends)
    if not given:
        raise BindingError(
            "the pipeline has no steps",
            place=calling_place(),
            remedy="hand it the last calls: steps=[report(rows)]",
        )
    for end in given:
        if getattr(end, "__lokki_step__", False):
            raise BindingError(
                f"steps holds step {end.__name__!r} itself, not a call of it",
                place=calling_place(),
                remedy=f"call it: steps=[{end.__name__}(…)]",
            )
        if not isinstance(end, Call):
            raise BindingError(
                f"steps holds {end!r}, which is no call of a step",
                place=calling_place(),
                remedy="put there what calls of @step functions return: steps=[report(rows)]",
            )
    return given


def _needs(call: Call) -> list[Call]:
    arguments: list[Argument] = [*call._args, *call._kwargs.values()]
    return [*(other for one in arguments for other in calls_in(one)), *call._after]


def _reachable(ends: list[Call]) -> set[Call]:
    found, waiting = set(ends), list(ends)
    while waiting:
        for other in _needs(waiting.pop()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def _refuse_shared_names(steps: Iterable[Step]) -> None:
    first: dict[str, Step] = {}
    for step in dict.fromkeys(steps):
        other = first.setdefault(step.name, step)
        if other is not step:
            raise NamingError(
                f"two different steps are named {step.name!r}: "
                f"one at {other.place}, one at {step.place}",
                place=step.place,
                remedy='give one a name of its own: @step(name="…")',
            )


def _node_names(calls: list[Call]) -> dict[Call, str]:
    """A step's first node bears its name, later ones a number that no other name has."""
    taken = {call._step.name for call in calls}
    count: dict[str, int] = {}
    names: dict[Call, str] = {}
    for call in calls:
        base = call._step.name
        number = count.get(base, 0) + 1
        name = base if number == 1 else f"{base}_{number}"
        while number > 1 and name in taken:
            number += 1
            name = f"{base}_{number}"
        count[base] = number
        taken.add(name)
        names[call] = name
    return names


def _node(call: Call, names: dict[Call, str]) -> Node:
    return Node(
        name=names[call],
        step=call._step,
        args=tuple(_binding(one, names) for one in call._args),
        kwargs=tuple((name, _binding(one, names)) for name, one in call._kwargs.items()),
        after=tuple(dict.fromkeys(names[other] for other in call._after)),
        retry=call._retry,
        place=call._place,
    )


def _binding(argument: Argument, names: dict[Call, str]) -> Binding:
    if isinstance(argument, Call):
        return Output(names[argument])
    if isinstance(argument, Group):
        members: Any = argument.members
        return Group(
            argument.kind, tuple(_binding(member, names) for member in members), argument.keys
        )
    assert isinstance(argument, Literal)
    return argument
