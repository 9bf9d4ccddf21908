"""SVG elements for pictures of boxes and arrows: the document, texts, rectangles and curves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .characters import markup, number
from .layers import MARGIN, Point
from .status import INK

LINES = "#7a869a"
BOX = 'rx="6" fill="#eef3fb" stroke="#4a6fa5"'
_HEAD = (
    '<marker id="lokki-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
    f'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="{LINES}"/></marker>'
)
_ROUND = 7.0


def document(name: str, width: float, height: float, content: Iterable[str]) -> str:
    """Write an SVG document.

    Args:
        name: The title.
        width: Width of the content, without the margins.
        height: Height of the content, without the margins.
        content: The elements; their coordinates include the left and top margins.
    """
    wide, high = number(width + 2 * MARGIN), number(height + 2 * MARGIN)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" '
        f'viewBox="0 0 {wide} {high}" font-family="monospace" font-size="12" role="img">',
        f"<title>{markup(name)}</title>",
        f"<defs>{_HEAD}</defs>",
        *content,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def rectangle(corner: Point, width: float, height: float, style: str) -> str:
    """Write a rectangle; the attributes in ``style`` are not escaped."""
    return (
        f'<rect x="{number(corner.x)}" y="{number(corner.y)}" width="{number(width)}" '
        f'height="{number(height)}" {style}/>'
    )


def text(content: str, middle: float, y: float) -> str:
    """Write a line of text, centred horizontally."""
    return (
        f'<text x="{number(middle)}" y="{number(y)}" text-anchor="middle" '
        f'fill="{INK}">{markup(content)}</text>'
    )


def arrow(points: Sequence[Point], *, dashed: bool, head: bool = True) -> str:
    """Write an arrow, or the first part of one that continues as another arrow.

    Args:
        points: The points that it passes.
        dashed: Whether the line is dashed.
        head: Whether it has a head at its end.
    """
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    ended = ' marker-end="url(#lokki-arrow)"' if head else ""
    return f'<path d="{"".join(_path(points))}" fill="none" stroke="{LINES}"{dashes}{ended}/>'


def _path(points: Sequence[Point]) -> Iterator[str]:
    """Yield the commands of a line through points.

    Horizontal parts are straight lines with rounded corners; other parts are curves that leave and
    enter each point vertically.
    """
    yield f"M{number(points[0].x)} {number(points[0].y)}"
    at = points[0]
    for before, after, following in zip(points, points[1:], [*points[2:], None], strict=False):
        level = before.y == after.y
        turns = following is not None and (after.y == following.y) != level
        end = _towards(after, before) if turns else after
        yield f"H{number(end.x)}" if level else _curve(at, end)
        at = end
        if turns and following is not None:
            at = _towards(after, following)
            yield f"Q{number(after.x)} {number(after.y)} {number(at.x)} {number(at.y)}"


def _towards(corner: Point, other: Point) -> Point:
    """Return the point where the rounding of a corner ends."""
    if corner.y == other.y:
        return corner + Point(_shortened(other.x - corner.x), 0.0)
    return corner + Point(0.0, _shortened(other.y - corner.y))


def _shortened(way: float) -> float:
    return max(-_ROUND, min(_ROUND, way / 2))


def _curve(before: Point, after: Point) -> str:
    half = number((before.y + after.y) / 2)
    return (
        f"C{number(before.x)} {half} {number(after.x)} {half} {number(after.x)} {number(after.y)}"
    )
