"""Sub-pipelines in pictures: nodes in the boxes of the pipelines that contain them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lokki_tf.errors import CycleError
from lokki_tf.model import Map, Wait, topological_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lokki_tf.model import AnyNode


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
    members: tuple[Moved | SubPipeline, ...]
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


def label_of(node: AnyNode) -> str:
    """Return the first line of a node in pictures: its name, and what it does if it runs no step.

    Args:
        node: The node.
    """
    if isinstance(node, Map):
        return f"{node.name}: for each item"
    if isinstance(node, Wait):
        return f"{node.name}: {node.label}"
    starts = node.step.starts
    return node.name if starts is None else f"{node.name}: starts {starts.name}"


def _shape_of(one: AnyNode, depth: int) -> str:
    """Return the name of a node, or of the box in which it is drawn; no node's name has a space."""
    return f"{'.'.join(one.box[: depth + 1])} " if len(one.box) > depth else one.name
