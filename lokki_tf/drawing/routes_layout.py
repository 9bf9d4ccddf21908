"""Layout of a routed pipeline: positions of its shapes, and paths of its arrows.

Arrows go down. Those that close a loop leave their shape on the right, go up and enter on the
right. The number of arrows between the shapes is limited; beyond it, the longest arrows go around
all shapes. Long chains are in rows, in a frame that is arranged like one shape.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from .blocks import DEEPEST, chains
from .characters import CHARACTER, columns
from .layers import HEIGHT, LANE, LINE, PADDING, WIDEST, Item, Link, Point, arrange, close_up
from .loops import cut
from .marks import SIGN, height_of_marks
from .nested import FRAME_SHARE, Box, Layout, in_lines
from .shapes import Arrow
from .ways import around, downward, self_loop, upward

if TYPE_CHECKING:
    from .shapes import Picture, Shape

SLANT = 12.0
_APART = 5.0  # pixels between arrows around the picture
_MOST_AROUND = 24  # lanes around the picture; more arrows share them
_TOP = " top"  # no shape has this id
_MOST_ITEMS = 6000  # of arrows, on the levels that they cross
_NONE: Mapping[str, Sequence[str]] = MappingProxyType({})


class Placed(NamedTuple):
    """A shape, its upper left corner, its size, and the lines below its own text."""

    shape: Shape
    corner: Point
    width: float
    height: float = HEIGHT
    notes: Sequence[str] = ()


class Drawn(NamedTuple):
    """An arrow, its points, and whether it has a head or continues as another arrow."""

    arrow: Arrow
    points: tuple[Point, ...]
    head: bool = True


@dataclass(frozen=True, slots=True)
class RoutesLayout:
    """A picture with positions of all its shapes and arrows.

    Args:
        width: Its width.
        height: Its height.
        shapes: The shapes.
        arrows: The arrows.
        frames: The upper left corner and the size of each frame around a chain in rows.
    """

    width: float
    height: float
    shapes: tuple[Placed, ...]
    arrows: tuple[Drawn, ...]
    frames: tuple[tuple[Point, Point], ...] = ()


def routes_layout(picture: Picture, notes: Mapping[str, Sequence[str]] = _NONE) -> RoutesLayout:
    """Compute the positions of the shapes of a picture.

    Args:
        picture: What is drawn, the shape on top first.
        notes: Further lines of text, by the ids of shapes.
    """
    noted = {shape.id: notes.get(shape.id, ()) for shape in picture.shapes}
    rows = _rows(picture, noted)
    unit = {name: key for key, one in rows.items() for name in one.names}
    names = list(dict.fromkeys(unit.get(shape.id, shape.id) for shape in picture.shapes))
    # A chain has at most one arrow in and one out, except those between its shapes.
    inner = {arrow for one in rows.values() for arrow in one.arrows}
    ends = {shape.id: unit.get(shape.id, shape.id) for shape in picture.shapes}
    outer = {
        replace(one, before=ends[one.before], after=ends[one.after]): one
        for one in picture.arrows
        if one not in inner
    }
    levels, back = cut(names, [(one.before, one.after) for one in outer])
    near, far = _parted(list(outer), levels)
    links = [_link(one, back) for one in near]
    beside = {name for link in links if link.back for name in (link.before, link.after)}
    sizes = {shape.id: _size(shape, noted[shape.id]) for shape in picture.shapes}
    sizes |= {key: one.size for key, one in rows.items()}
    items = {
        name: Item(sizes[name].x + (2 * LANE if name in beside else 0), sizes[name].y)
        for name in names
    }
    arranged = arrange(items, levels, links, WIDEST)
    width = close_up(dict.fromkeys([*items.values(), *chain(*arranged.ways)]))
    drawn = [
        _drawn(outer[one], link, way, items[one.after])
        for one, link, way in zip(near, links, arranged.ways, strict=True)
        if way
    ]
    far += [one for one, way in zip(near, arranged.ways, strict=True) if not way]
    lanes = {
        key: number % _MOST_AROUND + 1
        for number, key in enumerate(dict.fromkeys(map(_shared, far)))
    }
    for one in far:
        x = width + lanes[_shared(one)] * _APART
        drawn.append(Drawn(outer[one], around(items[one.before], items[one.after], x)))
    corners = {name: Point(items[name].x - sizes[name].x / 2, items[name].y) for name in names}
    for key, found in rows.items():
        inside = corners[key] + Point(PADDING, PADDING)
        corners |= {box.name: inside + box.corner for box in found.layout.boxes}
        drawn += (
            Drawn(arrow, tuple(inside + point for point in edge.points))
            for arrow, edge in zip(found.arrows, found.layout.edges, strict=True)
        )
    shapes = tuple(
        Placed(shape, corners[shape.id], *sizes[shape.id], noted[shape.id])
        for shape in picture.shapes
    )
    frames = tuple((corners[key], one.size) for key, one in rows.items())
    width += max(lanes.values(), default=0) * _APART
    return RoutesLayout(width, arranged.height, shapes, tuple(drawn), frames)


@dataclass(frozen=True, slots=True)
class _Rows:
    """A chain of shapes in rows.

    Args:
        names: The ids of its shapes.
        arrows: The arrows between them.
        layout: Their positions in its frame.
    """

    names: Sequence[str]
    arrows: Sequence[Arrow]
    layout: Layout

    @property
    def size(self) -> Point:
        """The size of its frame."""
        return Point(self.layout.width + 2 * PADDING, self.layout.height + 2 * PADDING)


def _rows(picture: Picture, noted: Mapping[str, Sequence[str]]) -> dict[str, _Rows]:
    """Return the chains that are too long to be drawn from top to bottom, by the ids of frames."""
    before: dict[str, dict[str, Arrow]] = {shape.id: {} for shape in picture.shapes}
    for arrow in picture.arrows:
        before[arrow.after][arrow.before] = arrow
    known = {shape.id: shape for shape in picture.shapes}
    # The first shape is the top of the picture, to which loops may lead.
    before[picture.shapes[0].id].setdefault(_TOP, Arrow(_TOP, picture.shapes[0].id))
    found = {}
    for names in chains({**before, _TOP: {}}):
        names = [name for name in names if name != _TOP]
        if len(names) <= DEEPEST:
            continue
        boxes = [
            Box(name, "", Point(0.0, 0.0), *_size(known[name], noted[name]), None, Point(0.0, 0.0))
            for name in names
        ]
        arrows = [before[after][name] for name, after in pairwise(names)]
        most = WIDEST * FRAME_SHARE - 2 * PADDING
        layout = in_lines(boxes, [not one.dashed for one in arrows], most)
        found[f" rows of {names[0]}"] = _Rows(names, arrows, layout)
    return found


def _shared(arrow: Arrow) -> tuple[str, bool]:
    """Return a key that is equal for arrows that are drawn as one from where they meet."""
    return arrow.after, arrow.dashed


def _link(arrow: Arrow, back: Collection[tuple[str, str]]) -> Link:
    ends = arrow.before, arrow.after
    return Link(*ends, shared=_shared(arrow), back=ends in back, style=arrow.dashed)


def _size(shape: Shape, notes: Sequence[str]) -> Point:
    slants = 2 * SLANT if shape.kind == "test" else SIGN if shape.kind == "start" else 0
    width = max(map(columns, (*shape.lines, *notes))) * CHARACTER + 2 * PADDING + slants
    if shape.kind == "start":
        return Point(width, height_of_marks(len(shape.lines)))
    return Point(width, HEIGHT + (len(shape.lines) - 1 + len(notes)) * LINE)


def _drawn(arrow: Arrow, link: Link, way: Sequence[Item], target: Item) -> Drawn:
    meets = way[-1] is not target
    if not link.back:
        return Drawn(arrow, downward(way), not meets)
    if way[0] is target:
        return Drawn(arrow, self_loop(target))
    return Drawn(arrow, upward(way, meets=meets), not meets)


def _parted(
    arrows: Sequence[Arrow], levels: Sequence[Sequence[str]]
) -> tuple[list[Arrow], list[Arrow]]:
    """Split the arrows into those between the shapes and, beyond the limit, the longest ones.

    500 steps with arrows to any other step would need a hundred thousand items.
    """
    level = {name: number for number, names in enumerate(levels) for name in names}
    near: set[Arrow] = set()
    room = _MOST_ITEMS
    for one, items in _counted(arrows, level):
        room -= items
        if room < 0:
            break
        near.add(one)
    return [one for one in arrows if one in near], [one for one in arrows if one not in near]


def _counted(arrows: Sequence[Arrow], level: Mapping[str, int]) -> Iterator[tuple[Arrow, int]]:
    """Yield the arrows, shortest first, and how many items each adds to those before it."""
    spans = {one: level[one.after] - level[one.before] for one in arrows}
    longest: dict[tuple[tuple[str, bool], bool], int] = {}
    for one in sorted(arrows, key=lambda one: abs(spans[one])):
        key = _shared(one), spans[one] > 0
        span = max(abs(spans[one]), 1)
        yield one, span - longest.get(key, 1)
        longest[key] = span
