"""Layout of boxes and arrows in levels, near the boxes that they are connected to.

The method is Sugiyama's. An arrow that passes levels gets an item of its own in each of them, so
that it crosses no box. Each level is sorted, and then moved, by the mean position of what its items
are connected to. An arrow that leads up leaves and enters beside the boxes, and does not move them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple

MARGIN = 12.0
LANE = 18.0
_ASIDE = 14.0
PADDING, HEIGHT, LINE = 14.0, 32.0, 15.0
WIDEST = 1150.0
"""The width of pictures in pixels, unless a single box is wider."""
GAP, LEVEL_GAP = 22.0, 40.0
_BEND = 6.0
_SWEEPS = 8
_FILLED = 0.85  # of the width of a row, which leaves room for arrows


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
        forks: Whether ``shared`` is about arrows from the same box, which are drawn as one up to
            where they part.
        style: Only arrows of an equal style share their way.
    """

    before: str
    after: str
    shared: Hashable
    back: bool = False
    forks: bool = False
    style: Hashable = None


@dataclass(frozen=True, slots=True)
class Arranged:
    """The result of a layout.

    Args:
        width: Width of everything.
        height: Height of everything.
        ways: The items that each link passes, from the box that it leaves to the box that it
            enters, or to the item where it meets another link; of a link that forks, from the item
            where it leaves another link; empty for a link that is left out.
    """

    width: float
    height: float
    ways: tuple[tuple[Item, ...], ...]


def arrange(
    items: Mapping[str, Item],
    levels: Sequence[Sequence[str]],
    links: Sequence[Link],
    most: float = math.inf,
) -> Arranged:
    """Set the middle and top of boxes and of the items of arrows.

    Args:
        items: The boxes by name.
        levels: Their names, from top to bottom.
        links: The arrows between them.
        most: The largest width. Beyond it a level is drawn in several rows, arrows share their
            ways, and long arrows that still have no room are left out.
    """
    filled, ways = _ordered(items, levels, links)
    width, height = _place(filled)
    if width <= most:
        return Arranged(width, height, ways)
    names = {id(item): name for name, item in items.items()}
    sorted_levels = [[names[id(one)] for one in row if id(one) in names] for row in filled]
    rows = _in_rows(sorted_levels, items, links, most * _FILLED)
    for item in items.values():
        item.above, item.below, item.beside = [], [], ([], [])
    bundled = _bundled(links, rows)
    room = _with_room(bundled, items, rows, most)
    kept = [link for link, has_room in zip(bundled, room, strict=True) if has_room]
    filled, ways = _ordered(items, rows, kept)
    width, height = _place(filled, max(map(_width, filled)))
    left = iter(ways)
    return Arranged(width, height, tuple(next(left) if one else () for one in room))


def _with_room(
    links: Sequence[Link],
    items: Mapping[str, Item],
    levels: Sequence[Sequence[str]],
    most: float,
) -> list[bool]:
    """Return for each link whether the levels that it passes have room for it, shortest first."""
    level_of = {name: number for number, level in enumerate(levels) for name in level}
    wide = [sum(items[name].width + GAP for name in level) for level in levels]
    known: set[tuple[Hashable, bool, int]] = set()
    kept = [True] * len(links)
    spans = [abs(level_of[one.after] - level_of[one.before]) for one in links]
    for index in sorted(range(len(links)), key=spans.__getitem__):
        link = links[index]
        ends = sorted((level_of[link.before], level_of[link.after]))
        passed = [(link.shared, link.back, number) for number in range(ends[0] + 1, ends[1])]
        new = [one for one in passed if one not in known]
        if any(wide[number] + 2 * GAP > most for *_, number in new):
            kept[index] = False
            continue
        known.update(new)
        for *_, number in new:
            wide[number] += 2 * _BEND
    return kept


def _ordered(
    items: Mapping[str, Item], levels: Sequence[Sequence[str]], links: Sequence[Link]
) -> tuple[list[list[Item]], tuple[tuple[Item, ...], ...]]:
    """Return the levels with the items of arrows, sorted, and the way of each link."""
    filled = [[items[name] for name in level] for level in levels]
    level_of = {name: number for number, level in enumerate(levels) for name in level}
    ways = _join(items, filled, level_of, links)
    for sweep in range(_SWEEPS):
        _order(filled, down=sweep % 2 == 0)
    return filled, ways


def _width(members: Sequence[Item]) -> float:
    return sum(item.width for item in members) + sum(map(_gap, members, members[1:]))


def _gap(one: Item, other: Item) -> float:
    """Return the space between two items of a level; arrows are nearer to each other."""
    bends = (one.width == _BEND) + (other.width == _BEND)
    return (GAP, GAP / 2, _BEND)[bends]


def _in_rows(
    levels: Sequence[Sequence[str]],
    items: Mapping[str, Item],
    links: Iterable[Link],
    most: float,
) -> list[Sequence[str]]:
    """Return the levels as rows that are not too wide, each soon after what is before it.

    The boxes of a wide level that follow the same row are in rows of their own, so that these can
    be directly below it.
    """
    before: dict[str, list[str]] = {}
    for link in links:
        if not link.back:
            before.setdefault(link.after, []).append(link.before)
    rows: list[Sequence[str]] = []
    row_of: dict[str, int] = {}
    for level in levels:
        groups: dict[int, list[str]] = {}
        is_wide = sum(items[name].width + GAP for name in level) - GAP > most
        for name in level:
            latest = max((row_of[other] for other in before.get(name, ())), default=-1)
            groups.setdefault(latest if is_wide else -1, []).append(name)
        for _, group in sorted(groups.items()):
            for row in _rows(group, items, most):
                row_of |= dict.fromkeys(row, len(rows))
                rows.append(row)
    return [rows[number] for number in _depth_first(rows, row_of, before)]


