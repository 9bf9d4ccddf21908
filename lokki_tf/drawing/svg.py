"""A graph as a picture: levels from top to bottom, a map as a box around its body.

The stages: :mod:`.layers` says where everything stands; here it is written as SVG, which shows
alike in notebooks of either brightness and holds no script, font or link.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING

from .characters import markup, number
from .layers import LINE, MARGIN, TITLE, Box, Edge, Layout, Point, layout
from .status import INK, LOOKS, hint, outcome_of, told

if TYPE_CHECKING:
    from lokki_tf.model import Definition, Outcome

_BOX = 'rx="6" fill="#eef3fb" stroke="#4a6fa5"'
_MAP = 'rx="8" fill="#f7f9fc" stroke="#7a869a" stroke-dasharray="2 3"'
_HEAD = (
    '<marker id="lokki-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
    'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#7a869a"/></marker>'
)
_NONE: Mapping[str, Outcome] = MappingProxyType({})


def to_svg(definition: Definition, outcomes: Mapping[str, Outcome] | None = None) -> str:
    """The graph as SVG; dashed arrows carry no data.

    Args:
        definition: The pipeline.
        outcomes: What became of the nodes, for a picture of a run; a node that is missing
            has not run.
    """
    nodes = () if outcomes is None else definition.graph.nodes
    known = {node.name: outcome_of(node.name, outcomes or _NONE) for node in nodes}
    placed = layout(definition.graph, {name: told(outcome) for name, outcome in known.items()})
    width, height = number(placed.width + 2 * MARGIN), number(placed.height + 2 * MARGIN)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="monospace" font-size="12" role="img">',
        f"<title>{markup(definition.name)}</title>",
        f"<defs>{_HEAD}</defs>",
        *_drawn(placed, Point(MARGIN, MARGIN), known),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _drawn(placed: Layout, corner: Point, outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    for box in placed.boxes:
        at = corner + box.corner
        outcome = outcomes.get(box.name)
        if outcome is None:
            yield from _box(box, at, _BOX if box.body is None else _MAP)
        else:
            yield f"<g><title>{markup(hint(box.name, outcome))}</title>"
            yield from _box(box, at, _styled(outcome))
            yield "</g>"
        if box.body is not None:
            yield from _drawn(box.body, at + box.inside, _NONE)
    yield from (_arrow(edge, corner) for edge in placed.edges)


def _styled(outcome: Outcome) -> str:
    look = LOOKS[outcome.status]
    dashes = ' stroke-dasharray="5 3"' if look.dashed else ""
    return f'rx="6" fill="{look.fill}" stroke="{look.line}" stroke-width="1.4"{dashes}'


def _box(box: Box, at: Point, style: str) -> Iterator[str]:
    """A rectangle with its lines, in its middle or over what a map holds."""
    middle, text_y = at.x + box.width / 2, at.y + TITLE - 6
    if box.body is None:
        text_y = at.y + (box.height - (LINE if box.note else 0)) / 2 + 4
    yield (
        f'<rect x="{number(at.x)}" y="{number(at.y)}" width="{number(box.width)}" '
        f'height="{number(box.height)}" {style}/>'
    )
    yield _text(box.label, middle, text_y)
    if box.note:
        yield _text(box.note, middle, text_y + LINE)


def _text(text: str, middle: float, y: float) -> str:
    return (
        f'<text x="{number(middle)}" y="{number(y)}" text-anchor="middle" '
        f'fill="{INK}">{markup(text)}</text>'
    )


def _arrow(edge: Edge, corner: Point) -> str:
    dashes = "" if edge.carries else ' stroke-dasharray="5 4"'
    path = _path([corner + point for point in edge.points])
    return f'<path d="{path}" fill="none" stroke="#7a869a"{dashes} marker-end="url(#lokki-arrow)"/>'


def _path(points: list[Point]) -> str:
    """A line through points that leaves and enters each from above."""
    parts = [f"M{number(points[0].x)} {number(points[0].y)}"]
    for before, after in pairwise(points):
        half = number((before.y + after.y) / 2)
        parts.append(
            f"C{number(before.x)} {half} {number(after.x)} {half} "
            f"{number(after.x)} {number(after.y)}"
        )
    return "".join(parts)
