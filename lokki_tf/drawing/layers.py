"""Layout of boxes and arrows in levels, near the boxes that they are connected to.

The method is Sugiyama's. An arrow that passes levels gets an item of its own in each of them, so
that it crosses no box. Each level is sorted, and then moved, by the mean position of what its items
are connected to. An arrow that leads up leaves and enters beside the boxes, and does not move them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

MARGIN = 12.0
LANE = 18.0
_ASIDE = 14.0
PADDING, HEIGHT = 14.0, 32.0
GAP, LEVEL_GAP = 22.0, 40.0
_BEND = 6.0
_SWEEPS = 8


class Point(NamedTuple):
    """A point, or the vector from one point to another."""

    x: float
    y: float

    def __add__(self, other: Point) -> Point:  # type: ignore[override]  # moves, where tuples join
        return Point(self.x + other.x, self.y + other.y)


@dataclass(eq=False, slots=True)
class Item:
    """A box, or the part of an arrow that passes a level.

    Args:
        width: Width, including the lanes beside a box.
        height: Height; 0 means the height of the level.
        above: The items in the level above that it is connected to.
        below: The items in the level below that it is connected to.
        beside: The first items of upward arrows that leave the box, and the last items of upward
            arrows that enter it. They are used to sort the level, but do not move the box.
        x: Horizontal middle.
        y: Top, which is that of the level.
        floor: Bottom of the level.
        number: Position in the level.
    """

    width: float
    height: float
    above: list[Item | Lane] = field(default_factory=list)
    below: list[Item | Lane] = field(default_factory=list)
    beside: tuple[list[Item], list[Item]] = field(default_factory=lambda: ([], []))
    x: float = 0.0
    y: float = 0.0
    floor: float = 0.0
    number: float = 0


@dataclass(frozen=True, slots=True)
class Lane:
    """The vertical lane on the right of a box that upward arrows use; part of the box's item."""

    box: Item

    @property
    def edge(self) -> float:
        """The right edge of the box."""
        return self.box.x + self.box.width / 2 - LANE

    @property
    def x(self) -> float:
        """The horizontal middle of the lane."""
        return self.edge + _ASIDE

    @property
    def number(self) -> float:
        """The position of the next box, so that connected items are sorted before that box."""
        return self.box.number + 1


class Link(NamedTuple):
    """An arrow that needs a path.

    Args:
        before: Name of the box that it leaves.
        after: Name of the box that it enters, in a lower level unless ``back``.
        shared: Arrows to the same box with an equal value are drawn as one from where they meet.
        back: Whether it leads to a higher level, or to its own box.
    """

    before: str
    after: str
    shared: Hashable
    back: bool = False


@dataclass(frozen=True, slots=True)
class Arranged:
    """The result of a layout.

    Args:
        width: Width of everything.
        height: Height of everything.
        ways: The items that each link passes, from the box that it leaves to the box that it
            enters, or to the item where it meets another link.
    """

    width: float
    height: float
    ways: tuple[tuple[Item, ...], ...]


def arrange(
    items: Mapping[str, Item], levels: Sequence[Sequence[str]], links: Iterable[Link]
) -> Arranged:
    """Set the middle and top of boxes and of the items of arrows.

    Args:
        items: The boxes by name.
        levels: Their names, from top to bottom.
        links: The arrows between them.
    """
    filled = [[items[name] for name in level] for level in levels]
    level_of = {name: number for number, level in enumerate(levels) for name in level}
    ways = _join(items, filled, level_of, links)
    for sweep in range(_SWEEPS):
        _order(filled, down=sweep % 2 == 0)
    width, height = _place(filled)
    return Arranged(width, height, ways)


