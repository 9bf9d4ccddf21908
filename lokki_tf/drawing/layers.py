"""Where the nodes of a graph stand in a picture: in levels, near to what they depend on.

After Sugiyama: each node stands one level below the lowest of its predecessors; an arrow that
passes levels gets a place in each of them, so that it crosses no box; a level is ordered, and
then moved, by the mean of what its members are joined to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from lokki_tf.model import Map, generations

from .characters import CHARACTER, columns

if TYPE_CHECKING:
    from lokki_tf.model import Graph, Node

MARGIN = 12.0
TITLE = 24.0
LINE = 15.0
_PADDING, _HEIGHT = 14.0, 32.0
_GAP, _LEVEL_GAP, _BEND = 22.0, 40.0, 6.0
_SWEEPS = 8


class Point(NamedTuple):
    """A point, or a way from one to another."""

    x: float
    y: float

    def __add__(self, other: Point) -> Point:  # type: ignore[override]  # moves, where tuples join
        return Point(self.x + other.x, self.y + other.y)


@dataclass(frozen=True, slots=True)
class Box:
    """A node.

    Args:
        name: Its name.
        label: What stands in it.
        corner: Its upper left corner, in its graph.
        width: Its width.
        height: Its height.
        body: What a map holds.
        inside: Where that begins, from the corner.
        note: What stands below the label, if anything.
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
        points: The way that it takes.
        carries: Whether a result goes along it.
    """

    before: str
    after: str
    points: tuple[Point, ...]
    carries: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """A graph with a place for everything in it."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]


@dataclass(eq=False, slots=True)
class _Item:
    """A node, or an arrow's place, in a level: ``x`` is its middle, ``floor`` the level's end."""

    width: float
    height: float
    above: list[_Item]
    below: list[_Item]
    x: float = 0.0
    y: float = 0.0
    floor: float = 0.0


def layout(graph: Graph, notes: Mapping[str, str] = MappingProxyType({})) -> Layout:
    """Places the nodes of a graph, and of the maps in it.

    Args:
        graph: The graph.
        notes: A second line for the boxes, by the names of the graph's own nodes.
    """
    bodies = {node.name: layout(node.body) for node in graph.nodes if isinstance(node, Map)}
    items = {
        node.name: _item(node, bodies.get(node.name), notes.get(node.name)) for node in graph.nodes
    }
    levels = [[items[node.name] for node in level] for level in generations(graph.nodes)]
    ways = _join(graph, items, levels)
    for sweep in range(_SWEEPS):
        _order(levels, down=sweep % 2 == 0)
    width, height = _place(levels)
    boxes = tuple(
        _box(node, items[node.name], bodies.get(node.name), notes.get(node.name))
        for node in graph.nodes
    )
    inputs = {node.name: frozenset(node.inputs) for node in graph.nodes}
    edges = tuple(
        Edge(before, after, _points(way), before in inputs[after])
        for (before, after), way in ways.items()
    )
    return Layout(width, height, boxes, edges)


def _item(node: Node | Map, body: Layout | None, note: str | None) -> _Item:
    width = max(columns(_label(node)), columns(note or "")) * CHARACTER + 2 * _PADDING
    if body is None:
        return _Item(width, _HEIGHT + _extra(note), [], [])
    height = body.height + TITLE + _extra(note) + _PADDING
    return _Item(max(width, body.width + 2 * _PADDING), height, [], [])


def _extra(note: str | None) -> float:
    return 0.0 if note is None else LINE


def _label(node: Node | Map) -> str:
    return f"{node.name}: for each item" if isinstance(node, Map) else node.name


def _join(
    graph: Graph, items: Mapping[str, _Item], levels: list[list[_Item]]
) -> dict[tuple[str, str], list[_Item]]:
    """Joins what depends on each other, with a place in every level between; gives the ways."""
    level = {id(item): number for number, members in enumerate(levels) for item in members}
    ways: dict[tuple[str, str], list[_Item]] = {}
    for node in graph.nodes:
        for before in node.predecessors:
            first, last = items[before], items[node.name]
            way = [first]
            for number in range(level[id(first)] + 1, level[id(last)]):
                way.append(_Item(_BEND, 0.0, [], []))
                levels[number].append(way[-1])
            way.append(last)
            for upper, lower in pairwise(way):
                upper.below.append(lower)
                lower.above.append(upper)
            ways[before, node.name] = way
    return ways


def _order(levels: list[list[_Item]], *, down: bool) -> None:
    """Sorts each level by the mean place of what its members are joined to."""
    ordered = levels if down else levels[::-1]
    for near, members in pairwise(ordered):
        place = {id(item): number for number, item in enumerate(near)}
        own = {id(item): float(number) for number, item in enumerate(members)}
        for item in members:
            joined = item.above if down else item.below
            if joined:
                own[id(item)] = sum(place[id(other)] for other in joined) / len(joined)
        members.sort(key=lambda item: own[id(item)])


def _place(levels: list[list[_Item]]) -> tuple[float, float]:
    """Gives every item its middle and its top; returns the width and height of all."""
    y = 0.0
    for members in levels:
        height = max(item.height for item in members)
        for item in members:
            item.y, item.height, item.floor = y, item.height or height, y + height
        y += height + _LEVEL_GAP
        _spread(members, [0.0] * len(members))
    for sweep in range(_SWEEPS):
        for members in levels if sweep % 2 == 0 else reversed(levels):
            joined = [item.above if sweep % 2 == 0 else item.below for item in members]
            wanted = [
                sum(other.x for other in others) / len(others) if others else item.x
                for item, others in zip(members, joined, strict=True)
            ]
            _spread(members, wanted)
    everything = [item for members in levels for item in members]
    left = min((item.x - item.width / 2 for item in everything), default=0.0)
    for item in everything:
        item.x -= left
    width = max((item.x + item.width / 2 for item in everything), default=0.0)
    return width, max(y - _LEVEL_GAP, 0.0)


def _spread(members: Sequence[_Item], wanted: Sequence[float]) -> None:
    """Moves a level's members to where they want to be, as near as they may to each other."""
    apart = [(one.width + other.width) / 2 + _GAP for one, other in pairwise(members)]
    right, left = list(wanted), list(wanted)
    for number, least in enumerate(apart):
        right[number + 1] = max(right[number + 1], right[number] + least)
    for number in range(len(apart) - 1, -1, -1):
        left[number] = min(left[number], left[number + 1] - apart[number])
    for item, low, high in zip(members, left, right, strict=True):
        item.x = (low + high) / 2  # both keep the distances, so their mean does


def _box(node: Node | Map, item: _Item, body: Layout | None, note: str | None) -> Box:
    corner = Point(item.x - item.width / 2, item.y)
    inside = Point((item.width - body.width) / 2 if body else 0.0, TITLE + _extra(note))
    return Box(node.name, _label(node), corner, item.width, item.height, body, inside, note)


def _points(way: Sequence[_Item]) -> tuple[Point, ...]:
    """From the bottom of the first to the top of the last, straight through what is between."""
    first, *between, last = way
    points = [Point(first.x, first.y + first.height)]
    if first.floor > points[0].y:  # not sideways beside a higher neighbour
        points.append(Point(first.x, first.floor))
    for bend in between:
        points += [Point(bend.x, bend.y), Point(bend.x, bend.y + bend.height)]
    return (*points, Point(last.x, last.y))
