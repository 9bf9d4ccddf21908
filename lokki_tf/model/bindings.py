"""Bindings: the sources of a step's arguments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from typing import Literal as OneOf


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A value in the definition itself; the step receives an equal one."""

    value: Any


@dataclass(frozen=True, slots=True)
class Output:
    """The result of another node of the same graph."""

    node: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the flow; inside a map, an argument that every item receives."""

    name: str


@dataclass(frozen=True, slots=True)
class Item:
    """The item of a map for which the map's body runs."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """A list, tuple, set, frozenset or dict that contains results of nodes at any depth.

    Args:
        kind: The type of the collection.
        members: Its elements; for a dict, its values.
        keys: The keys of a dict, in the order of ``members``; else empty.
    """

    kind: OneOf["list", "tuple", "set", "frozenset", "dict"]
    members: tuple[Binding, ...]
    keys: tuple[Any, ...] = ()


Binding = Literal | Output | Parameter | Item | Group


def leaves(binding: Binding) -> Iterator[Literal | Output | Parameter | Item]:
    """Yield the innermost bindings of a binding, in order."""
    waiting = [binding]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Group):
            waiting.extend(reversed(current.members))
        else:
            yield current


def outputs_in(binding: Binding) -> Iterator[str]:
    """Yield the names of the nodes whose results a binding requires, in order, with repeats."""
    return (leaf.node for leaf in leaves(binding) if isinstance(leaf, Output))
