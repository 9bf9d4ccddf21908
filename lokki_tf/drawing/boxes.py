"""Sub-pipelines in pictures: nodes in the boxes of the pipelines that contain them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lokki_tf.errors import CycleError
from lokki_tf.model import Map, Wait, topological_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lokki_tf.model import AnyNode

_NUMBER = re.compile(r"_\d+$")


@dataclass(frozen=True, slots=True, eq=False)
class SubPipeline:
    """The box of a sub-pipeline.

    Args:
        name: Unique among the nodes and boxes of a graph.
        title: The sub-pipeline's name.
        members: Its nodes, and the boxes in it, in an order in which they could run.
        predecessors: Names of what comes before it, in the graph or the box that contains it.
        inputs: Names of that of which it uses results.
    """

    name: str
    title: str
    members: tuple[Drawn, ...]
    predecessors: tuple[str, ...]
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """A node whose predecessors are named as they are drawn: some are in boxes.

    Args:
        node: The node.
        predecessors: Names of what comes before it.
        inputs: Names of that of which it uses results.
    """

    node: AnyNode
    predecessors: tuple[str, ...]
    inputs: tuple[str, ...]

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Equal nodes, or equal sub-pipelines, that are drawn as one.

    Args:
        label: Their name without the numbers of later calls.
        first: The first of them; of sub-pipelines, one whose members are stacks.
        all: All of them.
        predecessors: Names of what comes before them, as it is drawn.
        inputs: Names of that of which they use results.
        is_counted: Whether their number is shown; in a stack of sub-pipelines only that of the
            sub-pipelines is.
    """

    label: str
    first: Moved | SubPipeline
    all: tuple[Moved | SubPipeline, ...]
    predecessors: tuple[str, ...]
    inputs: tuple[str, ...]
    is_counted: bool = True

    @property
    def name(self) -> str:
        """The name of the first of them."""
        return self.first.name

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all."""
        return tuple(one.title if isinstance(one, SubPipeline) else one.name for one in self.all)

    @property
    def custom_names(self) -> tuple[str, ...]:
        """The names, unless they only differ by the numbers of later calls."""
        if not self.is_counted or all(base_of(name) == self.label for name in self.names):
            return ()
        return self.names


Drawn = Moved | SubPipeline | Stack
"""What is drawn as a box: a node, a sub-pipeline, or several equal ones."""


def base_of(name: str) -> str:
    """Return a name without the number that distinguishes a later call: ``fetch_2``."""
    return _NUMBER.sub("", name)


def grouped(nodes: Sequence[AnyNode], depth: int = 0) -> list[Moved | SubPipeline]:
    """Return nodes, and boxes around those of sub-pipelines.

    Args:
        nodes: Nodes of a graph, or of a box.
        depth: Number of boxes around them.
    """
    shapes = {one.name: _shape_of(one, depth) for one in nodes}
    members: dict[str, list[AnyNode]] = {}
    for one in nodes:
        members.setdefault(shapes[one.name], []).append(one)

    def before(inside: Sequence[AnyNode], shape: str, names: str) -> tuple[str, ...]:
        found = (shapes.get(name) for one in inside for name in getattr(one, names))
        return tuple(dict.fromkeys(one for one in found if one not in (None, shape)))

    made: dict[str, Moved | SubPipeline] = {}
    for shape, inside in members.items():
        linked = before(inside, shape, "predecessors"), before(inside, shape, "inputs")
        if len(inside[0].box) > depth:
            content = tuple(grouped(inside, depth + 1))
            made[shape] = SubPipeline(shape, inside[0].box[depth], content, *linked)
        else:
            made[shape] = Moved(inside[0], *linked)
    try:
        order = topological_order({name: one.predecessors for name, one in made.items()})
    except CycleError:  # a node comes after one of a box and before another of it
        return [Moved(one, one.predecessors, one.inputs) for one in nodes]
    return [made[name] for name in order]


def title_of(drawn: Drawn) -> str:
    """Return the first line of a box in pictures.

    Args:
        drawn: What is drawn.
    """
    return name_in(drawn) + doing_in(drawn)


def name_in(drawn: Drawn) -> str:
    """Return the name in a box; of several equal ones with their number."""
    if isinstance(drawn, Stack):
        return f"{drawn.label} ×{len(drawn.all):,}" if drawn.is_counted else drawn.label
    return drawn.title if isinstance(drawn, SubPipeline) else drawn.name


def doing_in(drawn: Drawn) -> str:
    """Return what is written after the name in a box: what a node does that runs no step."""
    node = node_of(drawn)
    return "" if node is None else _doing(node)


def members_of(drawn: Drawn) -> tuple[Drawn, ...]:
    """Return what is in the box of a sub-pipeline."""
    first = drawn.first if isinstance(drawn, Stack) else drawn
    return first.members if isinstance(first, SubPipeline) else ()


def node_of(drawn: Drawn) -> AnyNode | None:
    """Return the node of a box, of several equal ones the first; ``None`` for sub-pipelines."""
    first = drawn.first if isinstance(drawn, Stack) else drawn
    return first.node if isinstance(first, Moved) else None


def names_of(drawn: Drawn) -> tuple[str, ...]:
    """Return the names of the nodes of a box, or that of a sub-pipeline's box."""
    return drawn.names if isinstance(drawn, Stack) else (drawn.name,)


def _doing(node: AnyNode) -> str:
    if isinstance(node, Map):
        return ": for each item"
    if isinstance(node, Wait):
        return f": {node.label}"
    return "" if node.step.starts is None else f": starts {node.step.starts.name}"


def _shape_of(one: AnyNode, depth: int) -> str:
    """Return the name of a node, or of the box in which it is drawn; no node's name has a space."""
    return f"{'.'.join(one.box[: depth + 1])} " if len(one.box) > depth else one.name
