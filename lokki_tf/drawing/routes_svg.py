"""A routed pipeline as SVG: steps, tests, transitions and loops.

Three stages: :mod:`.routes` returns what is drawn, :mod:`.routes_layout` computes the positions,
and this module writes SVG.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .characters import number
from .layers import HEIGHT, MARGIN, Point
from .marks import BOX, LINES, arrow, document, rectangle, text
from .routes import picture_of
from .routes_layout import SLANT, Placed, routes_layout

if TYPE_CHECKING:
    from lokki_tf.model import Node, Routes

_INNER = 'rx="4" fill="none" stroke="#4a6fa5"'
_INSET = 3.0


def routes_to_svg(
    routes: Routes, name: str, top_node: str | None = None, cleanup: Node | None = None
) -> str:
    """Draw the pipeline as SVG; dashed arrows are taken if a test fails.

    Steps with which the pipeline may end have a double outline. Arrows that close a loop leave and
    enter on the right.

    Args:
        routes: The pipeline.
        name: Name of the pipeline.
        top_node: The step at the top; the first one by default.
        cleanup: The cleanup step.
    """
    placed = routes_layout(picture_of(routes, top_node or routes.start, cleanup))
    margin = Point(MARGIN, MARGIN)
    content = [line for one in placed.shapes for line in _shape(one, margin + one.corner)]
    content += [
        arrow([margin + point for point in one.points], dashed=one.arrow.dashed, head=one.head)
        for one in placed.arrows
    ]
    return document(name, placed.width, placed.height, content)


def _shape(placed: Placed, at: Point) -> Iterator[str]:
    shape = placed.shape
    if shape.kind == "test":
        yield _hexagon(at, placed.width, f'fill="{shape.colour}" stroke="{LINES}"')
    else:
        yield rectangle(at, placed.width, HEIGHT, BOX)
    if shape.ends:
        corner = at + Point(_INSET, _INSET)
        yield rectangle(corner, placed.width - 2 * _INSET, HEIGHT - 2 * _INSET, _INNER)
    yield text(shape.label, at.x + placed.width / 2, at.y + HEIGHT / 2 + 4)


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
