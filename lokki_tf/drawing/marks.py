"""SVG elements for pictures of boxes and arrows: the document, texts, rectangles and curves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .characters import CHARACTER, columns, markup, number
from .layers import LINE, MARGIN, Point
from .status import INK

LINES = "#7a869a"
START = 'rx="11" fill="#f3eefb" stroke="#7a5fa5"'
END = 'rx="11" fill="#fdf0ef" stroke="#c0362c" stroke-dasharray="4 3"'
SIGN = 16.0
"""The width of the sign before the text of what starts runs."""
BOX = 'rx="6" fill="#eef3fb" stroke="#4a6fa5"'
FRAME = f'rx="8" fill="none" stroke="{LINES}" stroke-opacity="0.6"'
_ROUND = 7.0
_HEAD, _HALF = 7.0, 3.5  # length and half the width of an arrow's head


def document(
    name: str, description: str, width: float, height: float, content: Iterable[str]
) -> str:
    """Write an SVG document.

    Args:
        name: The title.
        description: What is drawn, for readers who do not see it.
        width: Width of the content, without the margins.
        height: Height of the content, without the margins.
        content: The elements; their coordinates include the left and top margins.
    """
    wide, high = number(width + 2 * MARGIN), number(height + 2 * MARGIN)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" '
        f'viewBox="0 0 {wide} {high}" font-family="monospace" font-size="12" role="img">',
        f"<title>{markup(name)}</title>",
        f"<desc>{markup(description)}</desc>",
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


def arrow(points: Sequence[Point], *, dashed: bool, head: bool = True, faded: bool = False) -> str:
    """Write an arrow, or the first part of one that continues as another arrow.

    Args:
        points: The points that it passes.
        dashed: Whether the line is dashed.
        head: Whether it has a head at its end.
        faded: Whether it was not taken in a run.
    """
    more = ' stroke-dasharray="5 4"' if dashed else ""
    more += ' opacity="0.4"' if faded else ""
    line = f'<path d="{"".join(_path(points))}" fill="none" stroke="{LINES}"{more}/>'
    return line + _head(points, faded=faded) if head else line


def _head(points: Sequence[Point], *, faded: bool) -> str:
    """Draw the head of an arrow: a marker would need an id, which several pictures would share."""
    before, end = points[-2], points[-1]
    if before.y == end.y:
        back = _HEAD if before.x > end.x else -_HEAD
        sides = f"l{number(back)} {number(_HALF)}v{number(-2 * _HALF)}"
    else:  # every other line enters from above or below
        back = _HEAD if before.y > end.y else -_HEAD
        sides = f"l{number(_HALF)} {number(back)}h{number(-2 * _HALF)}"
    more = ' opacity="0.4"' if faded else ""
    return f'<path d="M{number(end.x)} {number(end.y)}{sides}z" fill="{LINES}"{more}/>'


def label(content: str, middle: Point) -> str:
    """Write a short text on an arrow, with a background of its own."""
    wide = columns(content) * CHARACTER + 8
    corner = middle + Point(-wide / 2, -8)
    style = f'rx="8" fill="#fff" stroke="{LINES}"'
    return rectangle(corner, wide, 16, style) + text(content, middle.x, middle.y + 4)


def height_of_marks(lines: int) -> float:
    """Return the height of a box with what starts runs."""
    return lines * LINE + 9


def marks(texts: Sequence[str], corner: Point, width: float, *, are_starts: bool) -> Iterator[str]:
    """Write what starts a pipeline, each with a triangle; a limit of runs has two bars.

    Args:
        texts: A line for each.
        corner: Upper left corner of their box.
        width: The width of the box.
        are_starts: Whether they start runs.
    """
    for index, line in enumerate(texts):
        y, middle = corner.y + index * LINE + 16, corner.x + width / 2
        if are_starts:
            middle += SIGN / 2
            sign = Point(middle - columns(line) * CHARACTER / 2 - 14, y - 4)
            yield _bars(sign) if line.startswith("at most ") else _triangle(sign)
        yield text(line, middle, y)


def _triangle(middle: Point) -> str:
    return f'<path d="M{number(middle.x - 4)} {number(middle.y - 5)}l8 5l-8 5z" fill="{INK}"/>'


def _bars(middle: Point) -> str:
    x, y = number(middle.x - 4), number(middle.y - 5)
    return f'<path d="M{x} {y}h3v10h-3zm5 0h3v10h-3z" fill="{INK}"/>'


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
