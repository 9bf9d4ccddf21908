"""The ways that arrows take past what is arranged, from point to point."""

from __future__ import annotations

from collections.abc import Sequence

from .layers import LEVEL_GAP, Item, Lane, Point

_ASIDE = 7.0  # from the middle of a box's side, so that arrows in and out stay apart


def downward(way: Sequence[Item]) -> tuple[Point, ...]:
    """From the bottom of the first to the top of the last, straight through what is between."""
    first, *between, last = way
    points = [Point(first.x, first.y + first.height)]
    if first.floor > points[0].y:  # not sideways beside a higher neighbour
        points.append(Point(first.x, first.floor))
    for bend in between:
        points += [Point(bend.x, bend.y), Point(bend.x, bend.y + bend.height)]
    return (*points, Point(last.x, last.y))


def upward(way: Sequence[Item], *, meets: bool) -> tuple[Point, ...]:
    """Out on the right of the first, straight up through what is between, in on the right.

    Args:
        way: What is passed.
        meets: Whether it ends at a place of another, which goes on from there.
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


def turning(box: Item) -> tuple[Point, ...]:
    """Out on the left of a box, where no other arrows are, and in again below."""
    lane, middle = Lane(box), box.y + box.height / 2
    edge, x = 2 * box.x - lane.edge, 2 * box.x - lane.x
    out, back = middle - _ASIDE, middle + _ASIDE
    return Point(edge, out), Point(x, out), Point(x, back), Point(edge, back)


def around(first: Item, last: Item, x: float) -> tuple[Point, ...]:
    """Down between the levels, out to the given side of them all, and in above the last."""
    out, back = first.floor + LEVEL_GAP / 4, last.y - LEVEL_GAP / 4
    return (
        Point(first.x, first.y + first.height),
        Point(first.x, out),
        Point(x, out),
        Point(x, back),
        Point(last.x, back),
        Point(last.x, last.y),
    )