def _join(
    items: Mapping[str, Item],
    levels: list[list[Item]],
    level_of: Mapping[str, int],
    links: Iterable[Link],
) -> tuple[tuple[Item, ...], ...]:
    """Add an item per passed level for each link, connect the items, and return the paths."""
    bends: dict[tuple[Hashable, bool, int], Item] = {}
    ways: list[tuple[Item, ...]] = []
    for link in links:
        way, step = [items[link.before]], -1 if link.back else 1
        for number in range(level_of[link.before] + step, level_of[link.after], step):
            key = (link.shared, link.back, number)
            if key in bends:
                way.append(bends[key])
                break
            bends[key] = Item(_BEND, 0.0)
            levels[number].append(bends[key])
            way.append(bends[key])
        else:
            way.append(items[link.after])
        _tie(way, back=link.back, meets=way[-1] is not items[link.after])
        ways.append(tuple(way))
    return tuple(ways)


def _tie(way: Sequence[Item], *, back: bool, meets: bool) -> None:
    """Connect each item of a path with the items before and after it."""
    if not back:
        for upper, lower in pairwise(way):
            upper.below.append(lower)
            lower.above.append(upper)
        return
    bends = way[1:] if meets else way[1:-1]
    for lower, upper in pairwise(bends):
        upper.below.append(lower)
        lower.above.append(upper)
    if bends:
        bends[0].below.append(Lane(way[0]))
        way[0].beside[0].append(bends[0])
        if not meets:
            bends[-1].above.append(Lane(way[-1]))
            way[-1].beside[1].append(bends[-1])


def _order(levels: list[list[Item]], *, down: bool) -> None:
    """Sort each level by the mean position of what its items are connected to."""
    ordered = levels if down else levels[::-1]
    for near, members in pairwise(ordered):
        for number, item in enumerate(near):
            item.number = number
        own = {id(item): float(number) for number, item in enumerate(members)}
        for item in members:
            joined = [*item.above, *item.beside[0]] if down else [*item.below, *item.beside[1]]
            if joined:
                own[id(item)] = sum([other.number for other in joined]) / len(joined)
        members.sort(key=lambda item: own[id(item)])


def _place(levels: list[list[Item]]) -> tuple[float, float]:
    """Set the middle and top of every item; return the width and height of everything."""
    y = 0.0
    for members in levels:
        height = max(item.height for item in members)
        for item in members:
            item.y, item.height, item.floor = y, item.height or height, y + height
        y += height + LEVEL_GAP
        _spread(members, [0.0] * len(members))
    for sweep in range(_SWEEPS):
        for members in levels if sweep % 2 == 0 else reversed(levels):
            joined = [item.above if sweep % 2 == 0 else item.below for item in members]
            wanted = [
                sum([other.x for other in others]) / len(others) if others else item.x
                for item, others in zip(members, joined, strict=True)
            ]
            _spread(members, wanted)
    everything = [item for members in levels for item in members]
    left = min((item.x - item.width / 2 for item in everything), default=0.0)
    for item in everything:
        item.x -= left
    width = max((item.x + item.width / 2 for item in everything), default=0.0)
    return width, max(y - LEVEL_GAP, 0.0)


def _spread(members: Sequence[Item], wanted: Sequence[float]) -> None:
    """Move the items of a level as near to the wanted positions as the gaps between them allow."""
    apart = [(one.width + other.width) / 2 + GAP for one, other in pairwise(members)]
    right, left = list(wanted), list(wanted)
    for number, least in enumerate(apart):
        right[number + 1] = max(right[number + 1], right[number] + least)
    for number in range(len(apart) - 1, -1, -1):
        left[number] = min(left[number], left[number + 1] - apart[number])
    for item, low, high in zip(members, left, right, strict=True):
        item.x = (low + high) / 2  # both keep the distances, so their mean does


def close_up(items: Iterable[Item]) -> float:
    """Remove empty space between items, as left beside boxes without connections.

    Args:
        items: All items of the layout.

    Returns:
        The width of everything.
    """
    end, shift = 0.0, 0.0
    for item in sorted(items, key=lambda item: item.x - item.width / 2):
        empty = item.x - item.width / 2 - shift - end - GAP
        shift += max(empty, 0.0) if end else 0.0
        item.x -= shift
        end = max(end, item.x + item.width / 2)
    return end
