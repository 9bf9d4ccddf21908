"""Paths of arrows, as points, past the items of a layout."""

from __future__ import annotations

from collections.abc import Sequence

from .layers import LEVEL_GAP, Item, Lane, Point

_ASIDE = 7.0  # from the middle of a box's side, so that arrows in and out do not overlap


def downward(way: Sequence[Item]) -> tuple[Point, ...]:
    """Lead from the bottom of the first item to the top of the last, through those between."""
    first, *between, last = way
    points = [Point(first.x, first.y + first.height)]
    if first.floor > points[0].y:  # not sideways beside a higher neighbour
        points.append(Point(first.x, first.floor))
    for bend in between:
        points += [Point(bend.x, bend.y), Point(bend.x, bend.y + bend.height)]
    return (*points, Point(last.x, last.y))


def upward(way: Sequence[Item], *, meets: bool) -> tuple[Point, ...]:
    """Lead from the first item's right side up through those between to the last's right side.

    Args:
        way: The items that the arrow passes.
        meets: Whether the path ends at an item of another arrow, which continues from there.
    """
    first, *between, last = way
    lane, side = Lane(first), first.y + first.height / 2
    points = [Point(lane.edge, side), Point(lane.x, side), Point(lane.x, first.y)]
    for bend in between:
        points += [Point(bend.x, bend.y + bend.height), Point(bend.x, bend.y)]
    if meets:
        return (*points, Point(last.x, last.y + last.height))
    lane, side = Lane(last), last.y + last.height / 2 + _ASIDE
    return (*points, Point(lane.x, last.floor), Point(lane.x, side), Point(lane.edge, side))


def self_loop(box: Item) -> tuple[Point, ...]:
    """Leave a box on its left, where no other arrows are, and enter it again below."""
    lane, middle = Lane(box), box.y + box.height / 2
    edge, x = 2 * box.x - lane.edge, 2 * box.x - lane.x
    out, back = middle - _ASIDE, middle + _ASIDE
    return Point(edge, out), Point(x, out), Point(x, back), Point(edge, back)


def around(first: Item, last: Item, x: float) -> tuple[Point, ...]:
    """Lead down between levels, around all boxes at ``x``, and into the last from above."""
    out, back = first.floor + LEVEL_GAP / 4, last.y - LEVEL_GAP / 4
    return (
        Point(first.x, first.y + first.height),
        Point(first.x, out),
        Point(x, out),
        Point(x, back),
        Point(last.x, back),
        Point(last.x, last.y),
    )
