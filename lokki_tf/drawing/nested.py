"""Layout of the nodes of a graph, and of the graphs inside its maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from lokki_tf.model import Map, generations

from .boxes import Moved, SubPipeline, grouped, label_of
from .characters import CHARACTER, columns
from .layers import HEIGHT, PADDING, Item, Link, Point, arrange
from .ways import downward

if TYPE_CHECKING:
    from lokki_tf.model import Graph

TITLE = 24.0
LINE = 15.0


@dataclass(frozen=True, slots=True)
class Box:
    """A node.

    Args:
        name: Name of the node.
        label: First line of text.
        corner: Upper left corner, relative to its graph.
        width: Width in pixels.
        height: Height in pixels.
        body: Layout of a map's body.
        inside: Upper left corner of the body, relative to ``corner``.
        note: Second line of text, if any.
    """

    name: str
    label: str
    corner: Point
    width: float
    height: float
    body: Layout | None
    inside: Point
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow.

    Args:
        before: Name of the node that it leaves.
        after: Name of the node that it enters.
        points: The points that it passes.
        carries: Whether ``after`` receives the result of ``before``.
    """

    before: str
    after: str
    points: tuple[Point, ...]
    carries: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """A graph with positions of all its boxes and arrows."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]


def layout(graph: Graph, notes: Mapping[str, str] = MappingProxyType({})) -> Layout:
    """Compute the positions of the nodes of a graph, and of those in its maps.

    Args:
        graph: The graph.
        notes: A second line for boxes, by the names of the graph's own nodes.
    """
    return _arranged(grouped(graph.nodes), notes)


def _arranged(drawn: Sequence[Moved | SubPipeline], notes: Mapping[str, str]) -> Layout:
    bodies = {one.name: body for one in drawn if (body := _body(one, notes)) is not None}
    items = {one.name: _item(one, bodies.get(one.name), notes.get(one.name)) for one in drawn}
    levels = [[one.name for one in level] for level in generations(drawn)]
    joined = [(before, one.name) for one in drawn for before in one.predecessors]
    arranged = arrange(items, levels, [Link(*both, shared=both) for both in joined])
    boxes = tuple(
        _box(one, items[one.name], bodies.get(one.name), notes.get(one.name)) for one in drawn
    )
    inputs = {one.name: frozenset(one.inputs) for one in drawn}
    edges = tuple(
        Edge(before, after, downward(way), before in inputs[after])
        for (before, after), way in zip(joined, arranged.ways, strict=True)
    )
    return Layout(arranged.width, arranged.height, boxes, edges)


def _body(one: Moved | SubPipeline, notes: Mapping[str, str]) -> Layout | None:
    if isinstance(one, SubPipeline):
        return _arranged(one.members, notes)
    return layout(one.node.body) if isinstance(one.node, Map) else None


def _item(node: Moved | SubPipeline, body: Layout | None, note: str | None) -> Item:
    width = max(columns(_label(node)), columns(note or "")) * CHARACTER + 2 * PADDING
    if body is None:
        return Item(width, HEIGHT + _extra(note))
    height = body.height + TITLE + _extra(note) + PADDING
    return Item(max(width, body.width + 2 * PADDING), height)


def _extra(note: str | None) -> float:
    return 0.0 if note is None else LINE


def _label(drawn: Moved | SubPipeline) -> str:
    if isinstance(drawn, SubPipeline):
        return drawn.title
    return label_of(drawn.node)


def _box(node: Moved | SubPipeline, item: Item, body: Layout | None, note: str | None) -> Box:
    corner = Point(item.x - item.width / 2, item.y)
    inside = Point((item.width - body.width) / 2 if body else 0.0, TITLE + _extra(note))
    return Box(node.name, _label(node), corner, item.width, item.height, body, inside, note)
