"""A graph as a picture: levels from top to bottom, a map as a box around its body.

The stages: :mod:`.layers` says where everything stands; here it is written as SVG, which shows
alike in notebooks of either brightness and holds no script, font or link.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from .layers import MARGIN, TITLE, Layout, Point, layout

if TYPE_CHECKING:
    from lokki_tf.model import Definition

_BOX = 'rx="6" fill="#eef3fb" stroke="#4a6fa5"'
_MAP = 'rx="8" fill="#f7f9fc" stroke="#7a869a" stroke-dasharray="2 3"'
_HEAD = (
    '<marker id="lokki-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
    'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#7a869a"/></marker>'
)


def to_svg(definition: Definition) -> str:
    """The graph as SVG; dashed arrows carry no data.

    Args:
        definition: The pipeline.
    """
    placed = layout(definition.graph)
    width, height = _number(placed.width + 2 * MARGIN), _number(placed.height + 2 * MARGIN)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="monospace" font-size="12" role="img">',
        f"<title>{escape(definition.name)}</title>",
        f"<defs>{_HEAD}</defs>",
        *_drawn(placed, Point(MARGIN, MARGIN)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _drawn(placed: Layout, corner: Point) -> Iterator[str]:
    for box in placed.boxes:
        at = corner + box.corner
        x, y, middle = _number(at.x), _number(at.y), _number(at.x + box.width / 2)
        style, text_y = _BOX, at.y + box.height / 2 + 4
        if box.body is not None:
            style, text_y = _MAP, at.y + TITLE - 6
        yield (
            f'<rect x="{x}" y="{y}" width="{_number(box.width)}" '
            f'height="{_number(box.height)}" {style}/>'
        )
        yield (
            f'<text x="{middle}" y="{_number(text_y)}" text-anchor="middle" '
            f'fill="#1b2a41">{escape(box.label)}</text>'
        )
        if box.body is not None:
            yield from _drawn(box.body, at + box.inside)
    for edge in placed.edges:
        dashes = "" if edge.carries else ' stroke-dasharray="5 4"'
        path = _path([corner + point for point in edge.points])
        yield (
            f'<path d="{path}" fill="none" stroke="#7a869a"{dashes} '
            'marker-end="url(#lokki-arrow)"/>'
        )


def _path(points: list[Point]) -> str:
    """A line through points that leaves and enters each from above."""
    parts = [f"M{_number(points[0].x)} {_number(points[0].y)}"]
    for before, after in pairwise(points):
        half = _number((before.y + after.y) / 2)
        parts.append(
            f"C{_number(before.x)} {half} {_number(after.x)} {half} "
            f"{_number(after.x)} {_number(after.y)}"
        )
    return "".join(parts)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