def _depth_first(
    rows: Sequence[Sequence[str]], row_of: Mapping[str, int], before: Mapping[str, Sequence[str]]
) -> Iterator[int]:
    """Yield the numbers of rows, each after those before it, the latest that is possible first."""
    needs = [{row_of[one] for name in row for one in before.get(name, ())} for row in rows]
    after: list[list[int]] = [[] for _ in rows]
    for number, needed in enumerate(needs):
        for other in needed:
            after[other].append(number)
    waiting = list(map(len, needs))
    # The first level stays in its order: a row of it begins when nothing below can.
    possible = [number for number in reversed(range(len(rows))) if not waiting[number]]
    while possible:
        number = possible.pop()
        yield number
        for other in reversed(after[number]):
            waiting[other] -= 1
            if not waiting[other]:
                possible.append(other)


def _rows(level: Sequence[str], items: Mapping[str, Item], most: float) -> Iterator[Sequence[str]]:
    """Yield the boxes of a level in rows of about equal widths."""
    whole = sum(items[name].width + GAP for name in level)
    limit = max(whole / max(1, math.ceil(whole / most)), 1.0)
    row: list[str] = []
    wide = 0.0
    for name in level:
        width = items[name].width
        if row and (wide + width / 2 > limit or wide + width > most):
            yield row
            row, wide = [], 0.0
        row.append(name)
        wide += width + GAP
    yield row


def _bundled(links: Sequence[Link], levels: Sequence[Sequence[str]]) -> list[Link]:
    """Return the links so that long ones from or to the same box share their way.

    A level in rows would otherwise have an arrow beside each box of the rows below it.
    """
    level_of = {name: number for number, level in enumerate(levels) for name in level}
    long = [one for one in links if abs(level_of[one.after] - level_of[one.before]) > 1]
    leaving, entering = (Counter(map(attrgetter(end), long)) for end in ("before", "after"))
    return [
        one
        if one.back
        else one._replace(shared=(one.before, one.style, "leaving"), forks=True)
        if leaving[one.before] > entering[one.after]
        else one._replace(shared=(one.after, one.style, "entering"))
        for one in links
    ]


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
        if link.forks:
            ways.append(_fork(items, levels, level_of, link, bends))
            continue
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


def _fork(
    items: Mapping[str, Item],
    levels: list[list[Item]],
    level_of: Mapping[str, int],
    link: Link,
    bends: dict[tuple[Hashable, bool, int], Item],
) -> tuple[Item, ...]:
    """Return the way of a link from its end up to its beginning, or to another link's item."""
    way = [items[link.after]]
    for number in range(level_of[link.after] - 1, level_of[link.before], -1):
        key = (link.shared, link.back, number)
        known = key in bends
        if not known:
            bends[key] = Item(_BEND, 0.0)
            levels[number].append(bends[key])
        way.append(bends[key])
        if known:
            break
    else:
        way.append(items[link.before])
    _tie(way[::-1], back=False, meets=False)
    return tuple(way[::-1])


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


def _place(levels: list[list[Item]], most: float = math.inf) -> tuple[float, float]:
    """Set the middle and top of every item; return the width and height of everything.

    Args:
        levels: The items, from top to bottom.
        most: The largest width, at least that of each level.
    """
    y = 0.0
    for members in levels:
        height = max(item.height for item in members)
        for item in members:
            item.y, item.height, item.floor = y, item.height or height, y + height
        y += height + LEVEL_GAP
        _spread(members, [0.0] * len(members), most)
    for sweep in range(_SWEEPS):
        for members in levels if sweep % 2 == 0 else reversed(levels):
            joined = [item.above if sweep % 2 == 0 else item.below for item in members]
            wanted = [
                sum([other.x for other in others]) / len(others) if others else item.x
                for item, others in zip(members, joined, strict=True)
            ]
            _spread(members, wanted, most)
    everything = [item for members in levels for item in members]
    left = min((item.x - item.width / 2 for item in everything), default=0.0)
    for item in everything:
        item.x -= left
    width = max((item.x + item.width / 2 for item in everything), default=0.0)
    return width, max(y - LEVEL_GAP, 0.0)


def _spread(members: Sequence[Item], wanted: Sequence[float], most: float) -> None:
    """Move the items of a level as near to the wanted positions as the gaps between them allow.

    Args:
        members: The items of a level.
        wanted: The position of each.
        most: The width that they may take, half on each side of 0.
    """
    apart = [(one.width + other.width) / 2 + _gap(one, other) for one, other in pairwise(members)]
    right, left = list(wanted), list(wanted)
    for number, least in enumerate(apart):
        right[number + 1] = max(right[number + 1], right[number] + least)
    for number in range(len(apart) - 1, -1, -1):
        left[number] = min(left[number], left[number + 1] - apart[number])
    for item, low, high in zip(members, left, right, strict=True):
        item.x = (low + high) / 2  # both keep the distances, so their mean does
    if members and most < math.inf:
        _keep_within(members, apart, most / 2)


def _keep_within(members: Sequence[Item], apart: Sequence[float], side: float) -> None:
    """Move the items of a level that are too far on one side back, with those beside them."""
    least = members[0].width / 2 - side
    for item, step in zip(members, [*apart, 0.0], strict=True):
        item.x = max(item.x, least)
        least += step
    largest = side - members[-1].width / 2
    for item, step in zip(reversed(members), [*reversed(apart), 0.0], strict=True):
        item.x = min(item.x, largest)
        largest -= step


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
