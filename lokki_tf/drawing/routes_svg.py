"""A routed pipeline as SVG: steps, tests, transitions and loops.

Three stages: :mod:`.routes` returns what is drawn, :mod:`.routes_layout` computes the positions,
and this module writes SVG. The picture of a run is that of the pipeline, with the visits of each
step and the number of times that each arrow was taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from .characters import CHARACTER, columns, number
from .layers import GAP, HEIGHT, LINE, MARGIN, PADDING, Point
from .marks import (
    BOX,
    END,
    FRAME,
    LINES,
    SIGN,
    START,
    arrow,
    document,
    height_of_marks,
    label,
    marks,
    rectangle,
    text,
)
from .notes import ends_of, starts_of
from .routes import picture_of
from .routes_layout import SLANT, Drawn, Placed, RoutesLayout, routes_layout
from .shapes import START as START_ID
from .status import look_of
from .summary import summary

if TYPE_CHECKING:
    from lokki_tf.model import Definition

    from .visits import Visits

_INNER = 'rx="4" fill="none" stroke="#4a6fa5"'
_INSET = 3.0


def routes_to_svg(
    definition: Definition, top_node: str | None = None, visits: Visits | None = None
) -> str:
    """Draw a routed pipeline as SVG; dashed arrows are taken if a test fails.

    Steps with which the pipeline may end have a double outline. Arrows that close a loop leave and
    enter on the right.

    Args:
        definition: The pipeline.
        top_node: The step at the top; the first one by default.
        visits: The visits of a run, for its picture.
    """
    routes = definition.routes
    assert routes is not None
    starts, ends = starts_of(definition), ends_of(definition)
    picture = picture_of(routes, top_node or routes.start, definition.cleanup, starts)
    notes = {} if visits is None else {one.id: visits.notes(one) for one in picture.shapes}
    placed = routes_layout(picture, notes)
    margin = Point(MARGIN, MARGIN)
    content = [rectangle(margin + at, *size, FRAME) for at, size in placed.frames]
    content += [line for one in placed.shapes for line in _shape(one, margin + one.corner, visits)]
    taken = None if visits is None else visits.taken(picture)
    content += [
        arrow(
            [margin + point for point in one.points],
            dashed=one.arrow.dashed,
            head=one.head,
            faded=taken is not None and one.arrow.before != START_ID and not taken[one.arrow].most,
        )
        for one in placed.arrows
    ]
    if taken is not None:
        texts = [(one, taken[one.arrow].label) for one in placed.arrows]
        content += _labels(placed, [(one, text) for one, text in texts if text])
    width, height = placed.width, placed.height
    if ends:
        wide, high = (
            max(map(columns, ends)) * CHARACTER + 2 * PADDING + SIGN,
            height_of_marks(len(ends)),
        )
        width = max(width, wide)
        corner = Point(MARGIN + (width - wide) / 2, MARGIN + height + GAP)
        content += [
            rectangle(corner, wide, high, END),
            *marks(ends, corner, wide, are_starts=False),
        ]
        height += GAP + high
    known = None if visits is None else visits.latest
    return document(definition.name, summary(definition, known), width, height, content)


def _shape(placed: Placed, at: Point, visits: Visits | None) -> Iterator[str]:
    shape = placed.shape
    if shape.kind == "start":
        yield rectangle(at, placed.width, placed.height, START)
        yield from marks(shape.lines, at, placed.width, are_starts=True)
        return
    if shape.kind == "test":
        yield _hexagon(at, placed.width, f'fill="{shape.colour}" stroke="{LINES}"')
    else:
        style = BOX
        if visits is not None and shape.kind == "step":
            look = look_of(visits.of(shape.id))
            dashes = ' stroke-dasharray="5 3"' if look.dashed else ""
            style = f'rx="6" fill="{look.fill}" stroke="{look.line}" stroke-width="1.4"{dashes}'
        yield rectangle(at, placed.width, placed.height, style)
    if shape.ends:
        corner = at + Point(_INSET, _INSET)
        yield rectangle(corner, placed.width - 2 * _INSET, placed.height - 2 * _INSET, _INNER)
    middle, y = at.x + placed.width / 2, at.y + HEIGHT / 2 + 4
    for index, line in enumerate((*shape.lines, *placed.notes)):
        yield text(line, middle, y + index * LINE)


def _labels(placed: RoutesLayout, texts: Sequence[tuple[Drawn, str]]) -> Iterator[str]:
    """Write texts on arrows where they are apart from each other."""
    known: list[Point] = []
    for one, written in texts:
        places = list(_places(one.points))
        free = [
            at
            for at in places
            if all(_apart(at, other) for other in known)
            and not any(_covers(shape, at) for shape in placed.shapes)
        ]
        at = (free or places)[0]
        at = Point(min(max(at.x, 16.0), placed.width - 16.0), at.y)
        known.append(at)
        yield label(written, at + Point(MARGIN, MARGIN))


def _covers(shape: Placed, at: Point) -> bool:
    """Return whether a text at a point would be on a shape."""
    left, top = shape.corner
    beside = at.x + GAP < left or at.x - GAP > left + shape.width
    return not beside and top - LINE / 2 < at.y < top + shape.height + LINE / 2


def _apart(one: Point, other: Point) -> bool:
    return abs(one.x - other.x) > 2 * GAP or abs(one.y - other.y) > LINE


def _places(points: Sequence[Point]) -> Iterator[Point]:
    """Yield the middles of the parts of an arrow, of the longest part first."""
    parts = sorted(
        pairwise(points), key=lambda ends: -abs(ends[0].x - ends[1].x) - abs(ends[0].y - ends[1].y)
    )
    for start, end in parts:
        yield Point((start.x + end.x) / 2, (start.y + end.y) / 2)
    for start, end in parts:
        for share in (0.3, 0.7):
            yield Point(start.x + (end.x - start.x) * share, start.y + (end.y - start.y) * share)


def _hexagon(at: Point, width: float, style: str) -> str:
    """Draw a hexagon: a box with a pointed left and right side."""
    right, middle, bottom = at.x + width, at.y + HEIGHT / 2, at.y + HEIGHT
    corners = [
        (at.x, middle),
        (at.x + SLANT, at.y),
        (right - SLANT, at.y),
        (right, middle),
        (right - SLANT, bottom),
        (at.x + SLANT, bottom),
    ]
    path = "L".join(f"{number(x)} {number(y)}" for x, y in corners)
    return f'<path d="M{path}z" {style}/>'
