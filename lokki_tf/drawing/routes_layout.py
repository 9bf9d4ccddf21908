"""Layout of a routed pipeline: positions of its shapes, and paths of its arrows.

Arrows go down. Those that close a loop leave their shape on the right, go up and enter on the
right. The number of arrows between the shapes is limited; beyond it, the longest arrows go around
all shapes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from .characters import CHARACTER, columns
from .layers import HEIGHT, LANE, LINE, PADDING, WIDEST, Item, Link, Point, arrange, close_up
from .loops import cut
from .marks import SIGN, height_of_marks
from .ways import around, downward, self_loop, upward

if TYPE_CHECKING:
    from .shapes import Arrow, Picture, Shape

SLANT = 12.0
_APART = 5.0  # pixels between arrows around the picture
_MOST_AROUND = 24  # lanes around the picture; more arrows share them
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
    """A picture with positions of all its shapes and arrows."""

    width: float
    height: float
    shapes: tuple[Placed, ...]
    arrows: tuple[Drawn, ...]


def routes_layout(picture: Picture, notes: Mapping[str, Sequence[str]] = _NONE) -> RoutesLayout:
    """Compute the positions of the shapes of a picture.

    Args:
        picture: What is drawn, the shape on top first.
        notes: Further lines of text, by the ids of shapes.
    """
    names = [shape.id for shape in picture.shapes]
    levels, back = cut(names, [(one.before, one.after) for one in picture.arrows])
    near, far = _parted(picture.arrows, levels)
    links = [_link(one, back) for one in near]
    beside = {name for link in links if link.back for name in (link.before, link.after)}
    noted = {shape.id: notes.get(shape.id, ()) for shape in picture.shapes}
    items = {
        shape.id: _item(shape, noted[shape.id], lanes=shape.id in beside)
        for shape in picture.shapes
    }
    arranged = arrange(items, levels, links, WIDEST)
    width = close_up(dict.fromkeys([*items.values(), *chain(*arranged.ways)]))
    drawn = [
        _drawn(one, link, way, items[one.after])
        for one, link, way in zip(near, links, arranged.ways, strict=True)
        if way
    ]
    far += [one for one, way in zip(near, arranged.ways, strict=True) if not way]
    outer = {
        key: number % _MOST_AROUND + 1
        for number, key in enumerate(dict.fromkeys(map(_shared, far)))
    }
    for one in far:
        x = width + outer[_shared(one)] * _APART
        drawn.append(Drawn(one, around(items[one.before], items[one.after], x)))
    shapes = tuple(_placed(shape, items[shape.id], noted[shape.id]) for shape in picture.shapes)
    width += max(outer.values(), default=0) * _APART
    return RoutesLayout(width, arranged.height, shapes, tuple(drawn))


def _shared(arrow: Arrow) -> tuple[str, bool]:
    """Return a key that is equal for arrows that are drawn as one from where they meet."""
    return arrow.after, arrow.dashed


def _link(arrow: Arrow, back: Collection[tuple[str, str]]) -> Link:
    ends = arrow.before, arrow.after
    return Link(*ends, shared=_shared(arrow), back=ends in back, style=arrow.dashed)


def _width(shape: Shape, notes: Sequence[str]) -> float:
    slants = 2 * SLANT if shape.kind == "test" else SIGN if shape.kind == "start" else 0
    return max(map(columns, (*shape.lines, *notes))) * CHARACTER + 2 * PADDING + slants


def _height(shape: Shape, notes: Sequence[str]) -> float:
    if shape.kind == "start":
        return height_of_marks(len(shape.lines))
    return HEIGHT + (len(shape.lines) - 1 + len(notes)) * LINE


def _item(shape: Shape, notes: Sequence[str], *, lanes: bool) -> Item:
    return Item(_width(shape, notes) + (2 * LANE if lanes else 0), _height(shape, notes))


def _placed(shape: Shape, item: Item, notes: Sequence[str]) -> Placed:
    width = _width(shape, notes)
    return Placed(shape, Point(item.x - width / 2, item.y), width, _height(shape, notes), notes)


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
