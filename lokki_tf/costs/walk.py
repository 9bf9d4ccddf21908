"""How often an execution enters each state, from the compiled state machine and assumptions.

An execution without errors is assumed that takes the path with the most states. In a routed
pipeline, whose states form loops, every step is entered once.

Source: Step Functions Developer Guide, "Transitions in state machines": each state that is entered
is a transition; an inline map's iteration is none, and each child of a Distributed Map is one.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Scope:
    """States that are entered together: the whole state machine, or the body of a map.

    Args:
        map: The state of the map whose body it is; empty for the state machine.
        express: Whether its states are those of Express executions, whose transitions are free.
        children: How many executions of their own it has.
        items: How many items each of them has: those of a batch, else one.
        entered: How often each state is entered, over all of them.
        states: The states.
    """

    map: str
    express: bool
    children: float
    items: float
    entered: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    states: dict[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changed:
    """A change to a map, to compare its price.

    Args:
        map: The state of the map.
        batch: The number of items of a batch.
        express: Whether its children are Express executions.
    """

    map: str
    batch: int = 1
    express: bool = False


def walk(
    machine: Mapping[str, Any],
    items: Callable[[str], float],
    visits: Callable[[Mapping[str, Any]], float | None],
    changed: Changed | None = None,
) -> list[Scope]:
    """Return the scopes of a state machine, the outermost first.

    Args:
        machine: Amazon States Language.
        items: Returns the number of items of a map's list, by the name of its state.
        visits: Returns how often the state of a step is entered, with retries and loops, where it
            is reached once; ``None`` for other states.
        changed: A change to one of its maps.
    """
    first = Scope("", express=False, children=1.0, items=1.0)
    return [first, *_Walk(items, visits, changed).of(machine, first, 1.0)]


@dataclass(frozen=True, slots=True)
class _Walk:
    items: Callable[[str], float]
    visits: Callable[[Mapping[str, Any]], float | None]
    changed: Changed | None

    def of(self, machine: Mapping[str, Any], scope: Scope, times: float) -> Iterator[Scope]:
        """Count the states of a ``States`` object; yield the scopes of its Distributed Maps."""
        states = machine["States"]
        for name, before in _longest_path(machine).items():
            state = states[name]
            often = self._entered(state, before, scope, times)
            scope.states[name] = state
            scope.entered[name] += often
            for branch in state.get("Branches", ()):
                yield from self.of(branch, scope, often)
            if "ItemProcessor" in state:
                yield from self._map(name, state, scope, often)

    def _entered(
        self, state: Mapping[str, Any], before: str | None, scope: Scope, times: float
    ) -> float:
        given = self.visits(state)
        if given is not None:
            return times * given
        # In a loop, a choice is entered as often as the step before it.
        return times if before is None else scope.entered[before]

    def _map(
        self, name: str, state: Mapping[str, Any], scope: Scope, times: float
    ) -> Iterator[Scope]:
        body, number = state["ItemProcessor"], self.items(name)
        config = body.get("ProcessorConfig", {})
        if config.get("Mode") != "DISTRIBUTED":
            yield from self.of(body, scope, times * number)
            return
        batch = int(state.get("ItemBatcher", {}).get("MaxItemsPerBatch", 1))
        express = config.get("ExecutionType") == "EXPRESS"
        if self.changed is not None and self.changed.map == name:
            batch, express = max(batch, self.changed.batch), express or self.changed.express
        children = times * ceil(number / batch)
        inner = Scope(name, express, children, number * times / children if children else 1.0)
        yield inner
        yield from self.of(body, inner, children)


def _longest_path(machine: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the states of the path with the most; all states, if they form loops.

    Returns:
        Their names; in loops, each with the state before it.
    """
    states, first = machine["States"], machine["StartAt"]
    best: dict[str, list[str]] = {}
    order, seen = _in_order(states, first)
    if order is None:
        return seen
    for name in order:
        paths = [best[one] for one in following(states[name])]
        best[name] = [name, *max(paths, key=len, default=[])]
    return dict.fromkeys(best[first])


def _in_order(
    states: Mapping[str, Any], first: str
) -> tuple[list[str] | None, dict[str, str | None]]:
    """Return the reachable states, each after those that follow it; ``None`` with a loop."""
    seen: dict[str, str | None] = {first: None}
    done: list[str] = []
    path = {first: iter(following(states[first]))}
    loop = False
    while path:
        name, rest = next(reversed(path.items()))
        target = next(rest, None)
        if target is None:
            del path[name]
            done.append(name)
        elif target in path:
            loop = True
        elif target not in seen:
            seen[target] = name
            path[target] = iter(following(states[target]))
    return (None if loop else done), seen


def following(state: Mapping[str, Any]) -> list[str]:
    """Return the states that may follow one, without those that follow an error."""
    found = [
        state.get("Next"),
        state.get("Default"),
        *(c["Next"] for c in state.get("Choices", ())),
    ]
    return [one for one in dict.fromkeys(found) if one is not None]
