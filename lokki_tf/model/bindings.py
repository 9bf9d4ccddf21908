"""Where a step's argument comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from typing import Literal as OneOf


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A value that stands in the pipeline itself; it arrives as it was."""

    value: Any


@dataclass(frozen=True, slots=True)
class Output:
    """The result of another node of the same graph."""

    node: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the flow; inside a map, an argument that the map hands to every item."""

    name: str


@dataclass(frozen=True, slots=True)
class Item:
    """The item that a map's body is run for."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """A list, tuple, set, frozenset or dict with results of nodes somewhere inside.

    Args:
        kind: What is built.
        members: Its elements; for a dict, its values.
        keys: A dict's keys, in the order of ``members``; else empty.
    """

    kind: OneOf["list", "tuple", "set", "frozenset", "dict"]
    members: tuple[Binding, ...]
    keys: tuple[Any, ...] = ()


Binding = Literal | Output | Parameter | Item | Group


def leaves(binding: Binding) -> Iterator[Literal | Output | Parameter | Item]:
    """What a binding is made of in the end, in order."""
    waiting = [binding]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Group):
            waiting.extend(reversed(current.members))
        else:
            yield current


def outputs_in(binding: Binding) -> Iterator[str]:
    """The names of the nodes whose results a binding needs, in order, repeats included."""
    return (leaf.node for leaf in leaves(binding) if isinstance(leaf, Output))
